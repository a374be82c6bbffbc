"""A stand-in for confluent_kafka's Consumer on a `MemoryBroker`, with librdkafka's rules of calling.

It raises real KafkaException and KafkaError. Every call goes through `Wire`, which can let it fail or let the whole
process die before it or after it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Final, TypeVar

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, KafkaError, KafkaException, TopicPartition
from support.memory_broker import MemoryBroker, Place, Stored
from support.memory_group import Member

T = TypeVar("T")

_FENCED_INSTANCE: Final = "Broker: Static consumer fenced by other consumer with same group.instance.id"


class Wire:
    """Between a process's clients and the broker: where calls are counted, and fail. This one lets all through."""

    alive = True

    @contextmanager
    def call(self, name: str) -> Iterator[None]:
        """Around every call."""
        yield

    def polled(self, found: bool) -> KafkaError | None:
        """At every poll; what it returns becomes a message with this error."""
        return None


def failure(code: int, *, fatal: bool = False, retriable: bool = False, abort: bool = False) -> KafkaException:
    """A KafkaException as librdkafka's transactional calls raise it."""
    return KafkaException(KafkaError(code, f"error {code}", fatal, retriable, abort))


@dataclass(frozen=True, slots=True)
class MemoryMessage:
    """What poll and consume return."""

    place: Place
    at: int
    stored: Stored | None
    failed: KafkaError | None = None

    def error(self) -> KafkaError | None:
        return self.failed

    def topic(self) -> str:
        return self.place[0]

    def partition(self) -> int:
        return self.place[1]

    def offset(self) -> int:
        return self.at

    def key(self) -> bytes | None:
        return self.stored.key if self.stored else None

    def value(self) -> bytes | None:
        return self.stored.value if self.stored else None

    def headers(self) -> list[tuple[str, bytes]] | None:
        return self.stored.headers if self.stored else None

    def timestamp(self) -> tuple[int, int]:
        return 1, self.stored.timestamp_ms if self.stored else 0


@dataclass(frozen=True, slots=True)
class MemoryMetadata:
    """What consumer_group_metadata returns: as the client knows it at that moment."""

    group: str
    generation: int
    member: str


def _topics(broker: MemoryBroker) -> Any:
    described = {
        topic: SimpleNamespace(topic=topic, partitions=dict.fromkeys(range(count)), error=None)
        for topic, count in broker.topics.items()
    }
    return SimpleNamespace(topics=described)


class Client:
    """What both have in common."""

    def __init__(self, broker: MemoryBroker, wire: Wire) -> None:
        self._broker = broker
        self._wire = wire

    def _wait(self, holds: Callable[[], bool], seconds: float) -> bool:
        found = self._broker.loop.wait_in_thread(lambda: holds() or not self._wire.alive, seconds)
        with self._wire.call(""):  # a process that died while it waited goes no further
            return found

    def list_topics(self, topic: str | None = None, timeout: float = -1) -> Any:
        with self._wire.call("list_topics"):
            return _topics(self._broker)


class MemoryConsumer(Client):
    """Of confluent_kafka.Consumer what the engine and its tests call."""

    def __init__(self, broker: MemoryBroker, conf: dict[str, Any], wire: Wire) -> None:
        super().__init__(broker, wire)
        self._group = str(conf["group.id"])
        self._committed_only = conf.get("isolation.level", "read_committed") == "read_committed"
        self._earliest = conf.get("auto.offset.reset", "latest") in ("earliest", "beginning")
        self._incremental = (
            conf.get("group.protocol") == "consumer" or "cooperative" in str(conf.get("partition.assignment.strategy"))
        )  # fmt: skip
        self._session_seconds = int(conf.get("session.timeout.ms", 45_000)) / 1000
        self._instance = conf.get("group.instance.id")
        self._topic_names: list[str] = []
        self._callbacks: dict[str, Any] = {}
        self.member: Member | None = None
        self._generation = -1
        self._positions: dict[Place, int] = {}
        self._fetched: set[Place] = set()
        self._paused: set[Place] = set()
        self._turn = 0
        self._closed = False

    # Group

    def subscribe(self, topics: list[str], on_assign: Any = None, on_revoke: Any = None, on_lost: Any = None) -> None:
        with self._wire.call("subscribe"):
            self._callbacks = {"assign": on_assign, "revoke": on_revoke, "lost": on_lost or on_revoke}
            self._topic_names = list(topics)
            self._join()

    def _join(self) -> None:
        group = self._broker.group(self._group)
        self.member = group.join(
            self._topic_names,
            incremental=self._incremental,
            session_seconds=self._session_seconds,
            instance=self._instance,
        )

    def die(self) -> None:
        """Its process is killed."""
        if self.member is not None:
            self._broker.group(self._group).lose(self.member)

    def expire(self) -> None:
        """The group no longer waits for it."""
        if self.member is not None:
            self._broker.group(self._group).leave(self.member)

    def _serve(self) -> bool:
        """What the group wants of this member now; whether callbacks ran."""
        member = self.member
        if member is None:
            return False
        if member.out:
            gone = sorted(self._positions)
            self._generation = -1
            if member.fenced:
                if gone:
                    self._called("lost", gone)
                return False
            self._join()
            if gone:
                self._called("lost", gone)
            return True
        return self._serve_incremental(member) if self._incremental else self._serve_eager(member)

    def _serve_eager(self, member: Member) -> bool:
        group = self._broker.group(self._group)
        if member.offered is not None and not group.preparing:
            given, member.offered = member.offered, None
            self._generation = group.generation
            self._called("assign", given)
            return True
        if group.preparing and not member.joined:
            member.offered = None
            if self._positions:
                self._called("revoke", sorted(self._positions))
            if not member.out:
                group.rejoin(member)
            return True
        return False

    def _serve_incremental(self, member: Member) -> bool:
        group = self._broker.group(self._group)
        if self._generation != group.generation:
            self._generation = member.generation = group.generation
        if gone := self._some(member.owned - member.target):
            self._called("revoke", sorted(gone))
            group.gave_back(member, gone)
            return True
        if fresh := self._some(group.free(member)):
            member.owned |= fresh
            self._called("assign", sorted(fresh))
            return True
        return False

    def _some(self, places: set[Place]) -> set[Place]:
        """All, or those of one topic: co-partitioned topics need not come and go together."""
        topics = sorted({topic for topic, _ in places})
        if len(topics) < 2 or self._broker.chance.random() < 0.5:
            return places
        chosen = self._broker.chance.choice(topics)
        return {place for place in places if place[0] == chosen}

    def _called(self, name: str, places: list[Place]) -> None:
        before = dict(self._positions)
        callback = self._callbacks.get(name)
        if callback is not None:
            with self._wire.call(f"on_{name}"):
                callback(self, [TopicPartition(topic, partition) for topic, partition in places])
        if self._positions != before or (name != "assign" and not set(places) & set(self._positions)):
            return
        # The application left it to the client.
        if name == "assign" and not any(place in self._positions for place in places):
            self._take([TopicPartition(*place) for place in places], only=not self._incremental)
        elif name != "assign":
            self._drop(places if self._incremental else list(self._positions))

    def consumer_group_metadata(self) -> MemoryMetadata:
        with self._wire.call("consumer_group_metadata"):
            return MemoryMetadata(self._group, self._generation, self.member.id if self.member else "")

    def memberid(self) -> str | None:
        return None if self.member is None else self.member.id

    def unsubscribe(self) -> None:
        with self._wire.call("unsubscribe"):
            self._leave(for_good=True)

    def close(self) -> None:
        with self._wire.call("close"):
            if self._closed:
                raise RuntimeError("Consumer already closed")
            self._leave(for_good=self._instance is None)
            self._closed = True

    def _leave(self, *, for_good: bool) -> None:
        member, group = self.member, self._broker.group(self._group)
        if member is not None and not member.out:
            if self._positions:
                self._called("revoke", sorted(self._positions))
            (group.leave if for_good else group.lose)(member)
        self.member = None

    # Assignment

    def assign(self, partitions: list[TopicPartition]) -> None:
        with self._wire.call("assign"):
            self._take(partitions, only=True)

    def unassign(self) -> None:
        with self._wire.call("unassign"):
            self._drop(list(self._positions))

    def incremental_assign(self, partitions: list[TopicPartition]) -> None:
        with self._wire.call("incremental_assign"):
            self._take(partitions, only=False)

    def incremental_unassign(self, partitions: list[TopicPartition]) -> None:
        with self._wire.call("incremental_unassign"):
            self._drop([(place.topic, place.partition) for place in partitions])

    def assignment(self) -> list[TopicPartition]:
        return [TopicPartition(*place) for place in sorted(self._positions)]

    def _take(self, partitions: list[TopicPartition], *, only: bool) -> None:
        if only:
            self._drop(list(self._positions))
        for given in partitions:
            place = (given.topic, given.partition)
            self._positions[place] = self._start(place, given.offset)

    def _start(self, place: Place, offset: int) -> int:
        log = self._broker.logs[place]
        if offset == OFFSET_END:
            return log.end
        if offset < 0 and offset != OFFSET_BEGINNING:
            stored = self._broker.offsets.get(self._group, {}).get(place)
            offset = stored[0] if stored else -1
        if 0 <= offset <= log.end:
            return offset
        return 0 if self._earliest else log.end

    def _drop(self, places: list[Place]) -> None:
        for place in places:
            self._positions.pop(place, None)
            self._fetched.discard(place)
            self._paused.discard(place)

    def pause(self, partitions: list[TopicPartition]) -> None:
        with self._wire.call("pause"):
            self._paused |= {(place.topic, place.partition) for place in partitions}

    def resume(self, partitions: list[TopicPartition]) -> None:
        with self._wire.call("resume"):
            self._paused -= {(place.topic, place.partition) for place in partitions}

    def seek(self, partition: TopicPartition) -> None:
        with self._wire.call("seek"):
            place = (partition.topic, partition.partition)
            self._positions[place] = self._start(place, partition.offset)
            self._fetched.discard(place)

    # Reading

    def poll(self, timeout: float = -1) -> MemoryMessage | None:
        found = self._read(1, timeout)
        return found[0] if found else None

    def consume(self, num_messages: int = 1, timeout: float = -1) -> list[MemoryMessage]:
        return self._read(num_messages, timeout, wait_for_all=True)

    def _read(self, most: int, timeout: float, *, wait_for_all: bool = False) -> list[MemoryMessage]:
        with self._wire.call(""):
            if self._closed:
                raise RuntimeError("Consumer closed")
        loop = self._broker.loop
        deadline = loop.time() + (timeout if timeout >= 0 else 1e9)
        found: list[MemoryMessage] = []
        while True:
            while self._serve():
                pass
            if self.member is not None and self.member.fenced:
                return [MemoryMessage(("", -1), -1, None, KafkaError(KafkaError._FATAL, _FENCED_INSTANCE))]
            self._fetch(most, found)
            if len(found) >= most or (found and not wait_for_all) or loop.time() >= deadline:
                break
            self._wait(self._something, deadline - loop.time())
        if error := self._wire.polled(bool(found)):
            return [*found, MemoryMessage(("", -1), -1, None, error)]
        return found

    def _something(self) -> bool:
        member = self.member
        if member is not None:
            group = self._broker.group(self._group)
            if member.out or member.offered is not None or (group.preparing and not member.joined):
                return True
            if self._incremental and (member.owned - member.target or group.free(member)):
                return True
        return any(
            position < self._end(place) for place, position in self._positions.items() if place not in self._paused
        )

    def _end(self, place: Place) -> int:
        log = self._broker.logs[place]
        return log.stable_end if self._committed_only else log.end

    def _fetch(self, most: int, found: list[MemoryMessage]) -> None:
        places = [place for place in self._positions if place not in self._paused]
        self._turn += 1
        for number in range(len(places)):
            place = places[(self._turn + number) % len(places)]
            log, end = self._broker.logs[place], self._end(place)
            while self._positions[place] < end and len(found) < most:
                at = self._positions[place]
                self._positions[place] = at + 1
                self._fetched.add(place)
                if log.visible(at) or (not self._committed_only and not log.entries[at].marker):
                    found.append(MemoryMessage(place, at, log.entries[at]))
            # Markers that follow the last record are passed with it.
            while self._positions[place] < end and log.entries[self._positions[place]].marker:
                self._positions[place] += 1

    def position(self, partitions: list[TopicPartition]) -> list[TopicPartition]:
        with self._wire.call("position"):
            return [
                TopicPartition(
                    place.topic,
                    place.partition,
                    self._positions.get((place.topic, place.partition), -1001)
                    if (place.topic, place.partition) in self._fetched
                    else -1001,
                )
                for place in partitions
            ]

    def committed(self, partitions: list[TopicPartition], timeout: float = -1) -> list[TopicPartition]:
        with self._wire.call("committed"):
            places = [(place.topic, place.partition) for place in partitions]
            if not self._wait(lambda: not self._broker.unstable(self._group, places), timeout if timeout >= 0 else 60):
                raise failure(KafkaError._TIMED_OUT)
            stored = self._broker.offsets.get(self._group, {})
            found = []
            for place in places:
                offset, metadata = stored.get(place, (-1001, ""))
                found.append(TopicPartition(*place, offset, metadata) if metadata else TopicPartition(*place, offset))
            return found

    def offsets_for_times(self, partitions: list[TopicPartition], timeout: float = -1) -> list[TopicPartition]:
        """Of times only the end (-1) and the beginning (-2)."""
        with self._wire.call("offsets_for_times"):
            return [
                TopicPartition(
                    place.topic,
                    place.partition,
                    self._end((place.topic, place.partition)) if place.offset == OFFSET_END else 0,
                )
                for place in partitions
            ]

    def get_watermark_offsets(
        self, partition: TopicPartition, timeout: float = -1, cached: bool = False
    ) -> tuple[int, int]:
        with self._wire.call("get_watermark_offsets"):
            return 0, self._end((partition.topic, partition.partition))
