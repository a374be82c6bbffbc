"""Many dead letters, a redrive that is killed again and again, and what came of it; on a real broker."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from floodgate.events import DeadLetter
from floodgate.events.serde import AvroSerde
from floodgate.settings import KafkaSettings
from keyflow.reading import committed_records

SERVICE = "pulse-mail"
"""Whoever it is: no test runs it, and what goes back to it is told apart by its key."""
PROCESS = Path(__file__).with_name("redrive_process.py")
PATIENCE_SECONDS = 120.0


class RedriveLab:
    """A topic of letters and a ledger of its own.

    Args:
        settings: Where Kafka is.
        serde: Encodes letters.
        count: How many letters; ten of a key.
        rng: Chooses when to kill.
    """

    def __init__(self, settings: KafkaSettings, serde: AvroSerde, count: int, rng: random.Random) -> None:
        self.run = uuid4().hex[:8]
        self._settings = settings
        self._client = settings.reader("test")
        self._rng = rng
        self._topics = (f"test.letters.{self.run}", f"test.ledger.{self.run}")
        made = [NewTopic(name, 3, 1) for name in self._topics]
        self._admin = AdminClient(settings.connection())
        for future in self._admin.create_topics(made).values():
            future.result(30)
        self.ids: list[str] = []
        self.values: dict[bytes, list[int]] = {}
        self._write(serde, count)

    def _write(self, serde: AvroSerde, count: int) -> None:
        producer = Producer({**self._settings.connection(), "partitioner": "murmur2_random", "linger.ms": 20})
        began = datetime.now(UTC) - timedelta(days=1)
        for number in range(count):
            key = f"{self.run}-{number % max(1, count // 10)}".encode()
            letter = DeadLetter(
                event_id=uuid4(),
                occurred_at=began + timedelta(milliseconds=number),
                service=SERVICE,
                origin_topic="support.metrics",
                origin_partition=0,
                origin_offset=number,
                key=key,
                value=json.dumps({"number": number}).encode(),
                error_class="poison",
                reason="a test",
                attempts=1,
            )
            self.ids.append(str(letter.event_id))
            self.values.setdefault(key, []).append(number)
            producer.produce(self._topics[0], key=key, value=serde.encode("support.dead-letters", letter))
            producer.poll(0)
        assert producer.flush(60) == 0

    def redrive(self, *, kill_after: int | None = None) -> bool:
        """One redrive; killed once the ledger has so many more entries, committed or not. Whether it ended."""
        before = self._ledger_end()
        command = [sys.executable, str(PROCESS), *self._topics, f"test-redrive-{self.run}"]
        process = subprocess.Popen(command, env=dict(os.environ), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while process.poll() is None:
            assert time.monotonic() < deadline, "the redrive does not end"
            if kill_after is not None and self._ledger_end() >= before + kill_after:
                process.send_signal(signal.SIGKILL)
                break
            time.sleep(0.002)
        _, errors = process.communicate()
        assert process.returncode in (0, -signal.SIGKILL), errors.decode()
        return process.returncode == 0

    def redrive_through(self, kills: int) -> int:
        """Redrives until one comes to its end, the first so many killed; how many were."""
        killed = 0
        while not self.redrive(kill_after=self._rng.randint(1, 450) if killed < kills else None):
            killed += 1
        return killed

    def _ledger_end(self) -> int:
        if not hasattr(self, "_watching"):
            self._watching = Consumer({**self._client, "isolation.level": "read_uncommitted"})
        places = (TopicPartition(self._topics[1], partition) for partition in range(3))
        return sum(self._watching.get_watermark_offsets(place, timeout=10)[1] for place in places)

    def went_back(self) -> Iterator[tuple[bytes, int]]:
        """Key and number of what the service would read, as it stands."""
        prefix = f"{self.run}-".encode()
        for record in committed_records(self._client, f"support.{SERVICE}.redrive"):
            if (record.key() or b"").startswith(prefix):
                yield record.key() or b"", json.loads(record.value() or b"")["number"]

    def assert_each_went_back_once_and_in_order(self) -> None:
        found: dict[bytes, list[int]] = {}
        for key, number in self.went_back():
            found.setdefault(key, []).append(number)
        assert found == self.values
        entries = Counter((record.key() or b"").decode() for record in committed_records(self._client, self._topics[1]))
        assert entries == Counter(self.ids)
        ours = set(self.ids)
        audited = Counter(
            target
            for record in committed_records(self._client, "support.audit")
            if (target := (record.key() or b"").decode()) in ours
        )
        assert audited == Counter(self.ids)

    def close(self) -> None:
        """Removes the topics."""
        if hasattr(self, "_watching"):
            self._watching.close()
        for future in self._admin.delete_topics(list(self._topics)).values():
            future.result(30)
