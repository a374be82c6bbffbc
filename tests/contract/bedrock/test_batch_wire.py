"""Batch inference jobs through boto3: what goes in, what comes out, and what goes wrong."""

from __future__ import annotations

import json
import time
from typing import Any
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError
from floodgate_local.bedrock.faults import FaultSettings

NOVA = "amazon.nova-lite-v1:0"
HAIKU = "eu.anthropic.claude-haiku-5-5"
TOOL = {"type": "object", "properties": {"sentiment": {"enum": ["positive", "negative"]}}, "required": ["sentiment"]}


def nova_input(text: str) -> dict[str, Any]:
    return {
        "schemaVersion": "messages-v1",
        "messages": [{"role": "user", "content": [{"text": text}]}],
        "inferenceConfig": {"maxTokens": 50},
        "toolConfig": {
            "tools": [{"toolSpec": {"name": "judge", "inputSchema": {"json": TOOL}}}],
            "toolChoice": {"tool": {"name": "judge"}},
        },
    }


def anthropic_input(text: str) -> dict[str, Any]:
    return {
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": 50,
        "messages": [{"role": "user", "content": text}],
        "tools": [{"name": "judge", "input_schema": TOOL}],
        "tool_choice": {"type": "tool", "name": "judge"},
    }


@pytest.fixture
def control(make_client):
    return make_client("bedrock")


@pytest.fixture
def start(server, control):
    def begin(count: int = 100, build=nova_input, model: str = NOVA, **changes: Any) -> str:
        lines = [json.dumps({"recordId": f"CALL{n:07d}", "modelInput": build(f"text {n}")}) for n in range(count)]
        server.storage.write("bucket", "in/part.jsonl", "\n".join(lines).encode())
        request = {
            "jobName": f"job-{uuid4().hex}",
            "roleArn": "arn:aws:iam::000000000000:role/batch",
            "modelId": model,
            "modelInvocationType": "InvokeModel",
            "inputDataConfig": {"s3InputDataConfig": {"s3InputFormat": "JSONL", "s3Uri": "s3://bucket/in/part.jsonl"}},
            "outputDataConfig": {"s3OutputDataConfig": {"s3Uri": "s3://bucket/out/"}},
            **changes,
        }
        arn: str = control.create_model_invocation_job(**request)["jobArn"]
        return arn

    return begin


def ended(control, arn: str) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    while True:
        job: dict[str, Any] = control.get_model_invocation_job(jobIdentifier=arn)
        if "endTime" in job:
            return job
        assert time.monotonic() < deadline, job["status"]
        time.sleep(0.02)


def results(server, arn: str) -> list[dict[str, Any]]:
    job_id = arn.rpartition("/")[2]
    return [json.loads(line) for line in server.storage.read("bucket", f"out/{job_id}/part.jsonl.out").splitlines()]


def test_a_job_answers_every_record_in_any_order_and_writes_a_manifest(server, control, start) -> None:
    arn = start(120)
    job = ended(control, arn)
    assert (job["status"], job["totalRecordCount"], job["successRecordCount"]) == ("Completed", 120, 120)
    found = results(server, arn)
    assert {line["recordId"] for line in found} == {f"CALL{n:07d}" for n in range(120)}
    assert [line["recordId"] for line in found] != sorted(line["recordId"] for line in found)
    block = found[0]["modelOutput"]["output"]["message"]["content"][0]["toolUse"]
    assert (block["name"], block["input"]) == ("judge", {"sentiment": "positive"})
    assert found[0]["modelOutput"]["usage"]["inputTokens"] > 0
    manifest = json.loads(server.storage.read("bucket", f"out/{arn.rpartition('/')[2]}/manifest.json.out"))
    assert (manifest["processedRecordCount"], manifest["errorRecordCount"]) == (120, 0)


def test_a_model_of_anthropic_answers_in_its_own_form(server, control, start) -> None:
    arn = start(build=anthropic_input, model=HAIKU)
    assert ended(control, arn)["status"] == "Completed"
    output = results(server, arn)[0]["modelOutput"]
    assert (output["content"][0]["type"], output["content"][0]["input"]) == ("tool_use", {"sentiment": "positive"})


def test_fewer_records_than_the_minimum_fail_the_job(control, start) -> None:
    job = ended(control, start(99))
    assert job["status"] == "Failed"
    assert "minimum of: 100" in job["message"]


def test_tools_are_refused_in_jobs_of_the_type_converse(server, control, start) -> None:
    arn = start(modelInvocationType="Converse", build=lambda text: {
        name: value for name, value in nova_input(text).items() if name != "schemaVersion"})  # fmt: skip
    job = ended(control, arn)
    assert (job["status"], job["errorRecordCount"]) == ("PartiallyCompleted", 100)
    assert "toolConfig" in results(server, arn)[0]["error"]["errorMessage"]


def test_the_same_token_is_the_same_job_and_a_taken_name_is_refused(control, start) -> None:
    arn = start(jobName="once", clientRequestToken="token1")
    assert start(jobName="once", clientRequestToken="token1") == arn
    with pytest.raises(ClientError, match="ConflictException"):
        start(jobName="once", clientRequestToken="token2")
    listed = control.list_model_invocation_jobs(nameContains="once")["invocationJobSummaries"]
    assert [job["jobArn"] for job in listed] == [arn]
    ended(control, arn)


def test_some_records_fail_one_by_one(server, control, start) -> None:
    server.runtime.faults.set(FaultSettings(batch_error_rate=0.3, seed=4))
    arn = start()
    job = ended(control, arn)
    failed = [line for line in results(server, arn) if "error" in line]
    assert job["status"] == "PartiallyCompleted"
    assert 0 < len(failed) == job["errorRecordCount"] < 100
    assert all("modelOutput" not in line for line in failed)


@pytest.mark.parametrize(("outcome", "status", "lines"), [("failed", "Failed", 0), ("expired", "Expired", 50)])
def test_a_whole_job_fails_or_expires(server, control, start, outcome, status, lines) -> None:
    server.runtime.faults.set(FaultSettings(batch_outcome=outcome))
    arn = start()
    assert ended(control, arn)["status"] == status
    written = [key for _, key in server.storage.objects if key.endswith(".jsonl.out")]
    assert sum(len(results(server, arn)) for _ in written) == lines


def test_a_job_can_be_stopped_while_it_runs_and_not_afterwards(server, control, start) -> None:
    server.runtime.faults.set(FaultSettings(batch_seconds=0.5))
    arn = start()
    control.stop_model_invocation_job(jobIdentifier=arn)
    assert ended(control, arn)["status"] == "Stopped"
    with pytest.raises(ClientError, match="ConflictException"):
        control.stop_model_invocation_job(jobIdentifier=arn)


def test_a_job_that_is_not_there_is_not_found(control, server) -> None:
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        control.get_model_invocation_job(jobIdentifier="abcdefghijkl")
