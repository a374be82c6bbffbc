"""A dry run goes the engine's own way and leaves nothing behind."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest
from keyflow import (
    Effect,
    EffectResult,
    Emit,
    FailedRecord,
    FatalError,
    OutageError,
    Outcome,
    PendingEffect,
    PoisonMessageError,
    Processor,
    Record,
    RetryableError,
    StateSpec,
    Tools,
)
from keyflow.parking import PARKED_NUMBER_HEADER, Parked, Turn
from keyflow.rehearsal import Failure, KeyTable, Rehearsal, rehearse
from keyflow.table import Entry, encode_entry

SPEC: StateSpec[int] = StateSpec("changelog", lambda count: str(count).encode(), int)


@dataclass
class Handler:
    """Does what the test says; sees what it is given."""

    step: Any
    seen: Record | None = None

    async def handle(self, record: Record, state: int | None, tools: Tools) -> Outcome[int]:
        self.seen = record
        if isinstance(self.step, Exception):
            raise self.step
        assert isinstance(self.step, Outcome)
        return self.step

    async def resume(self, result: EffectResult, key: str, state: int | None, tools: Tools) -> Outcome[int]:
        raise AssertionError("an effect came back")


async def never(_: PendingEffect) -> Mapping[str, Any]:
    raise AssertionError("the effect ran")


def processor(step: Any, **extra: Any) -> Processor[int]:
    options: dict[str, Any] = {"state": SPEC, "effects": {"pay": never}, "redrive_topic": "redrive", "parking": True}
    return Processor(
        name="test",
        inputs=["in"],
        handler=Handler(step),
        decode=lambda _, data: json.loads(data),
        encode=lambda _, value: json.dumps(value).encode(),
        dead_letter=lambda failed: Emit("dead", "k", failed.reason),
        **options | extra,
    )


def failed(value: bytes = b'{"n": 1}', number: int | None = None) -> FailedRecord:
    own = () if number is None else ((PARKED_NUMBER_HEADER, b"%d" % number),)
    return FailedRecord("in", 3, 12, 5, b"k", value, (("trace", b"t"), *own))


def table(state: bytes | None = b"4", parked: Parked | None = None) -> KeyTable[int]:
    found = KeyTable(SPEC, "k")
    found.restore("other", encode_entry(Entry(b"9", None, 1)))
    found.restore("k", encode_entry(Entry(state, None, 1, parked)))
    return found


async def test_outputs_and_state_are_told_as_the_handler_made_them() -> None:
    subject = processor(Outcome([Emit("out", "k", {"a": 1}), Emit("out", "k", None)], 5))
    found = await rehearse(subject, failed(), table())
    assert found == Rehearsal(
        "outcome", Turn.NOW, (Emit("out", "k", {"a": 1}), Emit("out", "k", None)), state_before=4, state=5
    )


async def test_only_the_keys_own_state_is_kept() -> None:
    assert len(table()) == 1


async def test_an_effect_is_shown_and_not_run() -> None:
    effect = Effect("pay", "key-1", {"cents": 3})
    found = await rehearse(processor(Outcome([Emit("out", "k", 1)], 5, effect)), failed(), table())
    assert (found.kind, found.effect, found.state, len(found.outputs)) == ("outcome", effect, 5, 1)


@pytest.mark.parametrize(
    ("step", "value", "failure"),
    [
        (PoisonMessageError("no", raw_output="{"), b"1", Failure("poison", "PoisonMessageError", "no", "{")),
        (Outcome(), b"{", Failure("poison", "JSONDecodeError", "cannot be decoded: JSONDecodeError")),
        (
            Outcome([Emit("out", "k", "x" * 1000)]),
            b"1",
            Failure("poison", "PoisonMessageError", "output for out has 1103 bytes, more than the 900 allowed"),
        ),
        (
            Outcome([Emit("out", "k", {1, 2})]),
            b"1",
            Failure("poison", "TypeError", "output for out breaks its schema: TypeError"),
        ),
    ],
)
async def test_a_failure_is_told_with_its_class_and_reason(step: Any, value: bytes, failure: Failure) -> None:
    found = await rehearse(processor(step), failed(value), table(), max_message_bytes=900)
    assert (found.kind, found.failure, found.outputs, found.state) == ("dead_letter", failure, (), 4)


async def test_what_would_go_out_with_a_dead_letter_is_told_without_the_letter() -> None:
    subject = processor(PoisonMessageError("no"), on_poison=lambda *_: Outcome([Emit("help", "k", 1)], None))
    found = await rehearse(subject, failed(), table())
    assert (found.outputs, found.state) == ((Emit("help", "k", 1),), None)


async def test_a_fallback_is_named_as_one() -> None:
    subject = processor(OutageError("down"), fallback=lambda record, state, why: Outcome([], 0))
    assert (await rehearse(subject, failed(), table())).kind == "fallback"


@pytest.mark.parametrize(
    ("step", "failure"),
    [
        (OutageError("down"), Failure("outage", "OutageError", "it would be tried again: down")),
        (RetryableError("busy"), Failure("retryable", "RetryableError", "it would be tried again: busy")),
        (FatalError("no access"), Failure("fatal", "FatalError", "no access")),
    ],
)
async def test_what_the_engine_would_wait_for_or_stop_at_is_told(step: Exception, failure: Failure) -> None:
    found = await rehearse(processor(step), failed(), table(), within_seconds=0.01)
    assert (found.kind, found.failure) == ("stopped", failure)


@pytest.mark.parametrize(
    ("parked", "number", "expected"),
    [(Parked(0, 2), 0, Turn.NOW), (Parked(0, 2), 2, Turn.WAITS), (None, 0, Turn.PAST), (None, None, Turn.NOW)],
)
async def test_a_parked_record_is_rehearsed_before_its_turn_too_and_the_turn_told(
    parked: Parked | None, number: int | None, expected: Turn
) -> None:
    found = await rehearse(processor(Outcome([], 5)), failed(number=number), table(parked=parked))
    assert (found.kind, found.turn, found.state) == ("outcome", expected, 5)


async def test_a_handler_that_writes_by_itself_is_not_rehearsed() -> None:
    subject = processor(AssertionError("handled"), writes_outside=True)
    with pytest.raises(ValueError, match="running it is doing it: redrive the record"):
        await rehearse(subject, failed(), table())


async def test_a_processor_without_a_table_can_be_rehearsed() -> None:
    subject = replace(processor(Outcome([Emit("out", "k", 1)])), state=None, effects={}, parking=False)
    found = await rehearse(subject, failed(), None)
    assert (found.kind, found.outputs, found.state) == ("outcome", (Emit("out", "k", 1),), None)
