"""The ingest service as a process of its own on the real local stack, with a bucket and a queue of its own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
from confluent_kafka import Consumer, TopicPartition

sys.path.insert(0, str(Path(__file__).parent))

from floodgate.events import AvroModel
from floodgate.events.serde import AvroSerde
from ingest_waiting import eventually  # (the folder is added above)

PREFIX = "interactions/"


@dataclass
class Tail:
    """What is written to a topic from now on."""

    topic: str
    serde: AvroSerde
    consumer: Consumer
    seen: list[AvroModel] = field(default_factory=list)

    def first(self, matches: Callable[[Any], bool], seconds: float = 45.0) -> Any:
        """The first record that matches, past or coming."""

        def find() -> Any:
            self.poll()
            return next((record for record in self.seen if matches(record)), None)

        return eventually(find, f"a record in {self.topic}", seconds)

    def poll(self) -> None:
        for message in self.consumer.consume(200, timeout=0.2):
            value = message.value()
            if message.error() is None and value is not None:
                self.seen.append(self.serde.decode(self.topic, value))


@pytest.fixture(scope="session")
def drops(stack_env: dict[str, str]) -> dict[str, str]:
    """A bucket whose notices reach a queue by EventBridge and, for another prefix, directly."""
    name = f"ingest-{uuid.uuid4().hex[:12]}"
    s3, sqs, events = boto3.client("s3"), boto3.client("sqs"), boto3.client("events")
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    queue_url = sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    pattern = {"source": ["aws.s3"], "detail-type": ["Object Created"], "detail": {"bucket": {"name": [name]}}}
    events.put_rule(Name=name, EventPattern=json.dumps(pattern))
    events.put_targets(Rule=name, Targets=[{"Id": "queue", "Arn": arn}])
    s3.put_bucket_notification_configuration(Bucket=name, NotificationConfiguration={"EventBridgeConfiguration": {}})
    return {"bucket": name, "queue_url": queue_url}


def begin_at_the_end(bootstrap_servers: str, group_prefix: str) -> None:
    """Lets the service's groups begin where the topics end now: what other tests wrote is not theirs."""
    everything = ("support.messages", "support.verdicts", "support.replies", "support.escalations")
    groups = {
        "ingest": ("support.intercom.raw", "support.ingest.redrive"),
        "ingest-closed": ("support.messages", "support.ingest-closed.redrive"),
        "ingest-status": (*everything, "support.ingest-status.redrive"),
    }
    for name, topics in groups.items():
        consumer = Consumer({"bootstrap.servers": bootstrap_servers, "group.id": group_prefix + name})
        consumer.commit(offsets=[end for topic in topics for end in ends_of(consumer, topic)], asynchronous=False)
        consumer.close()


def ends_of(consumer: Consumer, topic: str) -> list[TopicPartition]:
    """The end of every partition."""
    partitions = consumer.list_topics(topic, timeout=15).topics[topic].partitions
    return [
        TopicPartition(topic, number, consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=15)[1])
        for number in partitions
    ]


@pytest.fixture(scope="session")
def edge(
    stack_env: dict[str, str], drops: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx.Client]:
    """The running service's HTTP side."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    group_prefix = f"test-{uuid.uuid4().hex[:8]}."
    begin_at_the_end(stack_env["FLOODGATE_KAFKA_BOOTSTRAP_SERVERS"], group_prefix)
    env = {
        **os.environ,
        **stack_env,
        "FLOODGATE_INGEST_PORT": str(port),
        "FLOODGATE_SQS_QUEUE_URL": drops["queue_url"],
        "FLOODGATE_INGEST_SQS_WAIT_SECONDS": "1",
        "FLOODGATE_INGEST_S3_PREFIX": PREFIX,
        "FLOODGATE_KAFKA_GROUP_PREFIX": group_prefix,
    }
    log_path: Path = tmp_path_factory.mktemp("ingest") / "ingest.log"
    with log_path.open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", "ingest"], env=env, stdout=log, stderr=log)
    client = httpx.Client(
        base_url=f"http://127.0.0.1:{port}", headers={"X-API-Key": stack_env["FLOODGATE_INGEST_API_KEY"]}
    )

    def ready() -> bool | None:
        assert process.poll() is None, log_path.read_text(encoding="utf-8")[-4000:]
        try:
            return client.get("/readyz").status_code == 200 or None
        except httpx.TransportError:
            return None

    try:
        eventually(ready, "the ingest service is ready", 60)
        yield client
    finally:
        client.close()
        process.send_signal(signal.SIGTERM)
        try:
            code = process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        assert code == 0, log_path.read_text(encoding="utf-8")[-4000:]


@pytest.fixture
def tail(stack_env: dict[str, str]) -> Iterator[Callable[[str], Tail]]:
    """Makes tails of topics."""
    serde = AvroSerde(stack_env["FLOODGATE_SCHEMA_REGISTRY_URL"])
    consumers: list[Consumer] = []

    def make(topic: str) -> Tail:
        consumer = Consumer(
            {
                "bootstrap.servers": stack_env["FLOODGATE_KAFKA_BOOTSTRAP_SERVERS"],
                "group.id": f"tail-{uuid.uuid4().hex}",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
            }
        )
        consumers.append(consumer)
        consumer.assign(ends_of(consumer, topic))
        return Tail(topic, serde, consumer)

    yield make
    for consumer in consumers:
        consumer.close()
