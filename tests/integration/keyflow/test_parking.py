"""Parking on a real broker: a key is parked over a restart, rehearsed, redriven, and its order holds."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import Any

from keyflow import (
    ORIGIN_TOPIC_HEADER,
    Emit,
    Engine,
    FailedRecord,
    Outcome,
    PoisonMessageError,
    Processor,
    Record,
    Tools,
)
from keyflow.parking import PARKED_NUMBER_HEADER, Parked, Turn
from keyflow.reading import committed_records
from keyflow.redrive import Redrive, Returning
from keyflow.rehearsal import rehearse, restored_key
from keyflow_bench import Bench, run_until


@dataclass
class Broken:
    """Counts what it handled in the state; fails for some numbers of some keys."""

    out: str
    broken: set[tuple[str, int]] = field(default_factory=set)

    async def handle(self, record: Record, state: int | None, tools: Tools) -> Outcome[int]:
        if (record.key, record.value["n"]) in self.broken:
            raise PoisonMessageError("broken")
        count = (state or 0) + 1
        return Outcome([Emit(self.out, record.key, {"n": record.value["n"], "count": count})], count)


def letter_of(bench: Bench, failed: FailedRecord) -> Emit:
    headers = {name: value.decode() for name, value in failed.headers}
    headers.pop(ORIGIN_TOPIC_HEADER, None)
    letter = {
        "id": f"{failed.topic}/{failed.partition}/{failed.offset}", "partition": failed.partition,
        "key": (failed.raw_key or b"").decode(), "value": (failed.raw_value or b"").decode(), "headers": headers,
        "class": failed.error_class,
    }  # fmt: skip
    return Emit(bench.topic("dead"), letter["key"], letter)


def subject_of(bench: Bench, handler: Broken) -> Processor[int]:
    made = bench.processor(handler, redrive_topic=bench.topic("redrive"), parking=True)
    return replace(made, dead_letter=lambda failed: letter_of(bench, failed))


def redrive(bench: Bench, letters: list[dict[str, Any]]) -> None:
    """Sends letters back in the order given."""
    client = {"bootstrap.servers": bench.servers}
    core = Redrive(client, bench.topic("ledger"), f"redrive-{bench.run}")
    core.fence()
    ledger_client = {**client, "group.id": f"dlq-{bench.run}"}
    ledger = [(message.key() or b"").decode() for message in committed_records(ledger_client, bench.topic("ledger"))]
    core.send(
        [
            Returning(
                letter["id"], b"sent", bench.topic("redrive"), letter["key"].encode(), letter["value"].encode(),
                tuple((name, value.encode()) for name, value in letter["headers"].items()), bench.topic("in"),
            )
            for letter in letters
        ],
        ledger,
    )  # fmt: skip


def numbers(outputs: list[tuple[str, Any]], key: str) -> list[tuple[int, int]]:
    return [(value["n"], value["count"]) for found, value in outputs if found == key]


async def test_a_parked_key_waits_over_a_restart_and_is_released_in_order(bench: Bench) -> None:
    bench.create("redrive", "ledger")
    bench.fill([(key, b'{"n": %d}' % number) for number in range(6) for key in ("a", "b")])
    handler = Broken(bench.topic("out"), {("a", 2)})
    subject = subject_of(bench, handler)
    first = Engine(subject, bench.config())
    await run_until(first, lambda: sum(first.status.finished.values()) >= 12)
    assert first.status.parked == 1
    outputs = bench.read("out", 8)
    assert numbers(outputs, "b") == [(number, number + 1) for number in range(6)]
    assert numbers(outputs, "a") == [(0, 1), (1, 2)]
    letters = [letter for _, letter in bench.read("dead", 4)]
    assert [letter["headers"][PARKED_NUMBER_HEADER] for letter in letters] == ["0", "1", "2", "3"]
    assert [letter["class"] for letter in letters] == ["poison", "parked", "parked", "parked"]

    # Rehearsed with the state of the key, before and after the fix; nothing of it stays.
    failed = FailedRecord(bench.topic("in"), letters[0]["partition"], 0, 1, b"a", b'{"n": 2}', ())
    table = restored_key(subject, bench.config(), "a", failed.partition)
    assert table is not None
    assert table.was_parked == Parked(0, 3)
    rehearsal = await rehearse(subject, failed, table)
    assert (rehearsal.kind, rehearsal.turn) == ("dead_letter", Turn.WAITS)
    handler.broken.clear()
    rehearsal = await rehearse(subject, failed, restored_key(subject, bench.config(), "a", failed.partition))
    assert (rehearsal.outputs[0].value, rehearsal.state_before, rehearsal.state) == ({"n": 2, "count": 3}, 2, 3)

    # The second process finds the key parked: what is new waits, what is ahead of its turn goes back.
    redrive(bench, [letters[3], letters[0]])
    bench.fill([("a", b'{"n": 6}')])
    second = Engine(subject, bench.config())
    await run_until(second, lambda: sum(second.status.finished.values()) >= 3)
    assert second.status.parked == 1
    assert numbers(bench.read("out", 9), "a")[2:] == [(2, 3)]
    again = [letter for _, letter in bench.read("dead", 6)][4:]
    assert sorted(letter["headers"][PARKED_NUMBER_HEADER] for letter in again) == ["3", "4"]

    redrive(bench, [*letters[1:3], *sorted(again, key=lambda letter: letter["headers"][PARKED_NUMBER_HEADER])])
    third = Engine(subject, bench.config())
    await run_until(third, lambda: sum(third.status.finished.values()) >= 4)
    assert third.status.parked == 0
    bench.fill([("a", json.dumps({"n": 7}).encode())])
    fourth = Engine(subject, bench.config())
    await run_until(fourth, lambda: sum(fourth.status.finished.values()) >= 1)
    assert numbers(bench.read("out", 14), "a") == [(number, number + 1) for number in range(8)]
    assert len(bench.read("dead", 6)) == 6
