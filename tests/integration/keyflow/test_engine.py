"""The engine on a real broker: order per key, exactly once across a restart, dead letters, fencing."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from typing import Any

import pytest
from keyflow import Engine, FatalError, PendingEffect, Processor
from keyflow_bench import PARTITIONS, Bench, Counting, finished, run_until


async def test_every_record_once_in_order_per_key_across_a_restart(bench: Bench) -> None:
    bench.fill([(f"key-{number % 40}", json.dumps({"n": number}).encode()) for number in range(1200)])
    calls: list[str] = []

    async def call(pending: PendingEffect) -> Mapping[str, Any]:
        calls.append(pending.effect.idempotency_key)
        return {}

    handler = Counting(bench.topic("out"), every=100)
    subject = bench.processor(handler, effects={"call": call})
    first = Engine(subject, bench.config())
    await run_until(first, lambda: finished(first) > 500)
    second = Engine(subject, bench.config())
    total = 1200 + 12
    await run_until(second, lambda: finished(first) + finished(second) >= total)
    outputs = bench.read("out", total)
    numbers = [value["n"] for _, value in outputs if "n" in value]
    assert sorted(numbers) == list(range(1200))
    for key in {key for key, _ in outputs}:
        of_key = [value for found, value in outputs if found == key and "n" in value]
        assert [value["count"] for value in of_key] == list(range(1, 31)), key
        assert [value["n"] for value in of_key] == sorted(value["n"] for value in of_key), key
    assert handler.overlaps == 0
    assert handler.most_at_once > 10
    assert sorted(calls) == sorted(f"call-{number}" for number in range(0, 1200, 100))


async def test_a_poisoned_record_goes_to_the_dead_letters_and_its_key_goes_on(bench: Bench) -> None:
    bench.fill([("a", b'{"n": 1}'), ("a", b"broken"), ("a", b'{"n": 3}')])
    engine = Engine(bench.processor(Counting(bench.topic("out"))), bench.config())
    await run_until(engine, lambda: finished(engine) >= 3)
    assert [value["count"] for _, value in bench.read("out", 2)] == [1, 2]
    assert bench.read("dead", 1) == [("dead", "cannot be decoded: JSONDecodeError")]


async def test_a_missing_topic_stops_the_process_with_one_line(bench: Bench) -> None:
    subject = bench.processor(Counting("out"))
    wrong = Processor(**{**{name: getattr(subject, name) for name in subject.__slots__}, "inputs": ["nowhere"]})
    with pytest.raises(FatalError, match="nowhere does not exist"):
        await Engine(wrong, bench.config()).run()


async def test_unequal_partition_counts_are_refused(bench: Bench) -> None:
    bench.create("other", partitions=PARTITIONS + 1)
    subject = bench.processor(Counting("out"))
    inputs = [bench.topic("in"), bench.topic("other")]
    wrong = Processor(**{**{name: getattr(subject, name) for name in subject.__slots__}, "inputs": inputs})
    with pytest.raises(FatalError, match="same number of partitions"):
        await Engine(wrong, bench.config()).run()


async def test_an_instance_in_the_same_slot_fences_the_one_before(bench: Bench) -> None:
    subject = bench.processor(Counting(bench.topic("out")))
    old = Engine(subject, bench.config())
    running = asyncio.create_task(old.run())
    deadline = time.monotonic() + 60
    while old.status.assigned == 0:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)
    new = Engine(subject, bench.config())
    replacing = asyncio.create_task(new.run())
    while new.status.assigned == 0:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)
    bench.fill([(f"key-{number}", b'{"n": %d}' % number) for number in range(50)])
    with pytest.raises(FatalError, match="another process uses the slot"):
        await asyncio.wait_for(running, 30)
    deadline = time.monotonic() + 60
    while finished(new) < 50:
        assert time.monotonic() < deadline, new.status.finished
        await asyncio.sleep(0.05)
    new.stop()
    await replacing
    assert sorted(value["n"] for _, value in bench.read("out", 50)) == list(range(50))
