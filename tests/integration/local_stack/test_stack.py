"""The real local stack: every server answers over its own protocol, and survives what a crash does to it."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import httpx
import psutil
import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from floodgate_local.stack import Stack
from support.processes import eventually

pytestmark = pytest.mark.integration

_STACK_RSS_BYTES = 2_200_000_000
"""Of the 3 GiB that the demo may take, the services and their load need one gigabyte."""
_LANGUAGES = ["dutch", "french", "spanish", "polish", "german", "italian", "portuguese", "english"]


@pytest.fixture
def env(local_stack: Stack) -> dict[str, str]:
    return local_stack.env()


@pytest.fixture
def topic(env: dict[str, str]) -> Iterator[str]:
    admin = AdminClient({"bootstrap.servers": env["FLOODGATE_KAFKA_BOOTSTRAP_SERVERS"]})
    name = f"local-stack-{uuid.uuid4()}"
    for future in admin.create_topics([NewTopic(name, num_partitions=1)]).values():
        future.result(30)
    yield name
    for future in admin.delete_topics([name]).values():
        future.result(30)


@pytest.fixture
def search(env: dict[str, str]) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=env["FLOODGATE_OPENSEARCH_URL"], timeout=30, trust_env=False) as client:
        yield client


@pytest.fixture
def index(search: httpx.Client) -> Iterator[str]:
    name = f"local-stack-{uuid.uuid4()}"
    yield name
    search.delete(f"/{name}")


def _aws(env: dict[str, str], service: str) -> Any:
    session: Any = boto3.Session()
    return session.client(
        service,
        endpoint_url=env["AWS_ENDPOINT_URL"],
        region_name=env["AWS_REGION"],
        aws_access_key_id=env["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"],
    )


def _read_all(env: dict[str, str], topic: str, count: int) -> list[bytes]:
    consumer = Consumer(
        {
            "bootstrap.servers": env["FLOODGATE_KAFKA_BOOTSTRAP_SERVERS"],
            "group.id": f"local-stack-{uuid.uuid4()}",
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
        }
    )
    consumer.subscribe([topic])
    values: list[bytes] = []

    def read() -> bool:
        message = consumer.poll(1)
        if message is not None and not message.error():
            value = message.value()
            assert isinstance(value, bytes)
            values.append(value)
        return len(values) >= count

    try:
        eventually(read, f"{count} records arrive")
    finally:
        consumer.close()
    return values


def _produce_in_a_transaction(env: dict[str, str], topic: str, values: list[bytes]) -> None:
    producer = Producer(
        {
            "bootstrap.servers": env["FLOODGATE_KAFKA_BOOTSTRAP_SERVERS"],
            "transactional.id": f"local-stack-{uuid.uuid4()}",
            # It outlives the broker that the crash test ends.
            "log.connection.close": False,
            "logger": logging.getLogger("librdkafka"),
        }
    )
    producer.init_transactions(30)
    producer.begin_transaction()
    for value in values:
        producer.produce(topic, value)
    producer.commit_transaction(30)


class TestTheWhole:
    def test_every_component_is_ready_and_a_second_up_changes_nothing(self, local_stack: Stack) -> None:
        before = local_stack.status()
        assert {row.name: row.state for row in before if row.state != "ready"} == {}
        assert local_stack.up() == []
        assert [row.pid for row in local_stack.status()] == [row.pid for row in before]

    def test_nothing_listens_anywhere_but_on_loopback(self, local_stack: Stack) -> None:
        addresses = set()
        for row in local_stack.status():
            process = psutil.Process(row.pid)
            for member in [process, *process.children(recursive=True)]:
                connections = member.net_connections(kind="inet")
                addresses |= {c.laddr.ip for c in connections if c.status == psutil.CONN_LISTEN}
        assert addresses
        assert {address.removeprefix("::ffff:") for address in addresses} <= {"127.0.0.1", "::1"}

    def test_the_components_stay_within_their_memory(self, local_stack: Stack) -> None:
        # While the local models learn a catalogue, for seconds, their server takes half a gigabyte more.
        eventually(
            lambda: 100_000_000 < local_stack.rss_bytes() < _STACK_RSS_BYTES,
            lambda: f"too much: {[(row.name, row.rss_bytes // 1_000_000) for row in local_stack.status()]} MB",
            120,
        )

    def test_a_shell_reads_the_env_file_as_python_does(self, local_stack: Stack) -> None:
        script = f"set -a; . '{local_stack.env_file}'; env -0"
        output = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout
        seen = dict(line.split("=", 1) for line in output.split("\0") if line)
        env = local_stack.env()
        assert {key: seen.get(key) for key in env} == env

    @pytest.mark.parametrize("key", ["INTERCOM_BASE", "SHOP_BASE"])
    def test_the_servers_of_the_project_are_healthy(self, env: dict[str, str], key: str) -> None:
        url = env[f"FLOODGATE_{key}_URL"]
        assert httpx.get(f"{url}/healthz", trust_env=False).status_code == 200

    @pytest.mark.parametrize("key", ["BEDROCK_RUNTIME", "SAGEMAKER_FEATURESTORE_RUNTIME"])
    def test_the_aws_servers_of_the_project_are_healthy(self, env: dict[str, str], key: str) -> None:
        url = env[f"AWS_ENDPOINT_URL_{key}"]
        assert httpx.get(f"{url}/healthz", trust_env=False).status_code == 200


class TestKafka:
    def test_a_transaction_is_read_whole(self, env: dict[str, str], topic: str) -> None:
        values = [b"%d" % n for n in range(20)]
        _produce_in_a_transaction(env, topic, values)
        assert _read_all(env, topic, 20) == values

    def test_a_transaction_that_was_read_is_there_after_a_crash(
        self, local_stack: Stack, env: dict[str, str], topic: str
    ) -> None:
        values = [b"%d" % n for n in range(50)]
        _produce_in_a_transaction(env, topic, values)
        assert _read_all(env, topic, 50) == values
        local_stack.kill("kafka")
        assert {row.name: row.state for row in local_stack.status()}["kafka"] == "dead"
        local_stack.restart("kafka")
        assert local_stack.env() == env
        assert _read_all(env, topic, 50) == values

    def test_an_undeclared_topic_does_not_come_into_being(self, env: dict[str, str]) -> None:
        admin = AdminClient({"bootstrap.servers": env["FLOODGATE_KAFKA_BOOTSTRAP_SERVERS"]})
        name = f"misspelt-{uuid.uuid4()}"
        admin.list_topics(name, timeout=30)
        assert name not in admin.list_topics(timeout=30).topics


class TestTheSchemaRegistry:
    def test_an_incompatible_schema_is_refused_from_the_start(self, env: dict[str, str]) -> None:
        subject = f"local-stack-{uuid.uuid4()}-value"

        def register(*fields: dict[str, str]) -> int:
            schema = json.dumps({"type": "record", "name": "R", "fields": fields})
            url = f"{env['FLOODGATE_SCHEMA_REGISTRY_URL']}/subjects/{subject}/versions"
            return httpx.post(url, json={"schema": schema}, timeout=30, trust_env=False).status_code

        assert register({"name": "a", "type": "string"}) == 200
        assert register({"name": "a", "type": "string"}, {"name": "b", "type": "string"}) == 409
        assert register({"name": "a", "type": "string"}) == 200


class TestOpenSearch:
    @pytest.mark.parametrize("language", _LANGUAGES)
    def test_every_language_has_its_analyzer(self, search: httpx.Client, language: str) -> None:
        answer = search.post("/_analyze", json={"analyzer": language, "text": "Amsterdam"})
        assert answer.status_code == 200, answer.text
        assert answer.json()["tokens"]

    def test_polish_is_stemmed(self, search: httpx.Client) -> None:
        def stems(text: str) -> list[str]:
            answer = search.post("/_analyze", json={"analyzer": "polish", "text": text})
            return [token["token"] for token in answer.json()["tokens"]]

        assert stems("koncertu") == stems("koncertem") == stems("koncert")
        assert stems("i w na koncert") == stems("koncert")

    def test_the_nearest_vector_is_found_among_those_of_a_filter(self, search: httpx.Client, index: str) -> None:
        vector = {
            "type": "knn_vector",
            "dimension": 3,
            "space_type": "cosinesimil",
            "method": {"name": "hnsw", "engine": "lucene"},
        }
        body = {
            "settings": {"index.knn": True, "number_of_replicas": 0},
            "mappings": {"properties": {"v": vector, "lang": {"type": "keyword"}}},
        }
        search.put(f"/{index}", json=body).raise_for_status()
        for name, values, language in [("a", [1, 0, 0], "nl"), ("b", [0.9, 0.1, 0], "fr"), ("c", [0, 1, 0], "fr")]:
            document = {"v": values, "lang": language}
            search.put(f"/{index}/_doc/{name}?refresh=true", json=document).raise_for_status()
        near = {"vector": [1, 0, 0], "k": 2, "filter": {"term": {"lang": "fr"}}}
        hits = search.post(f"/{index}/_search", json={"query": {"knn": {"v": near}}}).json()["hits"]["hits"]
        assert [hit["_id"] for hit in hits] == ["b", "c"]

    def test_documents_are_there_after_a_crash(self, local_stack: Stack, search: httpx.Client, index: str) -> None:
        search.put(f"/{index}", json={"settings": {"number_of_replicas": 0}}).raise_for_status()
        search.put(f"/{index}/_doc/a?refresh=true", json={"text": "hallo"}).raise_for_status()
        local_stack.kill("opensearch")
        local_stack.up()
        found = eventually(lambda: search.get(f"/{index}/_doc/a").json().get("found"), "the document is there again")
        assert found is True

    def test_an_undeclared_index_does_not_come_into_being(self, search: httpx.Client) -> None:
        assert search.put(f"/misspelt-{uuid.uuid4()}/_doc/a", json={}).status_code == 404

    @pytest.mark.skipif(os.geteuid() != 0, reason="another user than root runs the whole stack as itself")
    def test_it_does_not_run_as_root_even_for_root(self, local_stack: Stack) -> None:
        pid = next(row.pid for row in local_stack.status() if row.name == "opensearch")
        status = Path(f"/proc/{pid}/status").read_text()
        ids = next(line.split()[1:] for line in status.splitlines() if line.startswith("Uid:"))
        effective = next(line.split()[1] for line in status.splitlines() if line.startswith("CapEff:"))
        assert "0" not in ids
        assert int(effective, 16) & ~0b10 == 0


class TestAws:
    def test_an_object_that_is_put_is_announced_on_a_queue(self, env: dict[str, str]) -> None:
        s3, sqs = _aws(env, "s3"), _aws(env, "sqs")
        name = f"local-stack-{uuid.uuid4()}"
        queue = sqs.create_queue(QueueName=name)["QueueUrl"]
        attributes = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]
        s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": env["AWS_REGION"]})
        s3.put_bucket_notification_configuration(
            Bucket=name, NotificationConfiguration={"EventBridgeConfiguration": {}}
        )
        events = _aws(env, "events")
        pattern = {"source": ["aws.s3"], "detail": {"bucket": {"name": [name]}}}
        events.put_rule(Name=name, EventPattern=json.dumps(pattern))
        events.put_targets(Rule=name, Targets=[{"Id": "queue", "Arn": attributes["QueueArn"]}])
        s3.put_object(Bucket=name, Key="interactions/a.jsonl", Body=b"{}")

        def announced() -> bool:
            answer = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=1, MaxNumberOfMessages=10)
            return "interactions/a.jsonl" in "".join(row["Body"] for row in answer.get("Messages", []))

        eventually(announced, "the object is announced")
        assert s3.get_object(Bucket=name, Key="interactions/a.jsonl")["Body"].read() == b"{}"

    def test_secrets_are_kept(self, env: dict[str, str]) -> None:
        secrets = _aws(env, "secretsmanager")
        name = f"local-stack-{uuid.uuid4()}"
        secrets.create_secret(Name=name, SecretString="kept")
        assert secrets.get_secret_value(SecretId=name)["SecretString"] == "kept"
