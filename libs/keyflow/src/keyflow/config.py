"""Settings of one engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """How one process runs a processor.

    Attributes:
        bootstrap_servers: Kafka's host:port list.
        group_id: Consumer group; the same for every instance of a service.
        instance: Stable name of this instance's slot ("0", a StatefulSet's ordinal): with the group it makes the
            transactional.id, by which a restarted instance fences the one it replaces.
        max_in_flight: Records being handled at once.
        max_buffered: Records fetched and not finished, over all partitions; above it fetching pauses.
        commit_interval_seconds: Shortest time between two commits when busy; an idle engine commits at once.
        stop_deadline_seconds: How long a stop waits for records in flight.
        max_message_bytes: Larger outputs are poison of the record that made them (Kafka's message.max.bytes).
        client: Further librdkafka settings for all clients (security, say).
    """

    bootstrap_servers: str
    group_id: str
    instance: str = "0"
    max_in_flight: int = 256
    max_buffered: int = 4096
    commit_interval_seconds: float = 0.02
    stop_deadline_seconds: float = 20.0
    max_message_bytes: int = 1_000_000
    transaction_timeout_ms: int = 15_000
    session_timeout_ms: int = 10_000
    client: Mapping[str, str | int | bool] = field(default_factory=dict)

    @property
    def transactional_id(self) -> str:
        """Names this instance's slot to the transaction coordinator."""
        return f"{self.group_id}-{self.instance}"

    def consumer(self) -> dict[str, str | int | bool]:
        """Librdkafka's settings of the input consumer.

        The range assignor gives one member the same partition number of every input topic, on which state
        and order rest; cooperative-sticky does not.
        """
        return {
            **self.client,
            "bootstrap.servers": self.bootstrap_servers,
            "group.id": self.group_id,
            "client.id": self.transactional_id,
            "partition.assignment.strategy": "range",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "earliest",
            "session.timeout.ms": self.session_timeout_ms,
            "heartbeat.interval.ms": self.session_timeout_ms // 4,
            "fetch.wait.max.ms": 50,
        }

    def restorer(self) -> dict[str, str | int | bool]:
        """Settings of the consumer that reads changelogs; it commits nothing."""
        return {
            **self.client,
            "bootstrap.servers": self.bootstrap_servers,
            "group.id": f"{self.group_id}.restore",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
        }

    def producer(self) -> dict[str, str | int | bool]:
        """Settings of the transactional producer.

        murmur2 is what Java and Faust use; a retry back-off of 5 ms takes a transaction from 104 to 8 ms.
        """
        return {
            **self.client,
            "bootstrap.servers": self.bootstrap_servers,
            "client.id": self.transactional_id,
            "transactional.id": self.transactional_id,
            "transaction.timeout.ms": self.transaction_timeout_ms,
            "partitioner": "murmur2_random",
            "linger.ms": 1,
            "retry.backoff.ms": 5,
            "message.max.bytes": self.max_message_bytes + 64_000,
        }
