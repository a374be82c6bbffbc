"""Pulse as a process on a real broker: what it publishes equals a recount of the topics, however it is killed."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import uuid
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from floodgate.events import (
    DeadLetter,
    Decision,
    Message,
    MessageKind,
    Metric,
    Misuse,
    ModelUsage,
    Verdict,
    derive_event_id,
    edge_event_id,
)
from floodgate.events.serde import AvroSerde
from floodgate.events.times import now_ms
from keyflow.reading import committed_records
from pulse.adapters.faust_pipeline import Topics
from pulse.domain.figures import counted, shown
from pulse.domain.windows import SIZES
from support.processes import eventually

sys.path.insert(0, str(Path(__file__).parent))
from pulse_process import topics_of

GRACE_MS = 1000
PARTITIONS = 6
WHOLE = {"verdicts", "verdicts.urgent", "verdicts.wrong_path", "cost_usd", "tokens.input", "dead_letters"}


class Site:
    """Topics of one test, what stands on them, and the process that counts it."""

    def __init__(self, env: dict[str, str], log: Path) -> None:
        self.prefix = f"pulse-{uuid.uuid4().hex[:8]}"
        self.topics: Topics = topics_of(self.prefix)
        self.servers = env["FLOODGATE_KAFKA_BOOTSTRAP_SERVERS"]
        self.client = {"bootstrap.servers": self.servers, "group.id": f"{self.prefix}.test"}
        self.serde = AvroSerde(env["FLOODGATE_SCHEMA_REGISTRY_URL"])
        self.env = {
            **os.environ, "FLOODGATE_KAFKA_GROUP_PREFIX": f"{self.prefix}.", "FLOODGATE_PULSE_GRACE_SECONDS": "1",
            "FLOODGATE_PULSE_GAP_MINUTES": "0.05",
        }  # fmt: skip
        self.log = log
        self.process: subprocess.Popen[bytes] | None = None
        self._create()

    def _create(self) -> None:
        new = [NewTopic(name, num_partitions=PARTITIONS, replication_factor=1) for name in self.topics.inputs]
        new += [
            NewTopic(self.topics.counts, num_partitions=1, replication_factor=1),
            NewTopic(self.topics.metrics, num_partitions=PARTITIONS, replication_factor=1),
            NewTopic(self.topics.windows, num_partitions=1, replication_factor=1, config={"cleanup.policy": "compact"}),
        ]
        admin = AdminClient({"bootstrap.servers": self.servers})
        for future in admin.create_topics(new).values():
            future.result()
        eventually(lambda: all(self._has_leaders(topic.topic) for topic in new), "leaders of the new topics")

    def _has_leaders(self, topic: str) -> bool:
        found = AdminClient({"bootstrap.servers": self.servers}).list_topics(topic, timeout=10).topics[topic]
        return bool(found.partitions) and all(each.leader >= 0 for each in found.partitions.values())

    def start(self) -> None:
        script = Path(__file__).with_name("pulse_process.py")
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, str(script), self.prefix], env=self.env, stdout=out, stderr=out
            )

    def stop(self, number: int = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(60)

    def write(self, values: list[Any], *, commit: bool = True) -> None:
        """One transaction, as the services write; or one that is aborted."""
        producer = Producer(
            {"bootstrap.servers": self.servers, "transactional.id": f"{self.prefix}.{uuid.uuid4().hex[:6]}",
             "partitioner": "murmur2_random"}
        )  # fmt: skip
        producer.init_transactions(30)
        producer.begin_transaction()
        for value in values:
            declared = {Verdict: "support.verdicts", DeadLetter: "support.dead-letters"}[type(value)]
            key = str(getattr(value, "conversation_id", value.event_id))
            producer.produce(f"{self.prefix}.{declared}", self.serde.encode(declared, value), key)
        if commit:
            producer.commit_transaction(30)
        else:
            producer.flush(30)
            producer.abort_transaction(30)

    def metrics(self) -> list[Metric]:
        found = [self.serde.decode("support.metrics", message.value()) for message in
                 committed_records(self.client, self.topics.metrics)]  # fmt: skip
        return [metric for metric in found if isinstance(metric, Metric)]

    def figures(self) -> dict[tuple[Any, ...], float]:
        """Of every figure the highest revision, and of that the last."""
        found: dict[tuple[Any, ...], Metric] = {}
        for metric in self.metrics():
            if metric.alert is None:
                start_ms = round(metric.window_start.timestamp() * 1000)
                place = metric.window_seconds, start_ms, tuple(metric.dimensions.values()), metric.name
                if place not in found or metric.revision >= found[place].revision:
                    found[place] = metric
        return {place: metric.value for place, metric in found.items()}

    def recounted(self, until_ms: int) -> dict[tuple[Any, ...], float]:
        """The same from the topics, read as anyone would, of windows that were closed by then."""
        sums: dict[tuple[Any, ...], int] = defaultdict(int)
        for topic, declared in self.topics.inputs.items():
            for message in committed_records(self.client, topic):
                event = counted(self.serde.decode(declared, message.value()))
                assert event is not None
                for seconds in SIZES:
                    start_ms = event.at_ms // (seconds * 1000) * seconds * 1000
                    if start_ms + seconds * 1000 + GRACE_MS <= until_ms:
                        for name, value in event.figures.items():
                            sums[seconds, start_ms, event.cell, name] += value
        return {place: shown(place[3], value) for place, value in sums.items()}

    def agrees(self) -> bool:
        expected, found = self.recounted(now_ms() - 3000), self.figures()
        return bool(expected) and all(found.get(place) == value for place, value in expected.items())


@pytest.fixture
def site(stack_env: dict[str, str], tmp_path: Path) -> Iterator[Site]:
    site = Site(stack_env, tmp_path / "pulse.log")
    yield site
    if site.process is not None and site.process.poll() is None:
        site.process.kill()
        site.process.wait(30)


def verdict(chance: random.Random, at: datetime) -> Verdict:
    message = Message(
        event_id=edge_event_id("test", uuid.uuid4().hex), occurred_at=at, kind=MessageKind.USER_MESSAGE, channel="test",
        conversation_id=f"test:{chance.randrange(200)}", contact_id="c", text="where is my ticket",
    )  # fmt: skip
    return Verdict(
        event_id=derive_event_id(message.event_id, "verdict"), occurred_at=at, message=message,
        conversation_id=message.conversation_id, decision=chance.choice([Decision.PASS, Decision.REDIRECT]),
        category=chance.choice(["refund_tickets", "sign_in", None]), language=chance.choice(["en", "pl"]),
        country=chance.choice(["PL", None]), matches_chosen_path=chance.choice([True, False, None]), misuse=Misuse.NONE,
        urgent=chance.random() < 0.2, urgency=0.1, confidence=0.9, explanation="e",
        usage=ModelUsage(calls=1, input_tokens=chance.randrange(500), cost_usd=chance.random() / 1000),
    )  # fmt: skip


def letter(number: int) -> DeadLetter:
    return DeadLetter(
        event_id=edge_event_id("test-letter", uuid.uuid4().hex), occurred_at=datetime.now(UTC), service="firewall",
        origin_topic="support.messages", origin_partition=0, origin_offset=number, error_class="poison",
        error_type="ValueError", reason="r", attempts=1, versions={"service": "1"},
    )  # fmt: skip


def test_closed_windows_equal_a_recount_across_kills(site: Site) -> None:
    seed = 20260504
    chance = random.Random(seed)
    now = datetime.now(UTC)
    times = [now - timedelta(seconds=chance.randrange(60, 100 * 60)) for _ in range(600)]
    events = [verdict(chance, at) for at in times]
    site.start()
    for number in range(0, 600, 100):
        site.write(events[number : number + 100])
        site.write([verdict(chance, now - timedelta(minutes=5)) for _ in range(20)], commit=False)
        if number in {100, 300, 400}:
            # Somewhere in the middle: what it has taken by then differs from run to run.
            eventually(site.metrics, "figures")
            site.stop(signal.SIGKILL)
            site.start()
    eventually(site.agrees, f"every closed window to equal a recount (seed {seed}; {site.log.read_text()[-2000:]})")
    revised = [metric for metric in site.metrics() if metric.revision > 0]
    assert revised, "late events correct what was written"
    assert site.stop() == 0


def test_the_first_dead_letter_of_a_group_is_told_once(site: Site) -> None:
    site.start()
    site.write([letter(1)])
    eventually(lambda: [metric for metric in site.metrics() if metric.alert], "an alert")
    site.stop(signal.SIGKILL)
    site.start()
    site.write([letter(2), letter(3)])
    eventually(
        lambda: sum(m.value for m in site.metrics() if m.name == "dead_letters" and m.window_seconds == 60) >= 3,
        "all letters in closed windows", 120,
    )  # fmt: skip
    told = {metric.event_id: metric.alert for metric in site.metrics() if metric.alert}
    assert len(told) == 1
    assert "first dead letter of firewall 1: poison (ValueError)" in str(told)


def test_an_alert_reaches_a_webhook_that_refuses_it_at_first(site: Site) -> None:
    taken: list[Any] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            taken.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(503 if len(taken) == 1 else 200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Keeps the tests' output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    site.env["FLOODGATE_NOTIFY_WEBHOOK_URL"] = f"http://127.0.0.1:{server.server_port}/hook"
    try:
        site.start()
        site.write([letter(1)])
        eventually(lambda: len(taken) >= 2, lambda: f"the alert to be told ({site.log.read_text()[-1500:]})")
        assert taken[0] == taken[1]
        assert "first dead letter of firewall 1" in taken[1]["text"]
    finally:
        server.shutdown()
        server.server_close()
