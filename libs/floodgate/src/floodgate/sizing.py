"""How many processes and partitions a load needs, by a simulation of the engine's concurrency.

A process has so many records in flight, never two of a key, and takes the key with the longest queue first, waiting
counted in (docs/engine.md). Partitions belong to processes, keys to partitions. Arrivals are conversations: each
begins at random and has some messages close together, so that keys come in bursts.
"""

from __future__ import annotations

import heapq
import math
import random
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

Arrival = tuple[float, str, float]
"""When, of which key, how long its call takes; seconds."""

_AGE_WEIGHT: Final = 1 / 256
"""Waiting while so many keys are taken weighs as much as one more queued record."""
_MONTH_SECONDS: Final = 30 * 86_400.0
_P95_Z: Final = 1.6449
_CONVERSATION_MESSAGES: Final = 3
_GAP_SECONDS: Final = 20.0
_MOST_ARRIVALS: Final = 60_000
_PARTITIONS: Final = (6, 12, 24, 48, 96, 192)


@dataclass(frozen=True, slots=True)
class Stage:
    """One service as a queue: records for each message, how long a call takes, processor time of a record."""

    name: str
    share: float
    median_seconds: float
    p95_seconds: float
    cpu_seconds: float


STAGES: Final = (
    # Processor time: measured for the summarizer (6.3 ms, docs/summarizer.md), assumed to be the same elsewhere.
    Stage("ingest", 1.0, 0.01, 0.05, 0.0063),
    Stage("firewall", 1.0, 1.2, 3.0, 0.0063),
    Stage("agent", 1.0, 0.2, 0.8, 0.0063),
    Stage("delivery", 1.0, 0.3, 1.0, 0.0063),
    Stage("summarizer", 0.25, 1.5, 4.0, 0.0063),
)


@dataclass(frozen=True, slots=True)
class Simulated:
    """What came of it.

    Attributes:
        rate: Records a second from the first arrival to the last end.
        waits: Seconds from arrival to the call's begin, sorted.
        most_in_flight: Over all processes.
    """

    rate: float
    waits: Sequence[float]
    most_in_flight: int

    def wait(self, share: float) -> float:
        """The wait that so many do not exceed."""
        return self.waits[min(len(self.waits) - 1, int(share * len(self.waits)))] if self.waits else 0.0


@dataclass(slots=True)
class _Process:
    """One process: keys that wait in a heap, the longest queue first."""

    slots: int
    queues: dict[str, deque[Arrival]] = field(default_factory=lambda: defaultdict(deque))
    running: set[str] = field(default_factory=set)
    heap: list[tuple[float, int, str, int]] = field(default_factory=list)
    taken: int = 0
    pushed: int = 0

    def add(self, arrival: Arrival) -> None:
        self.queues[arrival[1]].append(arrival)
        self.offer(arrival[1])

    def offer(self, key: str) -> None:
        queue = self.queues[key]
        if queue and key not in self.running:
            self.pushed += 1
            heapq.heappush(self.heap, (self.taken * _AGE_WEIGHT - len(queue), self.pushed, key, len(queue)))

    def next(self) -> Arrival | None:
        """The record that begins now, where a slot is free and a key waits."""
        while self.heap and len(self.running) < self.slots:
            _, _, key, length = heapq.heappop(self.heap)
            # An older entry of a key whose queue has changed since.
            if key in self.running or len(self.queues[key]) != length:
                continue
            self.running.add(key)
            self.taken += 1
            return self.queues[key].popleft()
        return None


def simulate(arrivals: Sequence[Arrival], *, processes: int, partitions: int, in_flight: int) -> Simulated:
    """Runs all arrivals to their end.

    Args:
        arrivals: In the order of time.
        processes: Partitions go to them in turn.
        partitions: Keys go to them by chance.
        in_flight: Records at once in one process.
    """
    works = [_Process(in_flight) for _ in range(processes)]
    placed: dict[str, int] = {}
    chance = random.Random(1)  # noqa: S311  # a simulation
    ends: list[tuple[float, int, str]] = []
    waits: list[float] = []
    at, now, most, busy = 0, 0.0, 0, 0
    while at < len(arrivals) or ends:
        if at < len(arrivals) and (not ends or arrivals[at][0] <= ends[0][0]):
            now = arrivals[at][0]
            touched = placed.setdefault(arrivals[at][1], chance.randrange(partitions) % processes)
            works[touched].add(arrivals[at])
            at += 1
            if at < len(arrivals) and arrivals[at][0] == now:
                continue  # what comes together is seen together
            begins: Iterable[int] = range(processes) if at > 1 and arrivals[at - 2][0] == now else (touched,)
        else:
            now, touched, key = heapq.heappop(ends)
            works[touched].running.discard(key)
            works[touched].offer(key)
            busy -= 1
            begins = (touched,)
        for number in begins:
            while (begun := works[number].next()) is not None:
                waits.append(now - begun[0])
                heapq.heappush(ends, (now + begun[2], number, begun[1]))
                busy += 1
        most = max(most, busy)
    seconds = now - arrivals[0][0] if arrivals else 0.0
    return Simulated(len(arrivals) / seconds if seconds else 0.0, sorted(waits), most)


def conversations(rate: float, seconds: float, stage: Stage, seed: int = 1) -> list[Arrival]:
    """Arrivals of a stage: so many records a second, in conversations of some messages each."""
    chance = random.Random(seed)  # noqa: S311  # a simulation
    mean, sigma = math.log(stage.median_seconds), math.log(stage.p95_seconds / stage.median_seconds) / _P95_Z
    found: list[Arrival] = []
    began, number = -5 * _GAP_SECONDS, 0
    while began < seconds:
        began += chance.expovariate(rate / _CONVERSATION_MESSAGES)
        number, at = number + 1, began
        while True:
            if 0 <= at < seconds:
                found.append((at, f"key-{number}", chance.lognormvariate(mean, sigma)))
            if chance.random() < 1 / _CONVERSATION_MESSAGES:
                break
            at += chance.expovariate(1 / _GAP_SECONDS)
    return sorted(found)


@dataclass(frozen=True, slots=True)
class Load:
    """What has to be carried."""

    messages_per_month: float
    peak_factor: float = 5.0
    in_flight: int = 256
    most_wait_seconds: float = 1.0
    busy: float = 0.6

    @property
    def peak_rate(self) -> float:
        """Messages a second in the busiest minutes."""
        return self.messages_per_month / _MONTH_SECONDS * self.peak_factor


@dataclass(frozen=True, slots=True)
class Sized:
    """What one stage needs at the peak."""

    stage: str
    rate: float
    processes: int
    cores: float
    in_flight: int
    wait_p50_seconds: float
    wait_p99_seconds: float


def partitions_for(processes: int) -> int:
    """Twice as many as processes, so that each has several and one more process takes from all."""
    return next((count for count in _PARTITIONS if count >= 2 * processes), _PARTITIONS[-1])


def size(load: Load, stages: Sequence[Stage] = STAGES) -> tuple[Sized, ...]:
    """The fewest processes of each stage with which processors have room and 99 % of the records wait little."""
    return tuple(_size_stage(load, stage) for stage in stages)


def _size_stage(load: Load, stage: Stage) -> Sized:
    rate = load.peak_rate * stage.share
    cores = rate * stage.cpu_seconds
    processes = max(1, math.ceil(cores / load.busy))
    # Long enough for the tail, short enough to be computed while somebody waits.
    arrivals = conversations(rate, min(max(600.0, 200 / rate), max(60.0, _MOST_ARRIVALS / rate)), stage)
    # A message waits for the one before it of its own conversation however many processes there are.
    floor = simulate(arrivals, processes=1, partitions=1, in_flight=max(1, len(arrivals)))
    while True:
        partitions = partitions_for(processes)
        done = simulate(arrivals, processes=processes, partitions=partitions, in_flight=load.in_flight)
        if done.wait(0.99) <= floor.wait(0.99) + load.most_wait_seconds or processes >= _PARTITIONS[-1] // 2:
            return Sized(stage.name, rate, processes, cores, done.most_in_flight, done.wait(0.5), done.wait(0.99))
        processes += 1
