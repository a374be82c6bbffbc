"""Stops and rebalances: what is given its time, what is given up at once, and what goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from keyflow import AdaptiveLimiter, LimitConfig, resting
from keyflow.leaving import Seat
from keyflow.work import Assignment, Item
from support.crash_checks import verify
from support.crash_lab import Lab
from support.crash_topics import OUT


@pytest.fixture
def open_lab() -> Iterator[Callable[..., Lab]]:
    opened: list[Any] = []

    def open_one(**config: Any) -> Lab:
        context = Lab(**config).open()
        opened.append(context)
        return context.__enter__()

    yield open_one
    for context in opened:
        context.__exit__(None, None, None)


def key_of(lab: Lab, partition: int) -> str:
    """A key that lives in the partition."""
    for number in range(100):
        key = f"key-{partition}-{number}"
        lab.fill([(key, {"n": 10_000 + 100 * partition + number})])
        if lab.inputs[-1][0][0] == partition:
            return key
    raise AssertionError(partition)


def test_a_stop_does_not_wait_for_a_record_between_two_attempts(open_lab: Callable[..., Lab]) -> None:
    lab = open_lab(stop_deadline_seconds=20.0)
    lab.fill([("a", {"n": 1, "retries": 1_000})])
    process = lab.start()
    lab.pass_time(60.0)
    tries = len(lab.handled)
    began = lab.loop.time()
    assert lab.stop(process) is None
    assert lab.loop.time() - began < 1.0
    assert tries > 1
    assert lab.committed(OUT) == []
    assert lab.unsettled(), "it is read again"


def test_a_stop_waits_for_a_call_that_is_under_way_and_commits_its_outcome(open_lab: Callable[..., Lab]) -> None:
    lab = open_lab(stop_deadline_seconds=20.0)
    lab.fill([("a", {"n": 1, "slow": 5.0}), ("a", {"n": 2})])
    process = lab.start()
    lab.until(lambda: len(lab.handled) == 1)
    assert lab.stop(process) is None
    lab.until(lambda: [value["n"] for _, value in lab.committed(OUT)] == [1])
    lab.finish()
    verify(lab)


def test_a_stop_lets_effects_run_whose_decision_it_commits(open_lab: Callable[..., Lab]) -> None:
    lab = open_lab(stop_deadline_seconds=20.0)
    lab.fill([("a", {"n": 1, "slow": 2.0, "outside": "works"})])
    process = lab.start()
    lab.until(lambda: len(lab.handled) == 1)
    assert lab.stop(process) is None
    assert lab.outside.calls == [("act-1", False)]
    lab.until(lab.settled)
    verify(lab)


def test_a_stop_abandons_what_is_not_finished_at_its_deadline(open_lab: Callable[..., Lab]) -> None:
    lab = open_lab(stop_deadline_seconds=2.0)
    lab.fill([("a", {"n": 1, "gate": True})])
    process = lab.start()
    lab.until(lambda: len(lab.handled) == 1)
    began = lab.loop.time()
    assert lab.stop(process) is None
    assert 2.0 <= lab.loop.time() - began < 4.0
    lab.gates[1].set()
    lab.finish()
    verify(lab)


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_what_is_not_finished_when_a_partition_leaves_is_handled_by_the_next_owner(
    open_lab: Callable[..., Lab], protocol: str
) -> None:
    lab = open_lab(group_protocol=protocol, revoke_deadline_seconds=3.0)
    gated = [(key_of(lab, partition), {"n": partition, "gate": True}) for partition in range(2)]
    lab.fill(gated)
    first = lab.start("0")
    lab.until(lambda: {0, 1} <= {n for _, n in lab.handled})
    second = lab.start("1")
    lab.until(lambda: len([n for _, n in lab.handled if n in (0, 1)]) > 2)
    for gate in lab.gates.values():
        gate.set()
    lab.until(lab.settled)
    assert lab.stop(first) is None
    assert lab.stop(second) is None
    verify(lab)


def test_partitions_that_stay_are_handled_and_committed_while_another_leaves(open_lab: Callable[..., Lab]) -> None:
    lab = open_lab(group_protocol="consumer", revoke_deadline_seconds=30.0, max_in_flight=10)
    keys = [key_of(lab, partition) for partition in range(2)]
    lab.fill([(key, {"n": partition, "gate": True}) for partition, key in enumerate(keys)])
    first = lab.start("0")
    lab.until(lambda: {0, 1} <= {n for _, n in lab.handled})
    lab.fill([(f"more-{number}", {"n": 100 + number, "slow": 0.5, "outside": "works"}) for number in range(400)])
    second = lab.start("1")
    lab.pass_time(2.0)
    handled, committed, acted = len(lab.handled), len(lab.committed(OUT)), len(lab.outside.calls)
    lab.pass_time(5.0)
    assert second.engine is not None
    assert second.engine.status.assigned == 0, "the partition has not been given back yet"
    assert len(lab.handled) > handled + 20
    assert len(lab.committed(OUT)) > committed + 20
    assert len(lab.outside.calls) > acted + 10, "effects that waited for a commit have run"
    for gate in lab.gates.values():
        gate.set()
    lab.until(lambda: second.engine is not None and second.engine.status.assigned == 1)
    lab.until(lab.settled)
    assert lab.stop(first) is None
    assert lab.stop(second) is None
    verify(lab)


def test_a_record_between_two_attempts_does_not_hold_up_a_rebalance(open_lab: Callable[..., Lab]) -> None:
    lab = open_lab(group_protocol="consumer", revoke_deadline_seconds=30.0)
    lab.fill([(key_of(lab, partition), {"n": partition, "retries": 8}) for partition in range(2)])
    first = lab.start("0")
    lab.until(lambda: len([n for _, n in lab.handled if n in (0, 1)]) > 8)
    began = lab.loop.time()
    second = lab.start("1")
    lab.until(lambda: second.engine is not None and second.engine.status.assigned == 1)
    assert lab.loop.time() - began < 5.0
    lab.until(lab.settled)
    assert lab.stop(first) is None
    assert lab.stop(second) is None
    verify(lab)


# Waits inside handlers


class Worker:
    """A task in a seat, as the engine makes it."""

    def __init__(self) -> None:
        self.assignment: Assignment[Any] = Assignment(0, {})
        self.seat: Seat | None = None

    async def run(self, work: Callable[[], Any]) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.seat = Seat(task)
        self.seat.sit_down()
        self.seat.item = Item(self.assignment, "in", 0, "in", "k")
        await work()

    def leave(self) -> None:
        assert self.seat is not None
        self.assignment.closing = True
        self.seat.give_up_waiting()


@pytest.fixture
def limiter() -> AdaptiveLimiter:
    return AdaptiveLimiter(LimitConfig(least=1, most=1, start=1))


async def test_a_record_in_the_queue_for_a_rate_slot_is_given_up(limiter: AdaptiveLimiter) -> None:
    await limiter.acquire(1)
    worker = Worker()
    task = asyncio.create_task(worker.run(lambda: limiter.acquire(1)))
    await asyncio.sleep(0)
    worker.leave()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 10)
    assert (limiter.in_flight, limiter.waiting) == (1, 0)


async def test_a_slot_that_is_free_is_taken_even_while_leaving(limiter: AdaptiveLimiter) -> None:
    worker = Worker()
    worker.assignment.closing = True
    await asyncio.create_task(worker.run(lambda: limiter.acquire(1)))
    assert limiter.in_flight == 1


async def test_a_wait_that_begins_while_leaving_ends_at_once() -> None:
    worker = Worker()
    worker.assignment.closing = True

    async def work() -> None:
        with resting():
            await asyncio.Event().wait()

    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(asyncio.create_task(worker.run(work)), 10)


async def test_a_call_under_way_is_not_given_up() -> None:
    worker = Worker()
    answer = asyncio.Event()
    task = asyncio.create_task(worker.run(answer.wait))
    await asyncio.sleep(0)
    worker.leave()
    await asyncio.sleep(0)
    answer.set()
    await asyncio.wait_for(task, 10)


async def test_outside_of_a_worker_a_rest_is_a_plain_wait() -> None:
    with resting():
        await asyncio.sleep(0)
