"""A Kafka in memory: logs, transactions, groups. Everything that outlives the processes that talk to it.

It does what the engine rests on as the real broker does it (tests/integration/keyflow compares the two): isolation up
to the last stable offset, markers that take offsets and are written one partition after the other once the commit is
decided, fencing by epoch, offsets of a transaction that nobody sees before its marker, the group's generation checked
with every offset. On demand it forgets to write markers, as a broker does while nobody leads the partitions. It keeps
no replicas and compacts nothing.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from confluent_kafka import KafkaError
from support.memory_group import Group
from support.virtual_time import VirtualLoop

Place = tuple[str, int]

MAX_METADATA_BYTES: Final = 4096
_MARKER_SECONDS: Final = 0.002
_MURMUR_SEED: Final = 0x9747B28C
_MURMUR_M: Final = 0x5BD1E995
_MASK: Final = 0xFFFFFFFF


class Refused(Exception):
    """The broker answers a request with an error code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


@dataclass(eq=False)
class Transaction:
    """What one transaction has touched; `committed` is None while it is open."""

    slot: str
    epoch: int
    began: float
    places: dict[Place, None] = field(default_factory=dict)
    offsets: dict[str, dict[Place, tuple[int, str]]] = field(default_factory=dict)
    committed: bool | None = None
    unmarked: set[Any] = field(default_factory=set)

    @property
    def ended(self) -> bool:
        """Whether every marker is written."""
        return self.committed is not None and not self.unmarked


@dataclass(slots=True)
class Stored:
    """One offset of a log: a record, or a marker (key and value None, `marker` set)."""

    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]] | None
    timestamp_ms: int
    transaction: Transaction | None = None
    marker: bool = False


class Log:
    """One partition."""

    def __init__(self) -> None:
        self.entries: list[Stored] = []
        self.open: dict[Transaction, int] = {}

    @property
    def end(self) -> int:
        """The offset after the last."""
        return len(self.entries)

    @property
    def stable_end(self) -> int:
        """The last stable offset: nothing of an open transaction is below it."""
        return min(self.open.values(), default=self.end)

    def visible(self, offset: int) -> bool:
        """Whether a reader of committed records is given it; only below `stable_end`."""
        stored = self.entries[offset]
        return not stored.marker and (stored.transaction is None or bool(stored.transaction.committed))

    def committed(self) -> list[tuple[int, Stored]]:
        """All that a reader of committed records sees."""
        return [(offset, self.entries[offset]) for offset in range(self.stable_end) if self.visible(offset)]


@dataclass(eq=False)
class Slot:
    """A transactional.id."""

    epoch: int = -1
    current: Transaction | None = None


class MemoryBroker:
    """Topics, groups and transactional ids.

    Args:
        loop: Whose time passes.
        seed: Of the order in which markers are written and partitions move.

    Attributes:
        forgets: Which decisions are taken for done without a marker: ("abort", 0) is the first abort.
    """

    def __init__(self, loop: VirtualLoop, seed: int = 0) -> None:
        self.loop = loop
        self.logs: dict[Place, Log] = {}
        self.topics: dict[str, int] = {}
        self.slots: dict[str, Slot] = {}
        self.groups: dict[str, Group] = {}
        self.offsets: dict[str, dict[Place, tuple[int, str]]] = {}
        self.max_message_bytes = 1_048_588
        self.chance = random.Random(seed)
        self.forgets: frozenset[tuple[str, int]] = frozenset()
        self.decided: Counter[str] = Counter()
        self._forgotten: list[tuple[Transaction, set[Any]]] = []

    def create(self, topic: str, partitions: int) -> None:
        """Makes a topic."""
        self.topics[topic] = partitions
        for partition in range(partitions):
            self.logs[topic, partition] = Log()

    def group(self, name: str) -> Group:
        """The group of this name."""
        if name not in self.groups:
            self.groups[name] = Group(self.loop, self.topics)
        return self.groups[name]

    def now_ms(self) -> int:
        """The broker's clock."""
        return int(self.loop.time() * 1000)

    def append(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: list[tuple[str, bytes]] | None = None,
        partition: int = -1,
        transaction: Transaction | None = None,
    ) -> Place:
        """Writes one record; where to.

        Raises:
            Refused: No such partition, or too large.
        """
        if partition < 0 and topic in self.topics:
            partition = partition_of(key, self.topics[topic])
        log = self.logs.get((topic, partition))
        if log is None:
            raise Refused(KafkaError.UNKNOWN_TOPIC_OR_PART)
        if len(key or b"") + len(value or b"") > self.max_message_bytes:
            raise Refused(KafkaError.MSG_SIZE_TOO_LARGE)
        if transaction is not None:
            transaction.places[topic, partition] = None
            log.open.setdefault(transaction, log.end)
        log.entries.append(Stored(key, value, headers, self.now_ms(), transaction))
        self.loop.notify()
        return topic, partition

    # Transactions

    def begin_epoch(self, transactional_id: str) -> int:
        """Fences whoever had the id; its open transaction is aborted. The new epoch."""
        slot = self.slots.setdefault(transactional_id, Slot())
        slot.epoch += 1
        if slot.current is not None and slot.current.committed is None:
            self._decide(slot.current, committed=False)
        return slot.epoch

    def settled(self, transactional_id: str) -> bool:
        """Whether the last transaction of the id has all its markers."""
        current = self.slots[transactional_id].current
        return current is None or current.ended

    def begin(self, transactional_id: str, epoch: int, timeout_ms: int) -> Transaction:
        """Opens a transaction, which the broker aborts when it takes too long.

        Raises:
            Refused: Fenced.
        """
        slot = self._owned(transactional_id, epoch)
        begun = slot.current = Transaction(transactional_id, epoch, self.loop.time())
        self.loop.call_later(timeout_ms / 1000, self._time_out, slot, begun)
        return begun

    def check(self, transactional_id: str, epoch: int, transaction: Transaction | None) -> None:
        """Every request of a transactional producer is checked.

        Raises:
            Refused: Fenced, or the broker has aborted the transaction by itself.
        """
        slot = self._owned(transactional_id, epoch)
        if transaction is not None and slot.current is not transaction:
            raise Refused(KafkaError.INVALID_TXN_STATE)

    def add_offsets(
        self, transaction: Transaction, group: str, generation: int, member: str, offsets: dict[Place, tuple[int, str]]
    ) -> None:
        """Offsets that are committed with the transaction.

        Raises:
            Refused: The member is not in this generation of the group, or the metadata is too long.
        """
        if code := self.group(group).check(member, generation):
            raise Refused(code)
        if any(len(metadata.encode()) >= MAX_METADATA_BYTES for _, metadata in offsets.values()):
            raise Refused(KafkaError.OFFSET_METADATA_TOO_LARGE)
        transaction.offsets.setdefault(group, {}).update(offsets)

    def end(self, transactional_id: str, epoch: int, *, committed: bool) -> None:
        """Decides the transaction; its markers follow.

        Raises:
            Refused: Fenced.
        """
        slot = self._owned(transactional_id, epoch)
        if slot.current is not None and slot.current.committed is None:
            self._decide(slot.current, committed=committed)

    def unstable(self, group: str, places: Iterable[Place]) -> bool:
        """Whether a transaction that has no marker yet holds an offset of these."""
        wanted = set(places)
        return any(
            ("offsets", group) in unmarked and wanted & set(transaction.offsets[group])
            for transaction, unmarked in self._forgotten
        ) or any(
            wanted & set(slot.current.offsets.get(group, {}))
            for slot in self.slots.values()
            if slot.current is not None
            and (slot.current.committed is None or ("offsets", group) in slot.current.unmarked)
        )

    def _owned(self, transactional_id: str, epoch: int) -> Slot:
        slot = self.slots[transactional_id]
        if slot.epoch != epoch:
            raise Refused(KafkaError.PRODUCER_FENCED)
        return slot

    def _time_out(self, slot: Slot, transaction: Transaction) -> None:
        if transaction.committed is None:
            slot.epoch += 1
            self._decide(transaction, committed=False)

    def _decide(self, transaction: Transaction, *, committed: bool) -> None:
        transaction.committed = committed
        marks: list[Any] = [*transaction.places, *(("offsets", group) for group in transaction.offsets)]
        decision = "commit" if committed else "abort"
        self.decided[decision] += 1
        if (decision, self.decided[decision] - 1) in self.forgets and marks:
            self._forgotten.append((transaction, set(marks)))
            self.loop.notify()
            return
        transaction.unmarked = set(marks)
        self.chance.shuffle(marks)
        for number, mark in enumerate(marks, 1):
            self.loop.call_later(_MARKER_SECONDS * number, self._mark, transaction, mark)
        self.loop.notify()

    def _mark(self, transaction: Transaction, mark: Any) -> None:
        """A marker ends whatever its producer has open there."""
        for forgotten, unmarked in self._forgotten:
            if forgotten.slot == transaction.slot and mark in unmarked:
                unmarked.discard(mark)
                forgotten.committed = transaction.committed
                self._write_marker(forgotten, mark)
        self._write_marker(transaction, mark)
        transaction.unmarked.discard(mark)
        self.loop.notify()

    def _write_marker(self, transaction: Transaction, mark: Any) -> None:
        if mark[0] == "offsets" and mark not in self.logs:
            if transaction.committed:
                self.offsets.setdefault(mark[1], {}).update(transaction.offsets[mark[1]])
        else:
            log = self.logs[mark]
            log.entries.append(Stored(None, None, None, self.now_ms(), transaction, marker=True))
            del log.open[transaction]


def partition_of(key: bytes | None, partitions: int) -> int:
    """Java's default partitioner: murmur2."""
    return (murmur2(key or b"") & 0x7FFFFFFF) % partitions


def murmur2(data: bytes) -> int:
    """Kafka's variant of MurmurHash2, 32 bits."""
    value = (_MURMUR_SEED ^ len(data)) & _MASK
    whole = len(data) // 4 * 4
    for at in range(0, whole, 4):
        word = int.from_bytes(data[at : at + 4], "little") * _MURMUR_M & _MASK
        value = value * _MURMUR_M & _MASK ^ ((word ^ word >> 24) * _MURMUR_M & _MASK)
    if tail := data[whole:]:
        value = (value ^ int.from_bytes(tail, "little")) * _MURMUR_M & _MASK
    value = (value ^ value >> 13) * _MURMUR_M & _MASK
    return value ^ value >> 15
