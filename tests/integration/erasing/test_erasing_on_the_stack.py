"""One person goes the whole way and is erased: what is left are topic records with a date. Another one is untouched."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import boto3
import httpx
import pytest
from floodgate.event_producer import EventProducer
from floodgate.events import Interaction, Pseudonyms, Turn, TurnRole, edge_event_id
from floodgate.events.serde import AvroSerde
from floodgate.events.times import from_ms, now_ms
from floodgate.events.topics import topics
from floodgate.settings import KafkaSettings, RegistrySettings, load
from floodgate_local.state import repository_root
from keyflow.reading import committed_records, partition_of
from support.processes import ServiceProcess, answers, begin_at_the_end, eventually, free_port, running

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600, func_only=True)]

SERVICES = {
    "ingest": ["ingest", "ingest-closed", "ingest-status"],
    "firewall": ["firewall"],
    "agent": ["agent"],
    "delivery": ["delivery"],
    "summarizer": ["summarizer", "summarizer-store"],
    "console": [],
}
BATCH = "support.summarizer.batch"


@dataclass
class Customer:
    """Somebody invented, with a word that nobody else says."""

    name: str
    word: str = field(default_factory=lambda: f"zq{uuid4().hex[:12]}")
    external_id: str = field(default_factory=lambda: f"customer-{uuid4().hex[:10]}")
    number: str = ""
    drop_id: UUID = field(default_factory=uuid4)

    @property
    def conversation(self) -> str:
        return f"intercom:{self.number}"

    @property
    def interaction(self) -> str:
        return str(edge_event_id("interaction", self.conversation))

    @property
    def text(self) -> str:
        return f"Hello, my tickets for the {self.word} evening in Utrecht never arrived, can you look?"


@dataclass
class Site:
    env: dict[str, str]
    intercom: httpx.Client
    logs: Path

    def floodgate(self, *arguments: str, typed: str = "", codes: tuple[int, ...] = (0,)) -> str:
        command = [str(Path(sys.executable).parent / "floodgate"), *arguments]
        done = subprocess.run(
            command, env=self.env, capture_output=True, text=True, timeout=240, check=False, input=typed
        )
        assert done.returncode in codes, (done.returncode, done.stdout, done.stderr)
        return done.stdout

    def erase(self, *arguments: str, typed: str = "", codes: tuple[int, ...] = (0,)) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.floodgate("erase", *arguments, "--json", typed=typed, codes=codes))
        return found

    def contact(self, customer: Customer) -> str:
        key = self.env["FLOODGATE_PSEUDONYM_KEY"].encode()
        return Pseudonyms(key).contact_id("customer", customer.external_id)

    def features(self, interaction: str) -> bool:
        store = boto3.client("sagemaker-featurestore-runtime")
        group = self.env["FLOODGATE_FEATURE_GROUP"]
        return "Record" in store.get_record(FeatureGroupName=group, RecordIdentifierValueAsString=interaction)

    def projected(self, customer: Customer) -> int:
        query = {"query": {"term": {"conversation_id": customer.conversation}}}
        url = f"{self.env['FLOODGATE_OPENSEARCH_URL']}/{self.env['FLOODGATE_CONSOLE_INDEX']}/_count"
        answer = httpx.post(url, json=query, timeout=20.0)
        return int(answer.json()["count"]) if answer.is_success else 0

    def state_of(self, service: str, key: str) -> bytes | None:
        found: bytes | None = None
        client, topic = load(KafkaSettings).reader("test"), f"support.{service}.state"
        place = {partition_of(key.encode(), topics()[topic].partitions)}
        for message in committed_records(client, topic, partitions=place):
            if message.key() == key.encode():
                found = message.value()
        return found


@pytest.fixture(scope="module")
def site(stack_env: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """All services, each with a group of its own that begins where the topics end now."""
    run, folder = uuid4().hex[:8], tmp_path_factory.mktemp("erasing")
    shutil.copytree(repository_root() / "catalogue", folder / "catalogue")
    ports = {name: free_port() for name in ("FLOODGATE_INGEST_PORT", "FLOODGATE_CONSOLE_PORT")}
    env = {
        **os.environ,
        **stack_env,
        **{name: str(port) for name, port in ports.items()},
        "FLOODGATE_CATALOGUE_DIR": str(folder / "catalogue"),
        "FLOODGATE_KAFKA_GROUP_PREFIX": f"erase-{run}.",
        "FLOODGATE_FEATURE_GROUP": f"erase-{run}",
        "FLOODGATE_CONSOLE_INDEX": f"erase-{run}",
        "FLOODGATE_AGENT_LIMITS_STORE": f"file://{folder}/agent",
        "FLOODGATE_SUMMARIZER_BATCH_S3_URI": f"s3://floodgate-batch/erase-{run}",
    }
    servers = env["FLOODGATE_KAFKA_BOOTSTRAP_SERVERS"]
    for processor in (name for names in SERVICES.values() for name in names):
        reads = [topic.name for topic in topics().values() if processor in topic.readers and topic.cleanup == "delete"]
        begin_at_the_end(servers, f"erase-{run}.{processor}", reads)
    address = f"http://127.0.0.1:{ports['FLOODGATE_INGEST_PORT']}"
    with httpx.Client(base_url=env["FLOODGATE_INTERCOM_BASE_URL"], timeout=20.0) as intercom, ExitStack() as stack:
        made = Site(env, intercom, folder)
        made.floodgate("features", "setup")
        started = [stack.enter_context(running(ServiceProcess(name, env, folder / f"{name}.log"))) for name in SERVICES]
        console = f"http://127.0.0.1:{ports['FLOODGATE_CONSOLE_PORT']}/healthz"
        eventually(lambda: answers(f"{address}/healthz"), started[0].tail, 120.0)
        eventually(lambda: answers(console), started[-1].tail, 120.0)
        intercom.put("/_local/webhook", json={"url": f"{address}/webhooks/intercom", "max_attempts": 20})
        yield made
        intercom.put("/_local/webhook", json={})
        for name in httpx.get(f"{env['FLOODGATE_OPENSEARCH_URL']}/_alias", timeout=20.0).json():
            if name.startswith(env["FLOODGATE_CONSOLE_INDEX"]):
                httpx.delete(f"{env['FLOODGATE_OPENSEARCH_URL']}/{name}", timeout=20.0)


def come_all_the_way(site: Site, *customers: Customer) -> None:
    """Each writes, gets an answer, is closed by a person; features and projection have them."""
    for customer in customers:
        begun = site.intercom.post(
            "/_local/conversations",
            json={
                "text": customer.text, "external_id": customer.external_id, "name": customer.name,
                "email": f"{customer.external_id}@example.org", "language": "en", "country": "NL",
            },
        )  # fmt: skip
        customer.number = begun.raise_for_status().json()["conversation_id"]
    for customer in customers:
        eventually(lambda c=customer: site.state_of("firewall", c.conversation), "no verdict", 120.0)
        eventually(lambda c=customer: site.state_of("delivery", c.conversation), "nothing was delivered", 120.0)
        site.intercom.post(f"/_local/conversations/{customer.number}/close", json={}).raise_for_status()
    for customer in customers:
        eventually(lambda c=customer: site.features(c.interaction), "no features", 120.0)
        eventually(lambda c=customer: site.projected(c) > 1, "not projected", 60.0)


def leave_traces(site: Site, folder: Path, *customers: Customer) -> list[Path]:
    """What stands outside of topics: a drop, counted actions, batch files, labels, an example; others beside them."""
    drops = [
        {
            "interaction_id": str(customer.drop_id),
            "contact": {"external_id": customer.external_id},
            "turns": [{"role": "customer", "text": customer.text}],
        }
        for customer in customers
    ]
    s3 = boto3.client("s3")
    body = gzip.compress("".join(f"{json.dumps(line)}\n" for line in drops).encode())
    s3.put_object(Bucket=site.env["FLOODGATE_S3_BUCKET"], Key=drop_key(site), Body=body)
    entries = [{"key": uuid4().hex, "user": site.contact(customer), "at_ms": 1} for customer in customers]
    page = Path(site.env["FLOODGATE_AGENT_LIMITS_STORE"].removeprefix("file://")) / "limits/2026-01-01/refund.json"
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(json.dumps({"entries": entries}), "utf-8")
    leave_batch(site, *customers)
    labels = folder / "labels.jsonl"
    labels.write_text("".join(f'{{"contact_id": "{site.contact(c)}", "label": 1}}\n' for c in customers), "utf-8")
    site.floodgate("features", "export", "--to", str(folder / "exports"))
    for customer in customers:
        promote(site, customer)
    eventually(lambda: all(site.features(str(c.drop_id)) for c in customers), "the drop was not read", 120.0)
    return [labels, folder / "exports"]


def drop_key(site: Site) -> str:
    return f"interactions/{site.env['FLOODGATE_FEATURE_GROUP']}.jsonl.gz"


def promote(site: Site, customer: Customer) -> None:
    path = Path(site.env["FLOODGATE_CATALOGUE_DIR"]) / "categories/resend_tickets.yaml"
    text = path.read_text("utf-8")
    path.write_text(text.replace("  en:\n    - ", f'  en:\n    - "{customer.text}"\n    - ', 1), "utf-8")


def leave_batch(site: Site, *customers: Customer) -> None:
    """As the batcher leaves them: an input and an output by the records' places, and a mark that it is done."""

    async def send() -> None:
        producer = EventProducer(load(KafkaSettings), AvroSerde(load(RegistrySettings)))
        for customer in customers:
            said = (Turn(role=TurnRole.CUSTOMER, text=customer.text),)
            finished = Interaction(
                event_id=uuid4(), occurred_at=from_ms(now_ms()), interaction_id=customer.drop_id, source="s3",
                contact_id=site.contact(customer), turns=said,
            )  # fmt: skip
            await producer.send(BATCH, str(customer.drop_id), finished)
        await producer.close()

    asyncio.run(send())
    ids = {str(customer.drop_id).encode(): customer for customer in customers}
    lines = [
        json.dumps({"recordId": f"p{m.partition():03d}o{m.offset():012d}", "modelInput": {"text": ids[key].text}})
        for m in committed_records(load(KafkaSettings).reader("test"), BATCH)
        if (key := m.key() or b"") in ids
    ]
    bucket, _, prefix = site.env["FLOODGATE_SUMMARIZER_BATCH_S3_URI"].removeprefix("s3://").partition("/")
    for key, body in (
        ("input/p0_0-1.jsonl", "\n".join(lines)),
        ("output/job/p0_0-1.jsonl.out", "\n".join(lines)),
        ("done/p0_0-1.jsonl", "{}"),
    ):
        boto3.client("s3").put_object(Bucket=bucket, Key=f"{prefix}/topic/{key}", Body=body.encode())


def stored_bytes(site: Site, *folders: Path) -> bytes:
    """Everything in buckets and files, unpacked."""
    s3, found = boto3.client("s3"), []
    for bucket, prefix in (
        (site.env["FLOODGATE_S3_BUCKET"], "interactions/"),
        (site.env["FLOODGATE_S3_BUCKET"], "erased/"),
        ("floodgate-batch", site.env["FLOODGATE_FEATURE_GROUP"]),
    ):
        for listed in s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", ()):
            found.append(s3.get_object(Bucket=bucket, Key=listed["Key"])["Body"].read())
    paths = (path for folder in folders for path in ([folder] if folder.is_file() else folder.rglob("*")))
    found += [path.read_bytes() for path in paths if path.is_file()]
    return b"\n".join(gzip.decompress(body) if body.startswith(b"\x1f\x8b") else body for body in found)


def test_a_person_is_gone_but_for_records_with_a_date_and_another_is_untouched(site: Site, tmp_path: Path) -> None:
    ann, bob = Customer("Ann Dekker"), Customer("Bob Visser")
    come_all_the_way(site, ann, bob)
    kept = leave_traces(site, tmp_path, ann, bob)
    files = [argument for path in kept for argument in ("--in", str(path))]
    whose = ("--person", f"customer:{ann.external_id}", *files)

    before = site.erase(*whose)
    names = " ".join(place["place"] for place in before["places"])
    for expected in (
        "support.messages", "support.verdicts", "support.firewall.state", "support.delivery.state",
        "support.summarizer.state", "support.summaries", "interactions/", "input/p0_0-1", "output/job", "labels.jsonl",
        "features.parquet", "resend_tickets.yaml", "limits/2026-01-01",
        f"feature group {site.env['FLOODGATE_FEATURE_GROUP']}",
        f"index {site.env['FLOODGATE_CONSOLE_INDEX']}", f"Intercom conversation {ann.number}", "Intercom contact",
    ):  # fmt: skip
        assert expected in names, expected
    assert before["lasting"]
    assert before["not_searched"] == ["the shop, in its own administration"]

    site.erase(*whose, "--apply", "--reason", "request 17")
    # A second time changes nothing, and looks for what she wrote as well.
    after = site.erase(*whose, "--apply", "--verify", "--words", typed=f"{ann.word}\n", codes=(3,))

    assert (after["lasting"], after["failures"]) == (0, [])
    declared = set(topics())
    assert {place["place"] for place in after["places"]} <= declared
    assert all(place["gone_by"] for place in after["places"])
    for service, key in (("firewall", ann.conversation), ("agent", ann.conversation), ("delivery", ann.conversation),
                         ("summarizer", ann.interaction), ("summarizer", str(ann.drop_id))):  # fmt: skip
        assert site.state_of(service, key) is None
    assert not site.features(ann.interaction)
    assert site.projected(ann) == 0
    assert site.intercom.get(f"/_local/conversations/{ann.number}").status_code == 404
    left = stored_bytes(site, *kept, Path(site.env["FLOODGATE_CATALOGUE_DIR"]))
    assert ann.word.encode() not in left
    assert site.contact(ann).encode() not in left

    assert bob.word.encode() in left
    assert site.intercom.get(f"/_local/conversations/{bob.number}").status_code == 200
    assert site.features(bob.interaction)
    assert site.state_of("delivery", bob.conversation) is not None
    bobs = site.erase("--person", f"customer:{bob.external_id}", *files)["places"]
    names = " ".join(place["place"] for place in bobs)
    for expected in (
        "support.firewall.state", "erased/", "input/p0_0-1", "output/job", "labels.jsonl:1", "features.parquet",
        "resend_tickets.yaml", "limits/2026-01-01", "feature group", "Intercom contact", "index erase",
    ):  # fmt: skip
        assert expected in names, expected


def test_no_log_has_what_a_customer_wrote_or_who_they_are(site: Site) -> None:
    eve = Customer("Eve Jansenius")
    come_all_the_way(site, eve)
    logs = {path.name: path.read_text("utf-8") for path in site.logs.glob("*.log")}
    assert set(logs) == {f"{name}.log" for name in SERVICES}
    for name, text in logs.items():
        for secret in (eve.word, eve.external_id, "Jansenius", site.env["FLOODGATE_INTERCOM_TOKEN"]):
            assert secret not in text, name
