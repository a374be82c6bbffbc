"""The engine on a real broker: instances that join, leave and die, under both group protocols."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient
from keyflow import Emit, Engine, FatalError, Outcome, Processor, Record, Tools
from keyflow_bench import PARTITIONS, Bench, eventually, finished

KEYS = 60


class Feed:
    """Writes numbered records to two co-partitioned topics, some every tenth of a second, until it is ended."""

    def __init__(self, bench: Bench) -> None:
        self.count = 0
        self._bench = bench
        self._ended = False
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while not self._ended:
            for name in ("in", "more"):
                numbers = range(self.count, self.count + 15)
                records = [(f"key-{number % KEYS}", json.dumps({"n": number}).encode()) for number in numbers]
                await asyncio.to_thread(self._bench.fill, records, name)
                self.count += len(records)
            await asyncio.sleep(0.1)

    async def end(self) -> int:
        self._ended = True
        await self._task
        return self.count


class Watched:
    """Counts the records of each key; holds the first gated record of every partition until the gate opens."""

    def __init__(self, out: str) -> None:
        self.out = out
        self.running: set[str] = set()
        self.overlaps = 0
        self.by_partition: Counter[int] = Counter()
        self.gated: set[int] = set()
        self.gate = asyncio.Event()

    async def handle(self, record: Record, state: int | None, tools: Tools) -> Outcome[int]:
        self.overlaps += record.key in self.running
        self.running.add(record.key)
        try:
            if "gate" in record.value and record.partition not in self.gated:
                self.gated.add(record.partition)
                await self.gate.wait()
            await asyncio.sleep(0.01)
        finally:
            self.running.discard(record.key)
        self.by_partition[record.partition] += 1
        count = (state or 0) + 1
        return Outcome([Emit(self.out, record.key, {**record.value, "count": count})], count)


def watched(bench: Bench, handler: Any) -> Processor[int]:
    bench.create("more")
    return replace(bench.processor(handler), inputs=[bench.topic("in"), bench.topic("more")])


def check(outputs: list[tuple[str, Any]], count: int) -> None:
    """Every record once, and the state of each key as if one process had handled all."""
    assert sorted(value["n"] for _, value in outputs if "gate" not in value) == list(range(count))
    for key in {key for key, _ in outputs}:
        counts = [value["count"] for found, value in outputs if found == key]
        assert counts == list(range(1, len(counts) + 1)), key


async def stopped(*running: tuple[Engine[Any], asyncio.Task[None]]) -> None:
    for engine, _ in running:
        engine.stop()
    await asyncio.gather(*(task for _, task in running))


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
async def test_three_instances_join_and_leave_under_load(bench: Bench, protocol: Any) -> None:
    handler = Watched(bench.topic("out"))
    subject = watched(bench, handler)
    engines = [Engine(subject, bench.config(instance=str(n), group_protocol=protocol)) for n in range(4)]
    feed = Feed(bench)
    running = [asyncio.create_task(engines[0].run())]
    await eventually(lambda: finished(engines[0]) > 50, "the first instance works")
    for number in (1, 2):
        running.append(asyncio.create_task(engines[number].run()))
        await eventually(lambda: finished(engines[number]) > 10, "an instance that joined works")  # noqa: B023
    engines[0].stop()
    await running[0]
    assigned = 2 * PARTITIONS
    await eventually(
        lambda: engines[1].status.assigned + engines[2].status.assigned == assigned, "the others take over"
    )
    running.append(asyncio.create_task(engines[3].run()))
    await eventually(lambda: finished(engines[3]) > 10, "another instance joins")
    count = await feed.end()
    outputs = await asyncio.to_thread(bench.read, "out", count, 60.0)
    await stopped(*list(zip(engines, running, strict=True))[1:])
    check(outputs, count)
    assert handler.overlaps == 0


async def test_partitions_that_stay_go_on_while_an_instance_joins(bench: Bench) -> None:
    handler = Watched(bench.topic("out"))
    subject = watched(bench, handler)
    # Records at the gate keep a revocation waiting until the gate opens. Meanwhile librdkafka gives out no new ones:
    # what goes on is what was fetched before.
    config = bench.config(group_protocol="consumer", revoke_deadline_seconds=60.0, max_in_flight=PARTITIONS + 4)
    first = Engine(subject, config)
    second = Engine(subject, replace(config, instance="1"))
    gated = [(f"gate-{number}", b'{"n": -1, "gate": 1}') for number in range(32)]
    bench.fill(gated)
    running = [asyncio.create_task(first.run())]
    await eventually(lambda: len(handler.gated) == PARTITIONS, "every partition has a record at the gate")
    count = 3000
    bench.fill([(f"key-{number % KEYS}", json.dumps({"n": number}).encode()) for number in range(count)])
    await eventually(lambda: len(handler.by_partition) == PARTITIONS, "all partitions are handled")
    running.append(asyncio.create_task(second.run()))
    before, commits = Counter(handler.by_partition), first.status.commits

    def some_stay() -> bool:
        nonlocal before, commits
        moved = handler.by_partition - before
        if moved.total() < 100:
            return False
        stay, committed = len(moved), first.status.commits - commits
        before, commits = Counter(handler.by_partition), first.status.commits
        return 0 < stay < PARTITIONS and committed > 0

    await eventually(some_stay, "some partitions wait to be given back, the others are handled and committed")
    assert second.status.assigned == 0
    handler.gate.set()
    await eventually(lambda: finished(second) > 10, "the instance that joined works")
    outputs = await asyncio.to_thread(bench.read, "out", count + len(gated), 60.0)
    await stopped((first, running[0]), (second, running[1]))
    check(outputs, count)
    assert handler.overlaps == 0


@contextmanager
def instance(bench: Bench, **config: Any) -> Iterator[subprocess.Popen[bytes]]:
    """An engine in a process of its own."""
    script = str(Path(__file__).with_name("instance.py"))
    command = [sys.executable, script, bench.servers, bench.run, json.dumps(config)]
    with subprocess.Popen(command) as process:  # our own script
        try:
            yield process
        finally:
            process.kill()


async def test_a_killed_instance_goes_on_at_once_when_it_comes_back(bench: Bench) -> None:
    count = 3000
    bench.fill([(f"key-{number % KEYS}", json.dumps({"n": number}).encode()) for number in range(count)])
    # Whoever waits for the session of the killed one to end waits for longer than this test.
    config = {"instance": "0", "session_timeout_ms": 300_000, "max_in_flight": 16}
    with instance(bench, **config):
        first = await asyncio.to_thread(bench.read, "out", 100, 30.0, quiet_seconds=0.0)
    with instance(bench, **config) as second:
        outputs = await asyncio.to_thread(bench.read, "out", count, 60.0)
        second.terminate()
        assert await asyncio.to_thread(second.wait, 30) == 0
    assert 100 <= len(first) < count, "it was killed at work"
    check(outputs, count)


def members_of(bench: Bench, group: str) -> list[Any]:
    admin = AdminClient({"bootstrap.servers": bench.servers})
    return list(admin.describe_consumer_groups([group])[group].result(30).members)


@pytest.mark.parametrize("leave", [True, False])
async def test_a_stop_gives_its_place_to_others_or_keeps_it_for_the_restart(bench: Bench, leave: bool) -> None:
    subject = watched(bench, Watched(bench.topic("out")))
    # Whoever waits for a session to end waits for longer than this test.
    config = bench.config(leave_on_stop=leave, session_timeout_ms=300_000)
    for instance in ("0", "1" if leave else "0"):
        engine = Engine(subject, replace(config, instance=instance))
        running = asyncio.create_task(engine.run())
        await eventually(lambda: engine.status.assigned == 2 * PARTITIONS, "it has all partitions")  # noqa: B023
        await stopped((engine, running))
        members = await asyncio.to_thread(members_of, bench, config.group_id)
        assert [member.group_instance_id for member in members] == ([] if leave else [config.transactional_id])


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
async def test_of_two_processes_in_one_slot_the_older_one_ends_with_a_line(bench: Bench, protocol: Any) -> None:
    handler = Watched(bench.topic("out"))
    subject = watched(bench, handler)
    config = bench.config(instance="7", group_protocol=protocol)
    old, new = Engine(subject, config), Engine(subject, config)
    older = asyncio.create_task(old.run())
    await eventually(lambda: old.status.assigned > 0, "the older one has partitions")
    newer = asyncio.create_task(new.run())
    if protocol == "consumer":
        # Both are members still: only a commit tells the older one.
        await eventually(lambda: new.status.assigned > 0, "the newer one has partitions")
        bench.fill([(f"key-{number}", b'{"n": %d}' % number) for number in range(50)])
    with pytest.raises(FatalError, match=f"another process uses the slot '{config.transactional_id}'"):
        await asyncio.wait_for(older, 60)
    if protocol == "classic":
        bench.fill([(f"key-{number}", b'{"n": %d}' % number) for number in range(50)])
    outputs = await asyncio.to_thread(bench.read, "out", 50, 60.0)
    await stopped((new, newer))
    check(outputs, 50)
