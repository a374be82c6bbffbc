"""The engine on a real broker: rebalances, restores, lost offsets, markers, slow keys, expiry."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from keyflow import Emit, Engine, FatalError, Outcome, Record, StateSpec, Tools
from keyflow_bench import PARTITIONS, Bench, Counting, eventually, finished, run_until


def numbered(count: int, keys: int) -> list[tuple[str, bytes]]:
    return [(f"key-{number % keys}", json.dumps({"n": number}).encode()) for number in range(count)]


async def test_instances_that_come_and_go_under_load_lose_and_double_nothing(bench: Bench) -> None:
    count, keys = 3000, 60
    bench.fill(numbered(count, keys))
    engines = [Engine(bench.processor(Counting(bench.topic("out"))), bench.config(instance=str(n))) for n in range(3)]
    running = [asyncio.create_task(engines[0].run())]

    def total() -> int:
        return sum(finished(engine) for engine in engines)

    await eventually(lambda: total() > 300, "the first instance works")
    running.append(asyncio.create_task(engines[1].run()))
    await eventually(lambda: engines[1].status.assigned > 0, "the second instance joins")
    running.append(asyncio.create_task(engines[2].run()))
    await eventually(lambda: engines[2].status.assigned > 0 or total() >= count, "the third instance joins")
    engines[0].stop()
    await running[0]
    outputs = await asyncio.to_thread(bench.read, "out", count)
    for engine in engines[1:]:
        engine.stop()
    await asyncio.gather(*running)
    assert sorted(value["n"] for _, value in outputs) == list(range(count))
    for key in {key for key, _ in outputs}:
        of_key = [value for found, value in outputs if found == key]
        assert [value["n"] for value in of_key] == sorted(value["n"] for value in of_key), key
        assert [value["count"] for value in of_key] == list(range(1, count // keys + 1)), key


async def test_state_without_committed_offsets_stops_the_process(bench: Bench) -> None:
    bench.fill(numbered(40, 20))
    first = Engine(bench.processor(Counting(bench.topic("out"))), bench.config())
    await run_until(first, lambda: finished(first) >= 40 and first.status.buffered == 0)
    other = replace(bench.config(), group_id=f"other-{bench.run}")
    with pytest.raises(FatalError, match="holds state, but the group"):
        await asyncio.wait_for(Engine(bench.processor(Counting(bench.topic("out"))), other).run(), 40)


async def test_an_idle_engine_leaves_no_lag_behind_transaction_markers(bench: Bench) -> None:
    producer = Producer({"bootstrap.servers": bench.servers, "transactional.id": f"upstream-{bench.run}"})
    producer.init_transactions(20)
    for number in range(3):
        producer.begin_transaction()
        for key in range(12):
            producer.produce(bench.topic("in"), key=f"key-{key}", value=b'{"n": %d}' % number)
        producer.commit_transaction(20)
    engine = Engine(bench.processor(Counting(bench.topic("out"))), bench.config())
    running = asyncio.create_task(engine.run())
    reader = Consumer({"bootstrap.servers": bench.servers, "group.id": bench.config().group_id})
    places = [TopicPartition(bench.topic("in"), partition) for partition in range(PARTITIONS)]

    def lag() -> int:
        ends = [reader.get_watermark_offsets(place, timeout=10)[1] for place in places]
        return sum(
            end - max(place.offset, 0) for end, place in zip(ends, reader.committed(places, timeout=10), strict=True)
        )

    deadline = time.monotonic() + 60
    while await asyncio.to_thread(lag) > 0:
        assert time.monotonic() < deadline, "lag remains"
        await asyncio.sleep(0.1)
    reader.close()
    await eventually(lambda: engine.status.lag.offsets == {bench.topic("in"): 0}, "its own figure says so too")
    engine.stop()
    await running
    assert finished(engine) == 36


async def test_an_aborted_transaction_of_another_leaves_no_lag(bench: Bench) -> None:
    producer = Producer({"bootstrap.servers": bench.servers, "transactional.id": f"upstream-{bench.run}"})
    producer.init_transactions(20)

    def write(number: int) -> None:
        producer.begin_transaction()
        for key in range(12):
            producer.produce(bench.topic("in"), key=f"key-{key}", value=b'{"n": %d}' % number)
        assert producer.flush(20) == 0

    write(0)
    producer.commit_transaction(20)
    engine = Engine(bench.processor(Counting(bench.topic("out"))), bench.config())
    running = asyncio.create_task(engine.run())
    await eventually(lambda: finished(engine) == 12, "what was committed is handled")
    topic = bench.topic("in")
    await eventually(lambda: engine.status.lag.offsets == {topic: 0}, "nothing is left")
    write(1)
    await eventually(lambda: engine.status.lag.offsets == {topic: 12}, "an open transaction counts: it may be work")
    producer.abort_transaction(20)
    await eventually(lambda: engine.status.lag.offsets == {topic: 0}, "an aborted one does not")
    engine.stop()
    await running
    assert finished(engine) == 12


async def test_the_lag_is_known_while_a_record_is_held_up_and_is_gone_afterwards(bench: Bench) -> None:
    bench.fill(numbered(40, 20))
    release = asyncio.Event()

    class Held(Counting):
        async def handle(self, record: Record, state: int | None, tools: Tools) -> Outcome[int]:
            await release.wait()
            return await super().handle(record, state, tools)

    engine = Engine(bench.processor(Held(bench.topic("out"))), bench.config())
    running = asyncio.create_task(engine.run())
    await eventually(lambda: engine.status.lag.offsets == {bench.topic("in"): 40}, "all records are behind")
    assert 0 < engine.status.lag.oldest_seconds < 120
    before = engine.status.lag.oldest_seconds
    await eventually(lambda: engine.status.lag.oldest_seconds > before, "it grows older")
    release.set()
    await eventually(lambda: not engine.status.lag.behind, "nothing is left")
    assert engine.status.lag.oldest_seconds == 0
    engine.stop()
    await running


async def test_a_slow_key_holds_up_no_other_and_survives_a_restart_alone(bench: Bench) -> None:
    bench.fill([("slow", b'{"n": -1}'), *numbered(2000, 50)])
    release = asyncio.Event()
    seen: list[int] = []

    class Slow(Counting):
        async def handle(self, record: Record, state: int | None, tools: Tools) -> Outcome[int]:
            seen.append(record.value["n"])
            if record.key == "slow":
                await release.wait()
            return Outcome([Emit(self.out, record.key, record.value)])

    config = bench.config(stop_deadline_seconds=0.2)
    first = Engine(bench.processor(Slow(bench.topic("out"))), config)
    await run_until(first, lambda: finished(first) >= 2000 and first.status.buffered == 1)
    release.set()
    second = Engine(bench.processor(Slow(bench.topic("out"))), config)
    await run_until(second, lambda: finished(second) >= 1)
    assert seen[-1] == -1
    assert len(seen) == 2002, "only the slow record is handled again"
    assert sorted(value["n"] for _, value in bench.read("out", 2001)) == list(range(-1, 2000))


async def test_keys_that_nobody_writes_any_more_are_forgotten_with_tombstones(bench: Bench) -> None:
    bench.fill(numbered(30, 30))
    now = [1_000_000]
    subject: Any = bench.processor(Counting(bench.topic("out")))
    spec = subject.state
    subject = replace(subject, state=StateSpec(spec.changelog, spec.encode, spec.decode, ttl_seconds=60.0))
    engine = Engine(subject, bench.config(), clock_ms=lambda: now[0])
    running = asyncio.create_task(engine.run())
    await eventually(lambda: finished(engine) >= 30 and engine.status.buffered == 0, "all are handled")
    now[0] += 61_000

    def tombstones() -> int:
        consumer = Consumer(
            {"bootstrap.servers": bench.servers, "group.id": "t", "auto.offset.reset": "earliest",
             "isolation.level": "read_committed"}
        )  # fmt: skip
        consumer.assign([TopicPartition(bench.topic("state"), partition, 0) for partition in range(PARTITIONS)])
        found: list[Any] = []
        while messages := consumer.consume(1000, 2.0):
            found += [message for message in messages if message.value() is None]
        consumer.close()
        return len(found)

    deadline = time.monotonic() + 60
    while (count := await asyncio.to_thread(tombstones)) < 30:
        assert time.monotonic() < deadline, count
    engine.stop()
    await running
    assert count == 30


async def test_an_engine_goes_on_after_the_broker_has_ended_a_transaction_that_took_too_long(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    stood_still = []

    class StandsStill(Producer):
        """Once, in the middle of a transaction, until the broker has ended it."""

        def send_offsets_to_transaction(self, *args: Any) -> None:
            if not stood_still:
                assert self.flush(20) == 0
                stood_still.append(_await_ended(bench))
            super().send_offsets_to_transaction(*args)

    monkeypatch.setattr("keyflow.transaction.Producer", StandsStill)
    bench.fill(numbered(200, 20))
    engine = Engine(bench.processor(Counting(bench.topic("out"))), bench.config(transaction_timeout_ms=1_000))
    await run_until(engine, lambda: finished(engine) >= 200 and engine.status.buffered == 0, 90)
    assert stood_still == [True]
    outputs = await asyncio.to_thread(bench.read, "out", 200)
    assert sorted(value["n"] for _, value in outputs) == list(range(200))


def _await_ended(bench: Bench) -> bool:
    """Whether readers of committed records come to see the end of the outputs; an open transaction hides it."""
    readers = [
        Consumer({"bootstrap.servers": bench.servers, "group.id": bench.run, "isolation.level": level})
        for level in ("read_committed", "read_uncommitted")
    ]

    def ends(reader: Consumer) -> list[int]:
        places = [TopicPartition(bench.topic("out"), number) for number in range(PARTITIONS)]
        return [reader.get_watermark_offsets(place, timeout=10)[1] for place in places]

    deadline = time.monotonic() + 60
    while (committed := ends(readers[0])) != (written := ends(readers[1])) and time.monotonic() < deadline:
        time.sleep(0.1)
    for reader in readers:
        reader.close()
    return committed == written and sum(written) > 0
