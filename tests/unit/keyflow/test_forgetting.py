"""A processor forgets a key when it is asked to, in the key's order. No broker."""

from __future__ import annotations

import json
from typing import Any

from keyflow import Effect, EffectResult, Emit, Outcome, Processor, Record, StateSpec, Tools
from keyflow.forgetting import FORGET_HEADER, asks_to_forget, forget
from keyflow.parking import PARKED_NUMBER_HEADER, Parked
from keyflow.redrive import Returning
from keyflow.retry import Backoff
from keyflow.runner import RecordRunner
from keyflow.table import Entry, Table
from keyflow.types import Headers
from keyflow.work import Assignment, Finished, Item

SPEC: StateSpec[list[int]] = StateSpec("changelog", lambda state: json.dumps(state).encode(), json.loads)
REQUEST = forget("redrive", "k")


class Remembering:
    """Keeps every value in the state."""

    async def handle(self, record: Record, state: list[int] | None, tools: Tools) -> Outcome[list[int]]:
        return Outcome([Emit("out", record.key, state or "nothing")], [*(state or []), record.value])

    async def resume(self, result: EffectResult, key: str, state: Any, tools: Tools) -> Outcome[list[int]]:
        return Outcome([Emit("out", key, result.status)])


async def done(item: Item, table: Table[list[int]]) -> list[Finished]:
    processor: Processor[list[int]] = Processor(
        name="test",
        inputs=["in"],
        handler=Remembering(),
        decode=lambda _, data: json.loads(data),
        encode=lambda _, value: json.dumps(value).encode(),
        dead_letter=lambda failed: Emit("dead", "k", failed.reason),
        state=SPEC,
        redrive_topic="redrive",
        parking=True,
    )
    outcomes: list[Finished] = []
    runner = RecordRunner(processor, 10_000, lambda: 1, Backoff())
    await runner.run(item, table, outcomes.append)
    return outcomes


def item(source: str, value: bytes, headers: Headers = (), key: str = "k") -> Item:
    return Item(Assignment(3, {}), source, 7, source, key, key.encode(), value, headers)


def remembering(*keys: str, parked: Parked | None = None) -> Table[list[int]]:
    table = Table(SPEC)
    for key in keys:
        table.put(key, Entry(b"[1]", None, 0, parked))
    return table


async def test_the_key_is_forgotten_in_memory_and_in_the_changelog_and_no_other_is() -> None:
    table = remembering("k", "other")
    [outcome] = await done(item("redrive", REQUEST.value or b"", REQUEST.headers), table)
    assert (table.get("k"), table.get("other")) == (None, [1])
    assert [(write.topic, write.key, write.value, write.partition) for write in outcome.writes] == [
        ("changelog", b"k", None, 3)
    ]
    assert (outcome.offset, outcome.kind) == (7, "forgotten")


async def test_what_comes_after_begins_anew() -> None:
    table = remembering("k")
    await done(item("redrive", b"", REQUEST.headers), table)
    [outcome] = await done(item("in", b"5"), table)
    assert [write.value for write in outcome.writes if write.topic == "out"] == [b'"nothing"']
    assert table.get("k") == [5]


async def test_a_second_request_changes_nothing() -> None:
    table = remembering()
    [outcome] = await done(item("redrive", b"", REQUEST.headers), table)
    assert len(table) == 0
    assert [write.value for write in outcome.writes] == [None]


async def test_a_parked_key_is_free_and_its_letters_are_not_handled_any_more() -> None:
    table = remembering("k", parked=Parked(0, 2))
    await done(item("redrive", b"", REQUEST.headers), table)
    assert table.parked_keys == 0
    [outcome] = await done(item("redrive", b"9", ((PARKED_NUMBER_HEADER, b"1"),)), table)
    assert (outcome.kind, outcome.writes, len(table)) == ("released_before", [], 0)


async def test_only_the_topic_of_what_comes_back_can_ask() -> None:
    table = remembering("k")
    await done(item("in", b"5", REQUEST.headers), table)
    assert table.get("k") == [1, 5]


def test_a_redriven_record_that_brings_the_header_along_does_not_ask() -> None:
    letter = Returning("1", b"", "redrive", b"k", b"5", ((FORGET_HEADER, b""), ("kept", b"x")), "in")
    [sent, _] = letter.writes("ledger")
    assert not asks_to_forget(sent.headers)
    assert ("kept", b"x") in sent.headers


async def test_an_effect_under_way_comes_to_its_result_before() -> None:
    """The worker hands on a key's next item only after this one: what is found here is that its state goes with it."""
    table = remembering()
    table.put("k", Entry(b"[1]", Effect("call", "id", {}, expires_at_ms=0), 0))
    pending = Item(Assignment(3, {}), "in", None, "in", "k", effect=Effect("call", "id", {}, expires_at_ms=0))
    outcomes = await done(pending, table)
    assert outcomes
    assert list(table.pending()) == []
    await done(item("redrive", b"", REQUEST.headers), table)
    assert len(table) == 0
