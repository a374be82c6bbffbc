"""Batch inference from end to end: real Kafka, registry and S3 protocol, and a Bedrock server of its own."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
from floodgate.events.times import from_ms, now_ms
from support.processes import ServiceProcess, answers, begin_at_the_end, eventually, free_port, running

pytestmark = pytest.mark.integration

COUNT = 110


class BedrockProcess(ServiceProcess):
    """The project's Bedrock server on a port of its own; its S3 is the stack's."""

    def __init__(self, env: Mapping[str, str], folder: Path) -> None:
        super().__init__("floodgate_local.bedrock", env, folder / "log")
        self.port = free_port()
        self._folder = folder

    def start(self) -> None:
        options = ["--port", str(self.port), "--state-dir", str(self._folder / "state")]
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", self.name, *options], env=self.env, stdout=out, stderr=out
            )

    def stop(self) -> None:
        """It leaves by the signal itself."""
        self.signal(signal.SIGTERM)
        self._started().wait(20)

    def faults(self, **settings: Any) -> None:
        httpx.put(f"http://127.0.0.1:{self.port}/_local/faults", json=settings).raise_for_status()


@pytest.fixture(scope="module")
def bedrock(env: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[BedrockProcess]:
    process = BedrockProcess(env, tmp_path_factory.mktemp("bedrock"))
    with running(process):
        eventually(lambda: answers(f"http://127.0.0.1:{process.port}/healthz"), process.tail)
        yield process


@pytest.fixture(scope="module")
def batch_env(env: dict[str, str], bedrock: BedrockProcess) -> dict[str, str]:
    """Groups and a folder of their own; everything that ended over a day ago goes to batch."""
    run = uuid.uuid4().hex[:8]
    address = f"http://127.0.0.1:{bedrock.port}"
    return {
        **env,
        "AWS_ENDPOINT_URL_BEDROCK": address,
        "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": address,
        "FLOODGATE_KAFKA_GROUP_PREFIX": f"test-batch-{run}.",
        "FLOODGATE_SUMMARIZER_BATCH_AFTER_HOURS": "24",
        "FLOODGATE_SUMMARIZER_BATCH_S3_URI": f"s3://floodgate-batch/test-{run}",
        "FLOODGATE_SUMMARIZER_BATCH_MAX_WAIT_SECONDS": "3",
        "FLOODGATE_SUMMARIZER_BATCH_POLL_SECONDS": "0.5",
    }


@pytest.fixture(scope="module")
def batcher(batch_env: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    """The summarizer and its batcher; what other tests left on the topics is not worked through."""
    servers = batch_env["FLOODGATE_KAFKA_BOOTSTRAP_SERVERS"]
    prefix = batch_env["FLOODGATE_KAFKA_GROUP_PREFIX"]
    begin_at_the_end(servers, f"{prefix}summarizer", ["support.interactions", "support.summarizer.answered"])
    begin_at_the_end(servers, f"{prefix}summarizer-store", ["support.summaries"])
    begin_at_the_end(servers, f"{prefix}summarizer-batch", ["support.summarizer.batch"])
    setup = [str(Path(sys.executable).parent / "floodgate"), "features", "setup"]
    subprocess.run(setup, env=batch_env, capture_output=True, timeout=60, check=True)
    folder = tmp_path_factory.mktemp("batch")
    batching = ServiceProcess("summarizer.batcher", batch_env, folder / "batcher.log")
    with running(ServiceProcess("summarizer", batch_env, folder / "summarizer.log")), running(batching):
        yield batching


def old_interactions(archive: Any, count: int = COUNT) -> list[Any]:
    return [
        archive.interaction(
            ("customer", f"I was charged twice for order TK-{48000 + number}, can you look into it please?"),
            ("agent", "I have refunded the second charge; you will have it within a week."),
            ended_at=from_ms(now_ms() - 30 * 86_400_000),
        )
        for number in range(count)
    ]


def records_of(archive: Any, finished: list[Any]) -> list[Any]:
    """The records of these interactions once each has one."""
    ids = {one.interaction_id for one in finished}

    def there() -> list[Any]:
        found = archive.all("support.summaries", lambda s: s.interaction_id in ids)
        found = [s for s in found if s.causation_id in {one.event_id for one in finished}]
        return found if {s.interaction_id for s in found} == ids else []

    return eventually(there, "not every interaction has a record", 240.0)


def done(batch_env: dict[str, str]) -> list[dict[str, Any]]:
    bucket, _, prefix = batch_env["FLOODGATE_SUMMARIZER_BATCH_S3_URI"].removeprefix("s3://").partition("/")
    s3 = boto3.client("s3", endpoint_url=batch_env["AWS_ENDPOINT_URL"])
    keys = [found["Key"] for found in s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])]
    return [json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read()) for key in keys if "/done/" in key]


def test_old_interactions_get_their_records_by_batch_at_half_price(batcher, archive, batch_env, bedrock) -> None:
    finished = old_interactions(archive)
    archive.hand_in(*finished)
    found = records_of(archive, finished)
    assert Counter(summary.usage.mode for summary in found) == {"batch": COUNT}
    assert len({summary.event_id for summary in found}) == len(found) == COUNT
    assert all("local model" in summary.model for summary in found)
    (job,) = eventually(lambda: done(batch_env), "no job is done")
    assert (job["status"], job["answered"], job["sent_back"]) == ("Completed", COUNT, 0)
    one = found[0].usage
    assert one.cost_usd == pytest.approx((one.input_tokens * 0.06 + one.output_tokens * 0.24) / 1e6 / 2)


def test_records_that_fail_in_a_job_are_asked_online_one_by_one(batcher, archive, bedrock) -> None:
    bedrock.faults(batch_error_rate=0.2, seed=7)
    finished = old_interactions(archive)
    archive.hand_in(*finished)
    modes = Counter(summary.usage.mode for summary in records_of(archive, finished))
    assert sum(modes.values()) == COUNT
    assert 0 < modes["online"] < COUNT / 2


@pytest.mark.parametrize("outcome", ["failed", "expired"])
def test_a_job_that_fails_or_expires_goes_back_online(batcher, archive, bedrock, outcome) -> None:
    bedrock.faults(batch_outcome=outcome)
    finished = old_interactions(archive)
    archive.hand_in(*finished)
    found = records_of(archive, finished)
    modes = Counter(summary.usage.mode for summary in found)
    assert sum(modes.values()) == len({summary.event_id for summary in found}) == COUNT
    assert modes["online"] == (COUNT if outcome == "failed" else COUNT - COUNT // 2)


def test_a_batcher_that_is_killed_loses_and_doubles_nothing(batcher, archive, batch_env, bedrock) -> None:
    bedrock.faults(batch_seconds=2.0)
    before = len(done(batch_env))
    seen = Counter(re.findall(r"batch\.\w+", batcher.log.read_text()))
    finished = old_interactions(archive)
    archive.hand_in(*finished)
    for wait in ("batch.written", "batch.started", "batch.delivered"):
        eventually(lambda wait=wait: batcher.log.read_text().count(wait) > seen[wait], f"no {wait}")
        batcher.kill()
        batcher.start()
    found = records_of(archive, finished)
    assert len(found) == COUNT
    assert Counter(summary.usage.mode for summary in found) == {"batch": COUNT}
    eventually(lambda: len(done(batch_env)) == before + 1, "the job is not marked as done")


def test_too_few_for_a_job_are_asked_online(batcher, archive, bedrock) -> None:
    bedrock.faults()
    finished = old_interactions(archive, 3)
    archive.hand_in(*finished)
    assert {summary.usage.mode for summary in records_of(archive, finished)} == {"online"}
