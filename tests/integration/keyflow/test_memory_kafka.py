"""The broker in memory, on which crash points are tried, does what the real one does: one script, run on both."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import confluent_kafka
from confluent_kafka import KafkaError, KafkaException, TopicPartition
from keyflow_bench import Bench
from support.memory_broker import MemoryBroker
from support.memory_clients import MemoryConsumer, Wire
from support.memory_producer import MemoryProducer
from support.virtual_time import VirtualLoop

PARTITIONS = 4
KEYS = [f"key-{number}" for number in range(60)]
SESSION = {"session.timeout.ms": 10_000, "heartbeat.interval.ms": 500, "partition.assignment.strategy": "range"}


class Script:
    """What is done on both brokers; `seen` is what came of it."""

    def __init__(self, consumer: Callable[..., Any], producer: Callable[..., Any], servers: str, run: str) -> None:
        self._consumer = consumer
        self._producer = producer
        self._servers = servers
        self._run = run
        self.seen: list[Any] = []

    def note(self, what: str, found: Any) -> None:
        self.seen.append((what, found))

    def topic(self, name: str) -> str:
        return f"{name}-{self._run}"

    def consumer(self, group: str, **conf: Any) -> Any:
        base = {"bootstrap.servers": self._servers, "group.id": f"{group}-{self._run}", "enable.auto.commit": False}
        return self._consumer({**base, "isolation.level": "read_committed", "auto.offset.reset": "earliest", **conf})

    def producer(self, slot: str) -> Any:
        made = self._producer(
            {
                "bootstrap.servers": self._servers,
                "transactional.id": f"{slot}-{self._run}",
                "partitioner": "murmur2_random",
                "retry.backoff.ms": 2,
            }
        )
        made.init_transactions(30)
        return made

    def code(self, call: Callable[..., Any], *args: Any) -> str:
        """How a call ends: the error's name, and what kind it is."""
        try:
            call(*args)
        except KafkaException as error:
            cause: KafkaError = error.args[0]
            kinds = [name for name in ("fatal", "retriable", "txn_requires_abort") if getattr(cause, name)()]
            return " ".join([cause.name(), *kinds])
        return "done"

    def read_to(self, consumer: Any, count: int) -> list[tuple[int, bytes]]:
        found: list[tuple[int, bytes]] = []
        for _ in range(200):
            message = consumer.poll(0.1)
            if message is not None and message.error() is None:
                found.append((message.offset(), message.value()))
            if len(found) >= count:
                break
        return found

    def run(self) -> list[Any]:
        self.where_keys_go()
        self.isolation()
        self.offsets_and_metadata()
        self.fencing()
        self.membership()
        self.static_membership()
        return self.seen

    def where_keys_go(self) -> None:
        producer = self.producer("keys")
        producer.begin_transaction()
        for key in KEYS:
            producer.produce(self.topic("keys"), key=key.encode(), value=b"")
        producer.commit_transaction(30)
        reader = self.consumer("keys")
        reader.assign([TopicPartition(self.topic("keys"), number, 0) for number in range(PARTITIONS)])
        found: dict[bytes, int] = {}
        for _ in range(200):
            for message in reader.consume(100, 0.1):
                found[message.key()] = message.partition()
            if len(found) == len(KEYS):
                break
        self.note("partition of each key", [found[key.encode()] for key in KEYS])
        reader.close()

    def isolation(self) -> None:
        place = TopicPartition(self.topic("log"), 0)
        writer, late = self.producer("log"), self.producer("late")
        strict, loose = self.consumer("strict"), self.consumer("loose", **{"isolation.level": "read_uncommitted"})
        start = [TopicPartition(place.topic, 0, 0)]
        strict.assign(start)
        self.note("watermarks of an empty log", strict.get_watermark_offsets(place, timeout=10))
        self._write(writer, place, b"a", b"b")
        writer.commit_transaction(30)
        self.note("committed records", self.read_to(strict, 2))
        self._write(late, place, b"c")
        self._flushed(loose, place, 4)
        self._write(writer, place, b"d")
        writer.commit_transaction(30)
        self._flushed(loose, place, 6)
        self.note("high watermark for readers of committed records", strict.get_watermark_offsets(place, timeout=10))
        self.note("high watermark for readers of all", loose.get_watermark_offsets(place, timeout=10))
        ends = [strict.offsets_for_times([TopicPartition(place.topic, 0, end)], 10)[0].offset for end in (-1, -2)]
        self.note("end and beginning for readers of committed records", ends)
        late.abort_transaction(30)
        self.note("after the abort", self.read_to(strict, 1))
        self._flushed(loose, place, 7)
        for _ in range(100):
            strict.poll(0.1)
            [at] = strict.position([place])
            if at.offset == 7:
                break
        self.note("position beyond the markers", at.offset)
        strict.close()
        loose.close()

    def _write(self, producer: Any, place: TopicPartition, *values: bytes) -> None:
        producer.begin_transaction()
        for value in values:
            producer.produce(place.topic, key=b"k", value=value, partition=place.partition)
        producer.flush(30)

    def _flushed(self, loose: Any, place: TopicPartition, end: int) -> None:
        for _ in range(200):
            if loose.get_watermark_offsets(place, timeout=10)[1] >= end:
                return
            loose.poll(0.05)

    def offsets_and_metadata(self) -> None:
        place = TopicPartition(self.topic("log"), 1)
        member, producer = self.consumer("offsets", **SESSION), self.producer("offsets")
        member.subscribe([self.topic("log")])
        while not member.assignment():
            member.poll(0.1)
        self.note("nothing committed", member.committed([place], timeout=10)[0].offset)
        for size in (4000, 4097):
            producer.begin_transaction()
            offset = TopicPartition(place.topic, 1, size, "x" * size)
            metadata = member.consumer_group_metadata()
            ended = self.code(producer.send_offsets_to_transaction, [offset], metadata, 10)
            self.note(f"an offset with {size} characters", ended)
            self.note("its commit", self.code(producer.commit_transaction, 10))
            if ended != "done":
                self.note("its abort", self.code(producer.abort_transaction, 10))
            [found] = member.committed([place], timeout=10)
            self.note("committed then", (found.offset, len(found.metadata or "")))
        producer.begin_transaction()
        metadata = member.consumer_group_metadata()
        producer.send_offsets_to_transaction([TopicPartition(place.topic, 1, 1)], metadata, 10)
        self.note("while a transaction holds an offset", self.code(lambda: member.committed([place], timeout=1.0)))
        producer.abort_transaction(10)
        self.note("after its abort", member.committed([place], timeout=10)[0].offset)
        self.note("outside a transaction", self.code(lambda: producer.produce(place.topic, key=b"k", value=b"")))
        self.note("a commit without a transaction", self.code(producer.commit_transaction, 10))
        producer.begin_transaction()
        large = self.code(lambda: producer.produce(place.topic, key=b"k", value=b"x" * 2_000_000))
        self.note("too large", large)
        self.note("a commit after that", self.code(producer.commit_transaction, 10))
        member.close()

    def fencing(self) -> None:
        place = TopicPartition(self.topic("log"), 2)
        old = self.producer("slot")
        self._write(old, place, b"old")
        new = self.producer("slot")
        self.note("the old one's commit", self.code(old.commit_transaction, 20))
        self.note("the old one's abort", self.code(old.abort_transaction, 20))
        self._write(new, place, b"new")
        self.note("the new one's commit", self.code(new.commit_transaction, 20))
        reader = self.consumer("fencing")
        reader.assign([TopicPartition(place.topic, 2, 0)])
        self.note("what is there", [value for _, value in self.read_to(reader, 1)])
        reader.close()

    def membership(self) -> None:
        events: list[Any] = []
        members: list[Any] = []

        def called(name: str, what: str) -> Callable[[Any, list[TopicPartition]], None]:
            return lambda _, places: events.append((name, what, len(places)))

        def join(name: str) -> None:
            member = self.consumer("members", **SESSION)
            member.subscribe([self.topic("log")], on_assign=called(name, "got"), on_revoke=called(name, "gave back"))
            members.append(member)

        def until(count: int) -> None:
            for _ in range(400):
                for member in members:
                    member.poll(0.05)
                if len(events) >= count:
                    return

        join("first")
        until(1)
        stale = members[0].consumer_group_metadata()
        join("second")
        until(4)
        self.note("who got what", sorted(events))
        producer = self.producer("members")
        place = TopicPartition(self.topic("log"), 3, 7)
        producer.begin_transaction()
        self.note("offsets of an old generation", self.code(producer.send_offsets_to_transaction, [place], stale, 10))
        producer.abort_transaction(10)
        gone = members[1].consumer_group_metadata()
        members.pop().close()
        until(7)
        self.note("who got what then", sorted(events))
        producer.begin_transaction()
        self.note("offsets of a member that left", self.code(producer.send_offsets_to_transaction, [place], gone, 10))
        producer.abort_transaction(10)
        members.pop().close()

    def static_membership(self) -> None:
        place = TopicPartition(self.topic("log"), 3, 9)
        events: list[Any] = []

        def join(name: str) -> Any:
            member = self.consumer("static", **SESSION, **{"group.instance.id": "one"})
            member.subscribe([self.topic("log")], on_assign=lambda _, places: events.append((name, len(places))))
            return member

        def until(holds: Callable[[], bool], *members: Any) -> str:
            for _ in range(400):
                for member in members:
                    message = member.poll(0.05)
                    if message is not None and message.error() is not None:
                        return message.error().name()
                if holds():
                    break
            return ""

        old = join("old")
        until(lambda: len(events) == 1, old)
        stale = old.consumer_group_metadata()
        new = join("new")
        until(lambda: len(events) == 2, new)
        self.note("who got what without a rebalance", list(events))
        self.note("the one before is told", until(lambda: False, old))
        producer = self.producer("static")
        producer.begin_transaction()
        self.note("its offsets", self.code(producer.send_offsets_to_transaction, [place], stale, 10))
        producer.abort_transaction(10)
        producer.begin_transaction()
        fresh = new.consumer_group_metadata()
        self.note("the new one's", self.code(producer.send_offsets_to_transaction, [place], fresh, 10))
        producer.commit_transaction(10)
        for member in (old, new):
            member.close()


def on_memory() -> list[Any]:
    loop = VirtualLoop()
    broker = MemoryBroker(loop)
    for topic in ("keys-m", "log-m"):
        broker.create(topic, PARTITIONS)
    script = Script(
        lambda conf: MemoryConsumer(broker, conf, Wire()),
        lambda conf: MemoryProducer(broker, conf, Wire()),
        "memory",
        "m",
    )
    try:
        return loop.run_until_complete(loop.run_in_executor(None, script.run))
    finally:
        loop.end()


async def test_the_broker_in_memory_does_what_the_real_one_does(bench: Bench) -> None:
    bench.create("keys", "log", partitions=PARTITIONS)
    script = Script(confluent_kafka.Consumer, confluent_kafka.Producer, bench.servers, bench.run)
    real = await asyncio.to_thread(script.run)
    memory = await asyncio.to_thread(on_memory)
    assert memory == real
