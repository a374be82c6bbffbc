"""Parked keys: who waits, who is released when, and what survives a restart. No broker."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keyflow import (
    Effect,
    EffectResult,
    Emit,
    FailedRecord,
    Headers,
    Outcome,
    PendingEffect,
    PoisonMessageError,
    Processor,
    Record,
    StateSpec,
    Tools,
)
from keyflow.parking import PARKED_NUMBER_HEADER, Parked, Turn, joined, released, turn
from keyflow.retry import Backoff
from keyflow.runner import RecordRunner
from keyflow.table import Entry, Table, decode_entry
from keyflow.work import Assignment, Finished, Item

SPEC: StateSpec[list[int]] = StateSpec("changelog", lambda state: json.dumps(state).encode(), json.loads)
KEY = "k"


@dataclass
class Ordered:
    """Notes what it handled in the state; fails for the numbers that the test names."""

    broken: set[int] = field(default_factory=set)
    effects: bool = False
    resumes: bool = True

    async def handle(self, record: Record, state: list[int] | None, tools: Tools) -> Outcome[list[int]]:
        number = record.value
        if number in self.broken:
            raise PoisonMessageError("broken")
        effect = Effect("call", f"call-{number}", {}) if self.effects else None
        return Outcome([Emit("out", record.key, number)], [*(state or []), number], effect)

    async def resume(self, result: EffectResult, key: str, state: list[int] | None, tools: Tools) -> Outcome[list[int]]:
        if not self.resumes:
            raise PoisonMessageError("no result was expected")
        return Outcome([Emit("out", key, result.effect.idempotency_key)])


@dataclass
class Line:
    """One key's way through the runner: new records, letters, redrives, restarts."""

    handler: Ordered = field(default_factory=Ordered)
    table: Table[list[int]] = field(default_factory=lambda: Table(SPEC))
    changelog: bytes | None = None
    letters: list[FailedRecord] = field(default_factory=list)
    outputs: list[Any] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    offset: int = 0
    extra: dict[str, Any] = field(default_factory=dict)

    def processor(self) -> Processor[list[int]]:
        options: dict[str, Any] = {"redrive_topic": "redrive", "parking": True} | self.extra
        return Processor(
            name="test",
            inputs=["in"],
            handler=self.handler,
            decode=lambda _, data: json.loads(data),
            encode=lambda _, value: json.dumps(value).encode(),
            dead_letter=self._dead_letter,
            state=SPEC,
            **options,
        )

    def _dead_letter(self, failed: FailedRecord) -> Emit:
        self.letters.append(failed)
        return Emit("dead", KEY, failed.reason)

    async def _run(self, item: Item) -> None:
        runner = RecordRunner(self.processor(), 10_000, lambda: 1, Backoff())
        await runner.run(item, self.table, self._deliver)

    def _deliver(self, finished: Finished) -> Awaitable[None] | None:
        if finished.effect is None:
            self.kinds.append(finished.kind)
        for write in finished.writes:
            if write.topic == "changelog":
                self.changelog = write.value
            elif write.topic != "dead":
                self.outputs.append(json.loads(write.value or b"null"))
        return None

    async def arrives(self, number: int, headers: Headers = ()) -> None:
        self.offset += 1
        await self._run(Item(Assignment(0, {}), "in", self.offset, "in", KEY, b"k", b"%d" % number, headers))

    async def returns(self, letter: FailedRecord, value: bytes | None = None) -> None:
        self.offset += 1
        value = letter.raw_value if value is None else value
        headers = letter.headers
        await self._run(Item(Assignment(0, {}), "redrive", self.offset, "in", KEY, b"k", value or None, headers))

    def restart(self) -> None:
        """A new process: nothing is known but what was written."""
        self.table = Table(SPEC)
        self.table.restore(KEY, self.changelog)

    @property
    def numbers(self) -> list[str]:
        found = [dict(letter.headers).get(PARKED_NUMBER_HEADER) for letter in self.letters]
        return ["" if number is None else number.decode() for number in found]


async def test_a_failed_record_parks_its_key_and_later_ones_wait_unhandled_with_the_numbers_after_it() -> None:
    line = Line(Ordered({2}))
    for number in (1, 2, 3, 4):
        await line.arrives(number, (("trace", b"t"), (PARKED_NUMBER_HEADER, b"7")))
    assert line.outputs == [1]
    assert line.kinds == ["outcome", "dead_letter", "parked", "parked"]
    assert [(letter.error_class, letter.attempts) for letter in line.letters] == [
        ("poison", 1),
        ("parked", 0),
        ("parked", 0),
    ]
    assert [letter.headers for letter in line.letters] == [
        (("trace", b"t"), (PARKED_NUMBER_HEADER, b"%d" % number)) for number in range(3)
    ]
    assert line.letters[1].reason == "its key is parked; number 0 is released next"
    assert line.table.parked(KEY) == Parked(0, 2)
    assert line.table.parked_keys == 1


async def test_letters_come_back_in_order_and_with_the_last_the_key_is_free() -> None:
    line = Line(Ordered({2}))
    for number in (1, 2, 3, 4):
        await line.arrives(number)
    line.handler.broken.clear()
    for letter in list(line.letters):
        assert line.table.parked_keys == 1
        await line.returns(letter)
    assert line.table.parked_keys == 0
    await line.arrives(5)
    assert line.outputs == [1, 2, 3, 4, 5]
    assert line.table.get(KEY) == [1, 2, 3, 4, 5]


async def test_a_letter_that_fails_again_keeps_its_number_and_its_turn() -> None:
    line = Line(Ordered({2}))
    await line.arrives(2)
    await line.arrives(3)
    await line.returns(line.letters[0])
    assert line.numbers == ["0", "1", "0"]
    assert line.kinds[-1] == "dead_letter"
    assert line.table.parked(KEY) == Parked(0, 1)


async def test_a_number_ahead_of_its_turn_goes_back_and_one_behind_it_is_not_handled_twice() -> None:
    line = Line(Ordered({2}))
    for number in (2, 3, 4):
        await line.arrives(number)
    line.handler.broken.clear()
    first, _, third = line.letters
    await line.returns(third)
    assert (line.numbers[-1], line.letters[-1].error_class, line.kinds[-1]) == ("2", "parked", "parked")
    await line.returns(first)
    await line.returns(first)
    assert line.kinds[-1] == "released_before"
    assert line.outputs == [2]
    assert len(line.letters) == 4


async def test_a_parked_key_is_parked_after_a_restart_too() -> None:
    line = Line(Ordered({2}))
    for number in (2, 3):
        await line.arrives(number)
    line.restart()
    assert line.table.parked_keys == 1
    await line.arrives(4)
    line.handler.broken.clear()
    await line.returns(line.letters[0])
    line.restart()
    for letter in line.letters[1:3]:
        await line.returns(letter)
    line.restart()
    await line.arrives(5)
    assert line.outputs == [2, 3, 4, 5]


async def test_the_effect_of_a_letter_that_came_back_runs_before_the_next_number() -> None:
    async def call(_: PendingEffect) -> Mapping[str, Any]:
        assert line.outputs == [2]
        return {}

    line = Line(Ordered({2}, effects=True), extra={"effects": {"call": call}})
    await line.arrives(2)
    await line.arrives(3)
    line.handler.broken.clear()
    await line.returns(line.letters[0])
    assert line.outputs == [2, "call-2"]
    assert line.table.parked(KEY) == Parked(1, 1)


async def call(_: PendingEffect) -> Mapping[str, Any]:
    return {}


async def test_what_fails_after_an_effect_parks_its_key_and_takes_a_released_number_back() -> None:
    line = Line(Ordered(effects=True, resumes=False), extra={"effects": {"call": call}})
    await line.arrives(2)
    await line.arrives(3)
    assert (line.numbers, line.table.parked(KEY)) == (["0", "1"], Parked(0, 1))
    await line.returns(line.letters[0])
    assert (line.numbers, line.table.parked(KEY)) == (["0", "1", "0"], Parked(0, 1))
    line.handler.resumes = True
    await line.returns(line.letters[2])
    await line.returns(line.letters[1])
    assert line.table.parked_keys == 0


async def test_what_fails_after_an_effect_that_a_restart_found_pending_can_only_be_given_up() -> None:
    line = Line(Ordered({2}, effects=True), extra={"effects": {"call": call}})
    await line.arrives(2)
    await line.arrives(3)
    line.table.put(KEY, Entry(b"[2]", Effect("call", "call-2", {}), 1, Parked(1, 1)))
    line.handler.resumes = False
    await line._run(Item(Assignment(0, {}), "in", None, "in", KEY, effect=Effect("call", "call-2", {})))
    assert (line.numbers[-1], line.letters[-1].raw_value, line.table.parked(KEY)) == ("0", None, Parked(0, 1))
    assert list(line.table.pending()) == []
    line.handler.broken.clear()
    line.handler.resumes = True
    await line.returns(line.letters[-1], b"")
    assert line.kinds[-1] == "given_up"
    await line.returns(line.letters[1])
    assert line.table.parked_keys == 0


async def test_a_number_without_a_record_was_given_up_and_makes_room_for_the_next() -> None:
    line = Line(Ordered({2}))
    await line.arrives(2)
    await line.arrives(3)
    await line.returns(line.letters[0], b"")
    assert line.kinds[-1] == "given_up"
    await line.returns(line.letters[1])
    assert line.outputs == [3]
    assert line.table.parked_keys == 0


async def test_what_could_never_come_back_neither_parks_a_key_nor_takes_a_number() -> None:
    line = Line(Ordered({2}))
    tombstone = Item(Assignment(0, {}), "in", 1, "in", KEY, b"k", None)
    await line._run(tombstone)
    assert line.table.parked_keys == 0
    await line.arrives(2)
    await line._run(tombstone)
    assert line.numbers == ["", "0", ""]
    await line._run(Item(Assignment(0, {}), "in", 1, "in", "", None, b"2"))
    assert line.table.parked(KEY) == Parked(0, 0)


async def test_a_letter_of_a_time_before_the_key_was_parked_queues_behind_it() -> None:
    line = Line(Ordered({2}))
    await line.arrives(2)
    await line.returns(FailedRecord("in", 0, 0, 1, b"k", b"1", ()))
    assert line.numbers == ["0", "1"]


async def test_a_poisoned_record_may_change_state_and_parks_its_key_all_the_same() -> None:
    calls: list[str] = []

    def on_poison(failed: FailedRecord, record: Record | None, state: Any) -> Outcome[list[int]]:
        calls.append(failed.error_class)
        return Outcome([], [99])

    line = Line(Ordered({2}), extra={"on_poison": on_poison})
    for number in (1, 2, 3):
        await line.arrives(number)
    assert decode_entry(line.changelog or b"").parked == Parked(0, 1)
    assert line.table.get(KEY) == [99]
    assert calls == ["poison"]


async def test_without_parking_nothing_is_numbered_and_a_key_that_is_parked_still_becomes_free() -> None:
    line = Line(Ordered({2}), extra={"parking": False})
    await line.arrives(2)
    await line.arrives(3)
    assert (line.numbers, line.outputs) == ([""], [3])

    line = Line(Ordered({2}))
    await line.arrives(2)
    await line.arrives(3)
    line.extra, line.handler.broken = {"parking": False}, set()
    for letter in list(line.letters):
        await line.returns(letter)
    assert (line.outputs, line.table.parked_keys) == ([2, 3], 0)


@pytest.mark.parametrize(
    ("subject", "remedy"),
    [
        (replace(Line().processor(), state=None), "set Processor.state"),
        (replace(Line().processor(), redrive_topic=None), "set Processor.redrive_topic"),
    ],
)
def test_parking_that_could_not_end_is_refused_at_the_start(subject: Processor[list[int]], remedy: str) -> None:
    with pytest.raises(ValueError, match=remedy):
        RecordRunner(subject, 1000, lambda: 1, Backoff())


@pytest.mark.parametrize(
    ("parked", "number", "expected"),
    [
        (None, None, Turn.NOW),
        (Parked(0, 1), None, Turn.WAITS),
        (Parked(1, 2), 0, Turn.PAST),
        (Parked(1, 2), 1, Turn.NOW),
        (Parked(1, 2), 2, Turn.WAITS),
        (None, 0, Turn.PAST),
    ],
)
def test_whose_turn_it_is(parked: Parked | None, number: int | None, expected: Turn) -> None:
    assert turn(parked, number) is expected


def test_numbers_are_given_and_released_one_by_one() -> None:
    assert joined(None) == Parked(0, 0)
    assert joined(Parked(1, 4)) == Parked(1, 5)
    assert released(Parked(1, 2)) == Parked(2, 2)
    assert released(Parked(2, 2)) is None


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("arrives"), st.booleans()),
        st.tuples(st.just("returns"), st.integers(0, 30)),
        st.tuples(st.just("mended"), st.integers(0, 30)),
        st.tuples(st.just("restart"), st.just(0)),
    ),
    max_size=40,
)


@settings(max_examples=300, deadline=None)
@given(STEPS)
async def test_whatever_the_interleaving_a_keys_records_are_handled_once_and_in_order(
    steps: list[tuple[str, Any]],
) -> None:
    line = Line()
    open_letters: list[FailedRecord] = []  # those that the ledger does not have: each goes back once

    def collect() -> None:
        open_letters.extend(line.letters)
        line.letters.clear()

    arrived = 0
    for step, argument in steps:
        if step == "arrives":
            arrived += 1
            if argument:
                line.handler.broken.add(arrived)
            await line.arrives(arrived)
        elif step == "returns" and open_letters:
            await line.returns(open_letters.pop(argument % len(open_letters)))
        elif step == "mended":
            line.handler.broken.discard(argument)
        elif step == "restart":
            line.restart()
        collect()
        assert line.outputs == sorted(set(line.outputs)), "out of order, or twice"
        waiting = {int(letter.raw_value or b"") for letter in open_letters}
        assert waiting | set(line.outputs) == set(range(1, arrived + 1)), "lost"
        assert not waiting & set(line.outputs), "handled, and a letter still"
    line.handler.broken.clear()
    while open_letters:
        await line.returns(open_letters.pop(0))
        collect()
    assert line.outputs == list(range(1, arrived + 1))
    assert line.table.parked_keys == 0
