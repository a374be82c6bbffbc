"""Engines on a broker in memory that can be killed between any two steps, and what must hold afterwards."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException
from keyflow import (
    Effect,
    EffectResult,
    Emit,
    Engine,
    EngineConfig,
    FailedRecord,
    FatalError,
    Outcome,
    PendingEffect,
    PoisonMessageError,
    Processor,
    Record,
    RetryableError,
    StateSpec,
    Tools,
)
from keyflow.engine import ORIGIN_TOPIC_HEADER
from keyflow.parking import PARKED_NUMBER_HEADER, number_in
from keyflow.table import Entry, decode_entry
from support.memory_broker import MemoryBroker
from support.memory_clients import MemoryConsumer, Wire, failure
from support.memory_producer import MemoryProducer
from support.virtual_time import VirtualLoop, virtual

GROUP: Final = "group"
IN: Final = "in"
FACTS: Final = "facts"
"""A followed topic: its records change the state alone, and what was written before an input is known to it."""
OUT: Final = "out"
DEAD: Final = "dead"
STATE: Final = "state"

REDRIVE: Final = "redrive"
"""Where dead letters come back when keys are parked."""

_REDRIVEN: Final = (-1, -1)
"""In the place of partition and offset of an input."""

_FACT: Final = 1_000_000
"""A state counts inputs in its units and facts in these."""

_PATIENCE_SECONDS: Final = 900.0
_STALL_SECONDS: Final = 60.0
_IDLE_SECONDS: Final = 1.5


class Killed(BaseException):
    """The process is dead: nothing after this line runs in it."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong in one process.

    Attributes:
        step: At which step of the process, counted from 1.
        kind: "crash", "stall" (the Kafka thread stands still there for a minute), or the name of an error of `ERRORS`.
    """

    step: int
    kind: str = "crash"


@dataclass(frozen=True, slots=True)
class InjectedError:
    """How a call can fail: before it reached the broker, or after the broker did it."""

    calls: frozenset[str]
    after: bool
    make: Callable[[], BaseException]


_TRANSACTIONAL: Final = frozenset(
    {"init_transactions", "send_offsets_to_transaction", "commit_transaction", "abort_transaction"}
)
_ASKING: Final = frozenset({"committed", "get_watermark_offsets", "list_topics", "position", "pause", "close"})
ERRORS: Final[Mapping[str, InjectedError]] = {
    "retriable": InjectedError(_TRANSACTIONAL, False, lambda: failure(KafkaError._TIMED_OUT, retriable=True)),
    "answer lost": InjectedError(_TRANSACTIONAL, True, lambda: failure(KafkaError._TIMED_OUT, retriable=True)),
    "abortable": InjectedError(
        frozenset({"send_offsets_to_transaction", "commit_transaction"}),
        False,
        lambda: failure(KafkaError.NOT_COORDINATOR, abort=True),
    ),
    "fenced": InjectedError(
        _TRANSACTIONAL | {"begin_transaction", "produce"}, False, lambda: failure(KafkaError._FENCED, fatal=True)
    ),
    "fenced after": InjectedError(_TRANSACTIONAL, True, lambda: failure(KafkaError._FENCED, fatal=True)),
    "no answer": InjectedError(_ASKING, False, lambda: failure(KafkaError._TIMED_OUT)),
    "queue full": InjectedError(frozenset({"produce"}), False, lambda: BufferError("Local: Queue full")),
    "read error": InjectedError(frozenset({"poll"}), False, lambda: failure(KafkaError._ALL_BROKERS_DOWN)),
}


class Process(Wire):
    """One run of an engine, and the line between its clients and the broker."""

    def __init__(self, lab: Lab, name: str, fault: Fault | None) -> None:
        self._lab = lab
        self.name = name
        self.fault = fault
        self.alive = True
        self.steps: list[str] = []
        self.consumers: list[MemoryConsumer] = []
        self.task: asyncio.Task[None] | None = None
        self.engine: Engine[int] | None = None
        self.faulted = False
        self._frozen_until = 0.0

    def step(self, name: str, *, when: str = "before") -> None:
        """One numbered place at which something may go wrong.

        Raises:
            Killed: The process dies here, or is dead already.
        """
        if not self.alive:
            raise Killed
        self.steps.append(f"{when} {name}")
        fault = self.fault
        if fault is None or len(self.steps) != fault.step:
            return
        if fault.kind == "crash":
            self.kill()
            raise Killed
        if fault.kind == "stall":
            return
        error = ERRORS[fault.kind]
        if name in error.calls and error.after == (when == "after"):
            self.faulted = True
            raise error.make()

    def kill(self) -> None:
        """Dies at once: no close, no abort, no last word."""
        self.alive = False
        for consumer in self.consumers:
            consumer.die()
        self._lab.loop.notify()
        if self.task is not None:
            self._lab.loop.call_soon(self.task.cancel)

    def expire(self) -> None:
        """The group takes it for dead; it learns of that with its next poll."""
        for consumer in self.consumers:
            consumer.expire()

    def freeze(self, seconds: float) -> None:
        """Its Kafka thread stands still for so long, wherever it is (the machine sleeps, say)."""
        self._frozen_until = self._lab.loop.time() + seconds

    @contextmanager
    def call(self, name: str) -> Iterator[None]:
        if self._frozen_until > self._lab.loop.time():
            self._lab.loop.sleep_in_thread(self._frozen_until - self._lab.loop.time())
        if not self.alive:
            raise Killed
        if not name:
            yield
            return
        self._call_step(name, "before")
        yield
        self._call_step(name, "after")

    def _call_step(self, name: str, when: str) -> None:
        self.step(name, when=when)
        if self.fault is not None and self.fault.kind == "stall" and len(self.steps) == self.fault.step:
            self._lab.loop.sleep_in_thread(_STALL_SECONDS)

    def polled(self, found: bool) -> KafkaError | None:
        if not self.alive:
            raise Killed
        if not found:
            return None
        try:
            self.step("poll")
        except KafkaException as error:
            return error.args[0]  # type: ignore[no-any-return]  # confluent_kafka has no types
        return None


@dataclass
class Outside:
    """What an effect acts on: it knows idempotency keys, and remembers every call."""

    done: dict[str, Any] = field(default_factory=dict)
    calls: list[tuple[str, bool]] = field(default_factory=list)
    failing: Counter[str] = field(default_factory=Counter)

    def act(self, pending: PendingEffect) -> Mapping[str, Any]:
        """Acts once per key, and fails now and then: before it acts, after it, or for good."""
        key, what = pending.effect.idempotency_key, pending.effect.payload.get("outside", "")
        assert (key in {call for call, _ in self.calls}) <= pending.maybe_repeated, f"{key} is repeated and not marked"
        self.calls.append((key, pending.maybe_repeated))
        self.failing[key] += 1
        if what == "refuses":
            raise PoisonMessageError("not allowed")
        if what == "busy" and self.failing[key] == 1:
            raise RetryableError("busy", retry_after_seconds=0.3)
        self.done.setdefault(key, dict(pending.effect.payload))
        if what == "loses its answer" and self.failing[key] == 1:
            raise RetryableError("no answer")
        return {"ok": True}


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
            handler=_Handler(self, process),
            decode=lambda _, data: json.loads(data),
            encode=lambda _, value: json.dumps(value).encode(),
            dead_letter=self._letter,
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
            self.inputs.append((_REDRIVEN, key, data))

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


class _Handler:
    """Counts the records of each key; a record's own fields say what else happens."""

    def __init__(self, lab: Lab, process: Process) -> None:
        self._lab = lab
        self._process = process

    async def handle(self, record: Record, state: int | None, tools: Tools) -> Outcome[int]:
        lab, process = self._lab, self._process
        asked = record.value
        process.step("handle")
        lab.handled.append((record.key, asked["n"]))
        if record.topic == FACTS:
            await asyncio.sleep(0.01)
            return Outcome([Emit(OUT, record.key, {"fact": asked["n"]})], (state or 0) + _FACT)
        running = f"{process.name} {record.key}"
        assert not lab.running[running], f"two records of {record.key} at once"
        lab.running[running] += 1
        try:
            if "slow" in asked:
                await asyncio.sleep(asked["slow"])
            if "gate" in asked and not lab.open_gates:
                await lab.gates.setdefault(asked["n"], asyncio.Event()).wait()
            if record.attempt <= asked.get("retries", 0):
                raise RetryableError("not yet")
            if "poison" in asked:
                raise PoisonMessageError("it is broken")
        finally:
            lab.running[running] -= 1
        count = (state or 0) + 1
        effect = None
        if "outside" in asked:
            expires_at_ms = lab.now_ms() + asked["expires_ms"] if "expires_ms" in asked else None
            effect = Effect("act", f"act-{asked['n']}", {"outside": asked["outside"]}, expires_at_ms)
        process.step("handle", when="after")
        output = {"n": asked["n"], "count": count % _FACT, "facts": count // _FACT}
        return Outcome([Emit(OUT, record.key, output)], None if "forget" in asked else count, effect)

    async def resume(self, result: EffectResult, key: str, state: int | None, tools: Tools) -> Outcome[int]:
        self._process.step("resume")
        return Outcome([Emit(OUT, key, {"effect": result.effect.idempotency_key, "status": result.status})])


@dataclass
class Expected:
    """What the inputs lead to, by key; worked out by the plainest means."""

    outputs: dict[str, list[Any]] = field(default_factory=dict)
    letters: list[tuple[str, Any]] = field(default_factory=list)
    states: dict[str, int] = field(default_factory=dict)
    actions: set[str] = field(default_factory=set)


def expected(lab: Lab) -> Expected:
    """Handles all inputs in the order in which they were written."""
    found = Expected()
    parked: dict[str, int] = {}
    for (partition, offset), key, data in lab.inputs:
        outputs = found.outputs.setdefault(key, [])
        place = {"partition": partition, "offset": offset}
        number = parked.get(key)
        if number is not None and (partition, offset) != _REDRIVEN:
            parked[key] = number + 1
            found.letters.append((key, {**place, "number": number + 1, "value": json.loads(data)}))
            continue
        try:
            asked = json.loads(data)
        except ValueError:
            asked = {"poison": True}
        if "poison" in asked:
            if lab.parking:
                parked[key] = 0
                place |= {"number": 0, "value": asked}
            found.letters.append((key, place))
            outputs.append({"escalated": offset})
            continue
        count = found.states.get(key, 0) + 1
        outputs.append({"n": asked["n"], "count": count})
        found.states[key] = count
        if "forget" in asked:
            del found.states[key]
        if "outside" in asked:
            status = "refused" if asked["outside"] == "refuses" else "done"
            outputs.append({"effect": f"act-{asked['n']}", "status": status})
            if status == "done":
                found.actions.add(f"act-{asked['n']}")
    return found


def committed_so_far(lab: Lab) -> dict[str, list[Any]]:
    """The outputs by key.

    Raises:
        AssertionError: One is doubled or out of order, or there is an effect's result without the effect.
    """
    found: dict[str, list[Any]] = {}
    facts: dict[str, list[int]] = {}
    for key, value in lab.committed(OUT):
        if "fact" in value:
            facts.setdefault(key, []).append(value["fact"])
            continue
        known = value.pop("facts", None)
        assert known is None or known >= lab.known[value["n"]], f"{key} {value} knows {known} facts only"
        found.setdefault(key, []).append(value)
    for key, told in facts.items():
        assert told == lab.facts[key][: len(told)], f"facts of {key}: {told}, not {lab.facts[key]}"
    outputs = expected(lab).outputs
    for key, values in found.items():
        assert values == outputs.get(key, [])[: len(values)], f"outputs of {key}: {values}, not {outputs.get(key)}"
    return found


def verify(lab: Lab) -> None:
    """Every input led to its outcome exactly once, in order per key, and everything that is kept agrees."""
    wanted, found = expected(lab), committed_so_far(lab)
    for key, values in wanted.outputs.items():
        assert found.get(key) == values, f"outputs of {key}: {found.get(key)}, not {values}"
    assert sorted(lab.committed(DEAD), key=str) == sorted(wanted.letters, key=str)
    assert set(lab.outside.done) == wanted.actions
    for key, told in lab.facts.items():
        wanted.states[key] = wanted.states.get(key, 0) + len(told) * _FACT
    kept = {key: int(entry.state) for key, entry in lab.folded().items() if entry.state is not None}
    assert kept == wanted.states, f"state {kept}, not {wanted.states}"
    assert not any(entry.effect for entry in lab.folded().values())
    assert not lab.loop.unhandled, lab.loop.unhandled
