"""What became of every interaction: read from outside, committed records only."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import uuid4

from confluent_kafka import Consumer, TopicPartition
from floodgate.events.serde import AvroSerde

SUMMARIES: Final = "support.summaries"
DEAD: Final = "support.dead-letters"


@dataclass
class Audit:
    """Follows the outputs of one run.

    Attributes:
        moments: When each valid record was committed, as far as an outside reader can tell (wall clock, seconds).
    """

    expected: set[str]
    serde: AvroSerde
    records: Counter[str] = field(default_factory=Counter)
    dead: Counter[str] = field(default_factory=Counter)
    repaired: int = 0
    cost_usd: float = 0.0
    moments: list[float] = field(default_factory=list)

    def follow(self, servers: str, *, within_seconds: float, on_first: Callable[[], None] = lambda: None) -> None:
        """Reads until everything is accounted for, or nothing moves for too long.

        Args:
            servers: Of Kafka.
            within_seconds: So long nothing may come.
            on_first: Called when the first result is there: the pipeline has started.
        """
        consumer = Consumer(
            {
                "bootstrap.servers": servers,
                "group.id": uuid4().hex,
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "log_level": 0,
            }
        )
        there = consumer.list_topics(timeout=30).topics
        consumer.assign([TopicPartition(t, p, 0) for t in (SUMMARIES, DEAD) for p in there[t].partitions])
        heard = time.monotonic()
        try:
            while self.missing and time.monotonic() - heard < within_seconds:
                begun = bool(self.records or self.dead)
                if self.take(consumer.consume(1000, 0.1)):
                    heard = time.monotonic()
                    if not begun:
                        on_first()
            # A duplicate would come now.
            deadline = time.monotonic() + 5
            while time.monotonic() < deadline:
                self.take(consumer.consume(1000, 0.5))
        finally:
            consumer.close()

    def take(self, messages: list[Any]) -> int:
        """Counts some messages; those of other runs are left out."""
        ours = 0
        for message in messages:
            key = (message.key() or b"").decode()
            if message.error() is not None or key not in self.expected:
                continue
            ours += 1
            if message.topic() == DEAD:
                self.dead[key] += 1
                continue
            record = self.serde.decode(SUMMARIES, message.value())
            self.records[key] += 1
            self.repaired += bool(getattr(record, "repaired", False))
            self.cost_usd += float(getattr(record, "usage").cost_usd)  # noqa: B009  # AvroModel has no such member
            self.moments.append(message.timestamp()[1] / 1000)
        return ours

    @property
    def missing(self) -> int:
        """Interactions of which nothing is known yet."""
        return len(self.expected) - len(self.expected & (self.records.keys() | self.dead.keys()))

    def rate(self, outage_seconds: float = 0.0) -> float:
        """Records a second between the first and the last tenth, where the pipeline is full.

        Args:
            outage_seconds: How long the model was out meanwhile; not counted, unlike what it took to come back.
        """
        moments = sorted(self.moments)
        tenth = len(moments) // 10
        if tenth < 2:
            return 0.0
        first, last = moments[tenth], moments[-tenth]
        return (len(moments) - 2 * tenth) / max(last - first - outage_seconds, 1e-6)

    def figures(self) -> dict[str, Any]:
        """What a run's row says of completeness."""
        known = len(self.expected) - self.missing
        return {
            "interactions": len(self.expected),
            "accounted_for": known / len(self.expected),
            "valid_share": len(self.records) / len(self.expected),
            "dead_letters": len(self.dead),
            "duplicates": sum(self.records.values()) - len(self.records),
            "repaired": self.repaired,
        }
