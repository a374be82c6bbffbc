"""Settings of one engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

DEAD_LETTER_ROOM_BYTES: Final = 64_000
"""A dead letter may be so much larger than a record: it carries a whole one, and what is known of its failure."""
_COORDINATOR_LOOKS_SECONDS: Final = 12.0


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """How one process runs a processor.

    Attributes:
        bootstrap_servers: Kafka's host:port list.
        group_id: Consumer group; the same for every instance of a service.
        instance: Stable name of this instance's slot ("0", a StatefulSet's ordinal): with the group it makes the
            transactional.id, by which a restarted instance fences the one it replaces.
        max_in_flight: Records being handled at once.
        max_buffered: Records fetched and not committed, over all partitions; at this bound fetching waits. Many,
            because the order in which keys are served rests on seeing far ahead.
        max_buffered_bytes: The same by size.
        commit_interval_seconds: Shortest time between two commits; an idle engine commits at once.
        stop_deadline_seconds: How long a stop waits for records in flight, all steps together.
        revoke_deadline_seconds: How long a rebalance waits for records in flight; the group waits with it.
        restore_deadline_seconds: A restore without any progress for so long is fatal.
        start_over: Accept state beside which the group has no committed offset (a new group on an old table, meant
            so); without it that is fatal, because every input would be handled again.
        max_message_bytes: Larger outputs are poison of the record that made them (Kafka's message.max.bytes).
        group_protocol: "classic", or "consumer" for KIP-848: partitions that do not move go on during a rebalance, and
            the session time-out is the broker's (group.consumer.session.timeout.ms).
        leave_on_stop: Whether a stop gives the partitions to the other instances at once. Without it (classic only)
            they wait for this slot to come back, until the session ends: for restarts one after the other.
        client: Further librdkafka settings for all clients (security, say).
    """

    bootstrap_servers: str
    group_id: str
    instance: str = "0"
    max_in_flight: int = 256
    max_buffered: int = 32_768
    max_buffered_bytes: int = 64_000_000
    commit_interval_seconds: float = 0.005
    stop_deadline_seconds: float = 20.0
    revoke_deadline_seconds: float = 3.0
    restore_deadline_seconds: float = 60.0
    start_over: bool = False
    max_message_bytes: int = 1_000_000
    transaction_timeout_ms: int = 15_000
    session_timeout_ms: int = 10_000
    group_protocol: Literal["classic", "consumer"] = "classic"
    leave_on_stop: bool = True
    client: Mapping[str, Any] = field(default_factory=dict)

    @property
    def forgotten_after_seconds(self) -> float:
        """A transaction that is open for longer than this will not be ended any more by whoever should.

        The coordinator ends one that takes too long, and looks for those every ten seconds.
        """
        return self.transaction_timeout_ms / 1000 + _COORDINATOR_LOOKS_SECONDS

    @property
    def transactional_id(self) -> str:
        """Names this instance's slot to the transaction coordinator."""
        return f"{self.group_id}-{self.instance}"

    def connection(self) -> dict[str, Any]:
        """What the settings of every client begin with."""
        return {**self.client, "bootstrap.servers": self.bootstrap_servers}

    def consumer(self) -> dict[str, Any]:
        """Librdkafka's settings of the input consumer."""
        return {
            **self.connection(),
            "group.id": self.group_id,
            "client.id": self.transactional_id,
            **self._membership(),
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "earliest",
            "fetch.wait.max.ms": 50,
            # Small bites of each partition: fetches come partition by partition, and keys are to be diverse.
            "fetch.message.max.bytes": 262_144,
            # Prefetched beside our own buffer; the default of 64 MB would be most of the process's memory.
            "queued.min.messages": 10_000,
            "queued.max.messages.kbytes": 16_384,
            # With that much prefetched, the next look after 10 ms; the default of 1 s starves a fast handler.
            "fetch.queue.backoff.ms": 10,
        }

    def _membership(self) -> dict[str, Any]:
        """How the group is joined.

        The range assignors give one member the same partition number of every input topic, on which state and order
        rest; cooperative-sticky does not. A static member that was killed takes its place again at once; under
        KIP-848 it would be refused until its session ends, so there members are dynamic.
        """
        if self.group_protocol == "consumer":
            return {"group.protocol": "consumer", "group.remote.assignor": "range"}
        return {
            "partition.assignment.strategy": "range",
            "group.instance.id": self.transactional_id,
            "session.timeout.ms": self.session_timeout_ms,
            "heartbeat.interval.ms": self.session_timeout_ms // 4,
        }

    def restorer(self) -> dict[str, Any]:
        """Settings of the consumer that reads changelogs; it commits nothing."""
        return {
            **self.connection(),
            "group.id": f"{self.group_id}.restore",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            # What is prefetched stays with the process as freed memory. By default that is 64 MB and more: a service
            # grew by 20 MiB with every restore of a changelog that was not compacted yet.
            "fetch.message.max.bytes": 262_144,
            "fetch.max.bytes": 4_194_304,
            "queued.max.messages.kbytes": 4_096,
            "fetch.queue.backoff.ms": 10,
        }

    def producer(self) -> dict[str, Any]:
        """Settings of the transactional producer.

        murmur2 is what Java and Faust use; a retry back-off of 2 ms takes a transaction from 104 to 8 ms.
        """
        return {
            **self.connection(),
            "client.id": self.transactional_id,
            "transactional.id": self.transactional_id,
            "transaction.timeout.ms": self.transaction_timeout_ms,
            "partitioner": "murmur2_random",
            "linger.ms": 1,
            "retry.backoff.ms": 2,
            "message.max.bytes": self.max_message_bytes + 2 * DEAD_LETTER_ROOM_BYTES,
            # One transaction holds at most what is buffered, with its outputs; produce() waits beyond that.
            "queue.buffering.max.messages": 100_000,
            # After a broker was away, librdkafka (2.16) can wait for ever for a group coordinator that it forgot, in
            # send_offsets_to_transaction() and whatever its time-out (its issues 5456 and 5511), until any connection
            # changes. Idle ones are closed, so that one does.
            "connections.max.idle.ms": 10_000,
        }
