"""Engines on a broker in memory that can be killed between any two steps."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from keyflow import (
    Emit,
    Engine,
    EngineConfig,
    FailedRecord,
    FatalError,
    Outcome,
    PendingEffect,
    Processor,
    StateSpec,
)
from keyflow.engine import ORIGIN_TOPIC_HEADER
from keyflow.parking import PARKED_NUMBER_HEADER, number_in
from keyflow.table import Entry, decode_entry
from support.crash_counting import CountingHandler, Outside
from support.crash_process import Fault, Killed, Process
from support.crash_topics import DEAD, FACTS, GROUP, IN, OUT, REDRIVE, STATE
from support.memory_broker import MemoryBroker
from support.memory_clients import MemoryConsumer
from support.memory_producer import MemoryProducer
from support.virtual_time import VirtualLoop, virtual

REDRIVEN: Final = (-1, -1)
"""In the place of partition and offset of an input."""

_PATIENCE_SECONDS: Final = 900.0
_IDLE_SECONDS: Final = 1.5


class Lab:
    """A broker, the world outside, and engines that come and go.

    Args:
        partitions: Of every topic.
        seed: Of all chance in it.
        followed: Whether there is a followed topic beside the input.
        parking: Whether a key waits in the dead letters behind a poisoned record of it.
    """

    def __init__(
        self, partitions: int = 2, seed: int = 0, *, followed: bool = False, parking: bool = False, **config: Any
    ) -> None:
        self.loop = VirtualLoop()
        self.broker = MemoryBroker(self.loop, seed)
        self.topics = [IN, FACTS] if followed else [IN]
        self.parking = parking
        if parking:
            self.topics.append(REDRIVE)
        for topic in (*self.topics, OUT, DEAD, STATE):
            self.broker.create(topic, partitions)
        self.outside = Outside()
        self.config = config
        self.seed = seed
        self.partitions = partitions
        self.started: list[Process] = []
        self.handled: list[tuple[str, int]] = []
        self.running: Counter[str] = Counter()
        self.gates: dict[int, asyncio.Event] = {}
        self.open_gates = False
        self.ttl_seconds: float | None = None
        self.clock_ahead_ms = 0
        self.inputs: list[tuple[tuple[int, int], str, bytes]] = []
        self.facts: dict[str, list[int]] = {}
        self.known: dict[int, int] = {}

    @contextmanager
    def open(self) -> Iterator[Lab]:
        """Puts the broker in the place of Kafka, and the loop's time in that of the clock."""
        names = {"Consumer": self._consumer, "Producer": self._producer}
        with virtual("keyflow", self.loop, self.seed, names):
            try:
                yield self
            finally:
                for process in self.started:
                    if process.task is not None and not process.task.done():
                        process.kill()
                        self.wait(process)
                self.loop.end()

    def _consumer(self, conf: dict[str, Any]) -> MemoryConsumer:
        process = self.started[int(conf["test.process"])]
        with process.call("Consumer()"):
            made = MemoryConsumer(self.broker, conf, process)
            process.consumers.append(made)
            return made

    def _producer(self, conf: dict[str, Any]) -> MemoryProducer:
        process = self.started[int(conf["test.process"])]
        with process.call("Producer()"):
            return MemoryProducer(self.broker, conf, process)

    # Processes

    def start(self, instance: str = "0", fault: Fault | None = None) -> Process:
        """Starts an engine; a slot's earlier process should be dead."""
        process = Process(self, f"{instance}#{len(self.started)}", fault)
        self.started.append(process)
        config = EngineConfig("memory", GROUP, instance, client={"test.process": len(self.started) - 1}, **self.config)
        process.engine = Engine(self._processor(process), config, clock_ms=self.now_ms)
        process.task = self.loop.create_task(self._run(process))
        return process

    async def _run(self, process: Process) -> None:
        assert process.engine is not None
        try:
            await process.engine.run()
        except (Killed, asyncio.CancelledError):
            if process.alive:
                raise

    def now_ms(self) -> int:
        """The engines' wall clock, which can jump."""
        return self.broker.now_ms() + self.clock_ahead_ms

    def wait(self, process: Process) -> FatalError | None:
        """Until the process has ended: the line it ended with, or None when it was stopped or killed."""
        assert process.task is not None
        self.loop.run_until_complete(asyncio.wait([process.task]))
        error = None if process.task.cancelled() else process.task.exception()
        if not process.alive:
            return None
        process.alive = False
        for consumer in process.consumers:
            consumer.die()  # where close() failed, its session ends with its heartbeats
        if error is not None and not isinstance(error, FatalError):
            raise AssertionError(f"it ended with {error!r}, which is not one clear line") from error
        return error

    def stop(self, process: Process) -> FatalError | None:
        """Lets the process finish; the line that it ended with before that."""
        assert process.engine is not None
        process.engine.stop()
        return self.wait(process)

    def pass_time(self, seconds: float) -> None:
        """Lets everything run for so long."""
        self.loop.run_until_complete(asyncio.sleep(seconds))

    def until(self, holds: Callable[[], bool], process: Process | None = None) -> None:
        """Lets everything run until it holds, or the process ends."""
        deadline = self.loop.time() + _PATIENCE_SECONDS
        while not holds():
            assert self.loop.time() < deadline, f"not settled: {self.unsettled()}"
            if process is not None and process.task is not None and process.task.done():
                return
            self.pass_time(0.05)

    def finish(self, faults: Sequence[Fault] = (), instance: str = "0") -> list[Process]:
        """Runs one process after the other, each with its fault, until all is handled; then one that must be idle."""
        left = list(faults)
        lives: list[Process] = []
        while True:
            assert len(lives) <= len(faults) + 1, [process.steps[-3:] for process in lives]
            process = self.start(instance, left.pop(0) if left else None)
            lives.append(process)
            self.until(self.settled, process)
            if self.idle(process):
                ended = self.stop(process)
                assert ended is None or process.faulted, ended
                break
            self.wait(process)
        before = len(self.handled), len(self.outside.calls)
        last = self.start(instance)
        self.pass_time(3.0)
        ended = self.stop(last)
        assert ended is None, ended
        assert before == (len(self.handled), len(self.outside.calls)), "a start after the end found something to do"
        return lives

    def idle(self, process: Process) -> bool:
        """Leaves it alone for so long that it keeps house; whether it still runs then."""
        assert process.task is not None
        if not process.task.done():
            self.pass_time(_IDLE_SECONDS)
        return not process.task.done()

    # What is run

    def fill(self, records: Sequence[tuple[str, Any]]) -> None:
        """Writes inputs; bytes go as they are."""
        for key, value in records:
            data = value if isinstance(value, bytes) else json.dumps(value).encode()
            _, partition = self.broker.append(IN, key.encode(), data)
            place = partition, self.broker.logs[IN, partition].end - 1
            if isinstance(value, dict):
                self.known[value["n"]] = len(self.facts.get(key, ()))
            self.inputs.append((place, key, data))

    def tell(self, key: str, number: int) -> None:
        """Writes one record of the followed topic."""
        self.broker.append(FACTS, key.encode(), json.dumps({"n": number}).encode())
        self.facts.setdefault(key, []).append(number)

    def _processor(self, process: Process) -> Processor[int]:
        async def run_effect(pending: PendingEffect) -> Mapping[str, Any]:
            process.step("effect")
            if pending.effect.payload.get("outside") == "takes long":
                await asyncio.sleep(0.7)
                process.step("effect", when="during")
            answer = self.outside.act(pending)
            process.step("effect", when="after")
            await asyncio.sleep(0)
            return answer

        return Processor(
            name="lab",
            inputs=[topic for topic in self.topics if topic != REDRIVE],
            followed=[topic for topic in self.topics if topic == FACTS],
            redrive_topic=REDRIVE if self.parking else None,
            parking=self.parking,
            handler=CountingHandler(self, process),
            decode=lambda _, data: json.loads(data),
            encode=lambda _, value: json.dumps(value).encode(),
            dead_letter=self._letter,
            outputs=[OUT, DEAD],
            state=StateSpec(STATE, lambda count: str(count).encode(), int, self.ttl_seconds),
            effects={"act": run_effect},
            on_poison=lambda failed, record, state: Outcome(
                [Emit(OUT, (failed.raw_key or b"").decode(), {"escalated": failed.offset})]
            ),
        )

    def _letter(self, failed: FailedRecord) -> Emit:
        letter: dict[str, Any] = {"partition": failed.partition, "offset": failed.offset}
        if self.parking:
            letter["number"] = number_in(failed.headers)
            letter["value"] = json.loads(failed.raw_value or b"")
        return Emit(DEAD, (failed.raw_key or b"").decode(), letter)

    def redrive(self) -> None:
        """Sends every dead letter back, mended, in the order of its key's numbers."""
        for key, letter in sorted(self.committed(DEAD), key=lambda letter: letter[1]["number"]):
            mended = {name: value for name, value in letter["value"].items() if name != "poison"}
            data = json.dumps(mended).encode()
            headers = [(ORIGIN_TOPIC_HEADER, IN.encode()), (PARKED_NUMBER_HEADER, b"%d" % letter["number"])]
            self.broker.append(REDRIVE, key.encode(), data, headers)
            self.inputs.append((REDRIVEN, key, data))

    # What is there afterwards

    def committed(self, topic: str) -> list[tuple[str, Any]]:
        """Every committed record of a topic, partition by partition."""
        return [
            ((stored.key or b"").decode(), None if stored.value is None else json.loads(stored.value))
            for partition in range(self.partitions)
            for _, stored in self.broker.logs[topic, partition].committed()
        ]

    def folded(self) -> dict[str, Entry]:
        """The changelog, read from the beginning."""
        entries: dict[str, Entry] = {}
        for partition in range(self.partitions):
            for _, stored in self.broker.logs[STATE, partition].committed():
                key = (stored.key or b"").decode()
                if stored.value is None:
                    entries.pop(key, None)
                else:
                    entries[key] = decode_entry(stored.value)
        return entries

    def unsettled(self) -> list[Any]:
        """What is not handled and committed yet."""
        stored = self.broker.offsets.get(GROUP, {})
        found: list[Any] = []
        for place in ((topic, partition) for topic in self.topics for partition in range(self.partitions)):
            records = [offset for offset, _ in self.broker.logs[place].committed()]
            offset, metadata = stored.get(place, (0, ""))
            if (records and offset <= records[-1]) or metadata:
                found.append((place, offset, metadata))
        found += [key for key, entry in self.folded().items() if entry.effect is not None]
        # A fenced producer's transaction hides what comes after it until the broker ends it.
        found += [(place, "open") for place, log in self.broker.logs.items() if log.open]
        return found

    def settled(self) -> bool:
        """Whether every input is committed and no effect is pending."""
        return not self.unsettled()
