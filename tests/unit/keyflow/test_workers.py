"""Workers: order per key with and without waiting, how many at once, and what a handler sees of its key's queue."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from keyflow import Emit, Outcome, Processor, Record, Tools
from keyflow.offsets import OffsetTracker
from keyflow.outbox import Outbox
from keyflow.retry import Backoff
from keyflow.runner import RecordRunner
from keyflow.work import Assignment, Item
from keyflow.workers import WorkerPool


class Hall:
    """A pool, and what its handler saw."""

    def __init__(self, most: int = 4) -> None:
        self.assignment: Assignment[Any] = Assignment(0, {"in": OffsetTracker(0)})
        self.handled: list[int] = []
        self.queued: dict[int, list[int]] = {}
        self.running = self.most_running = 0
        self.outbox = Outbox()
        runner: RecordRunner[Any] = RecordRunner(self.processor(), 1000, lambda: 0, Backoff())
        self.pool = WorkerPool(runner, self.outbox, most, 1.0)
        self.pool.run_in(asyncio.get_running_loop())

    def processor(self) -> Processor[Any]:
        return Processor(
            name="test",
            inputs=["in"],
            handler=self,
            decode=lambda _, data: json.loads(data),
            encode=lambda _, value: json.dumps(value).encode(),
            dead_letter=lambda failed: Emit("dead", "k", failed.reason),
        )

    async def handle(self, record: Record, state: Any, tools: Tools) -> Outcome[Any]:
        number, waits = record.value
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        if waits:
            await asyncio.sleep(0.001)
        assert tools.queued is not None
        self.queued[number] = [later.value[0] for later in await asyncio.create_task(self._asked(tools))]
        self.handled.append(number)
        self.running -= 1
        return Outcome([Emit("out", record.key, number)])

    async def _asked(self, tools: Tools) -> Any:
        assert tools.queued is not None
        return tools.queued()

    def add(self, *records: tuple[str, int, bool]) -> None:
        items = []
        for key, number, waits in records:
            assert self.assignment.trackers["in"].take(number)
            value = json.dumps([number, waits]).encode()
            items.append(Item(self.assignment, "in", number, "in", key, key.encode(), value))
        self.pool.add(items)

    async def idle(self) -> list[int]:
        async with asyncio.timeout(30):
            while tasks := list(self.pool.tasks):
                await asyncio.wait(tasks)
                await asyncio.sleep(0)  # the next is started by what is called at a worker's end
        assert self.pool.failed is None
        return [json.loads(write.value or b"") for write in self.outbox.take().writes]


@pytest.mark.parametrize("waits", [(False, False), (True, True), (False, True), (True, False)])
async def test_outcomes_of_a_key_keep_their_order_whoever_waits(waits: tuple[bool, bool]) -> None:
    hall = Hall()
    records = [(f"key-{number % 5}", number, waits[number % 2]) for number in range(200)]
    hall.add(*records[:90])
    await asyncio.sleep(0.003)
    hall.add(*records[90:])
    written = await hall.idle()
    assert sorted(written) == list(range(200))
    for key in range(5):
        of_key = [number for number in written if number % 5 == key]
        assert of_key == sorted(of_key)


async def test_so_many_are_handled_at_once_and_no_more() -> None:
    hall = Hall(most=3)
    hall.add(*((f"key-{number}", number, True) for number in range(20)))
    await hall.idle()
    assert hall.most_running == 3


async def test_a_handler_sees_what_waits_behind_its_record_also_from_a_task_of_its_own() -> None:
    hall = Hall()
    hall.add(("a", 0, False), ("b", 1, False), ("a", 2, False), ("a", 3, True))
    await hall.idle()
    assert hall.queued == {0: [2, 3], 1: [], 2: [3], 3: []}


async def test_what_is_queued_of_a_partition_that_leaves_is_not_begun() -> None:
    hall = Hall(most=1)
    hall.add(*((f"key-{number}", number, True) for number in range(10)))
    await asyncio.sleep(0)
    hall.pool.forget(hall.assignment)
    await hall.idle()
    assert hall.handled == []
