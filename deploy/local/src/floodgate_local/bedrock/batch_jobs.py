"""Batch inference: jobs that read JSON Lines from S3, ask the model behind, and write JSON Lines to S3."""

from __future__ import annotations

import asyncio
import json
import logging
import random
import secrets
import string
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from floodgate_local.aws_wire import AwsError, Caller, check_body, validation_exception
from floodgate_local.bedrock import invoke
from floodgate_local.bedrock.batch_storage import Storage, StorageError, split_uri
from floodgate_local.bedrock.control_plane import ACCOUNT_ID, DEFAULT_REGION
from floodgate_local.bedrock.converse_rules import check_converse
from floodgate_local.bedrock.models import ModelInfo, require_kind, resolve_model
from floodgate_local.bedrock.runtime import Answer, Runtime

MINIMUM_RECORDS: Final = 100
LOCAL_MARK: Final = {"x-floodgate-model": "local"}
MANIFEST: Final = "manifest.json.out"
_log = logging.getLogger(__name__)

_AT_ONCE: Final = 32
_ID_CHARACTERS: Final = string.ascii_lowercase + string.digits
_TIMEOUT_HOURS: Final = 24
_ENDED: Final = frozenset({"Completed", "PartiallyCompleted", "Failed", "Stopped", "Expired"})


@dataclass
class Job:
    """One job; `request` is the body that asked for it."""

    job_id: str
    arn: str
    request: Mapping[str, Any]
    model: ModelInfo
    caller: Caller
    submitted: datetime
    status: str = "Submitted"
    message: str = ""
    ended: datetime | None = None
    total: int = 0
    succeeded: int = 0
    errors: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    task: asyncio.Task[None] | None = field(default=None, repr=False)

    @property
    def has_ended(self) -> bool:
        return self.status in _ENDED

    def summary(self) -> dict[str, Any]:
        """As Get and List show it; what is not known is left out."""
        copied = {name: self.request[name] for name in _COPIED if name in self.request}
        hours = self.request.get("timeoutDurationInHours", _TIMEOUT_HOURS)
        shown = {
            "jobArn": self.arn,
            "status": self.status,
            "message": self.message,
            "submitTime": _iso(self.submitted),
            "lastModifiedTime": _iso(self.ended or self.submitted),
            "endTime": _iso(self.ended),
            "jobExpirationTime": _iso(self.submitted + timedelta(hours=hours)),
            "totalRecordCount": self.total,
            "processedRecordCount": self.succeeded + self.errors,
            "successRecordCount": self.succeeded,
            "errorRecordCount": self.errors,
        }
        return {**copied, **{name: value for name, value in shown.items() if value not in ("", None)}}


_COPIED: Final = (
    "jobName", "roleArn", "modelId", "clientRequestToken", "inputDataConfig", "outputDataConfig",
    "timeoutDurationInHours", "modelInvocationType",
)  # fmt: skip


class Jobs:
    """The jobs since the server started.

    Args:
        runtime: The model behind.
        storage: Where inputs and outputs are.
    """

    def __init__(self, runtime: Runtime, storage: Storage) -> None:
        self._runtime = runtime
        self._storage = storage
        self._jobs: dict[str, Job] = {}

    def create(self, caller: Caller, body: Mapping[str, Any]) -> dict[str, Any]:
        """CreateModelInvocationJob; the same client token is the same job.

        Raises:
            AwsError: 400 for a request that Bedrock would refuse, 409 for a name that is taken.
        """
        check_body("bedrock", "CreateModelInvocationJob", body)
        token = body.get("clientRequestToken")
        for job in self._jobs.values():
            if token and job.request.get("clientRequestToken") == token:
                return {"jobArn": job.arn}
            if job.request["jobName"] == body["jobName"]:
                raise AwsError(409, "ConflictException", "The provided job name is currently being used.")
        model = resolve_model(body["modelId"], caller.region)
        require_kind(model, "text")
        job_id = "".join(secrets.choice(_ID_CHARACTERS) for _ in range(12))
        region = caller.region or DEFAULT_REGION
        arn = f"arn:aws:bedrock:{region}:{ACCOUNT_ID}:model-invocation-job/{job_id}"
        job = Job(job_id, arn, dict(body), model, caller, _now())
        self._jobs[job_id] = job
        job.task = asyncio.get_running_loop().create_task(self._run(job))
        return {"jobArn": arn}

    def get(self, identifier: str) -> dict[str, Any]:
        """GetModelInvocationJob.

        Raises:
            AwsError: 404 for a job that is not there.
        """
        return self._found(identifier).summary()

    def page(self, query: Mapping[str, str]) -> dict[str, Any]:
        """ListModelInvocationJobs with its filters, newest first unless asked otherwise."""
        found = [job for job in self._jobs.values() if _matches(job, query)]
        found.sort(key=lambda job: job.submitted, reverse=query.get("sortOrder") != "Ascending")
        start, size = int(query.get("nextToken", "0")), int(query.get("maxResults", "100"))
        page: dict[str, Any] = {"invocationJobSummaries": [job.summary() for job in found[start : start + size]]}
        return page | ({"nextToken": str(start + size)} if start + size < len(found) else {})

    def stop(self, identifier: str) -> dict[str, Any]:
        """StopModelInvocationJob.

        Raises:
            AwsError: 404 for a job that is not there, 409 for one that has ended.
        """
        job = self._found(identifier)
        if job.has_ended:
            raise AwsError(409, "ConflictException", f"The job is in the state {job.status} and cannot be stopped.")
        job.status = "Stopping"
        return {}

    async def close(self) -> None:
        """Ends what runs."""
        running = [job.task for job in self._jobs.values() if job.task is not None and not job.task.done()]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def _found(self, identifier: str) -> Job:
        job = self._jobs.get(identifier.rpartition("/")[2])
        if job is None:
            raise AwsError(404, "ResourceNotFoundException", "The provided job identifier is not found.")
        return job

    async def _run(self, job: Job) -> None:
        faults = self._runtime.faults.settings
        try:
            job.status = "Validating"
            files = await self._validated(job)
            if faults.batch_outcome == "failed":
                raise validation_exception("The job failed for a reason of the service's own.")
            if job.status == "Validating":
                job.status = "InProgress"
            await asyncio.sleep(faults.batch_seconds)
            share = 0.5 if faults.batch_outcome == "expired" else 1.0
            await self._process(job, files, share)
            if faults.batch_outcome == "expired":
                job.status, job.message = "Expired", "The job did not complete within its timeout."
            elif job.status == "Stopping":
                job.status = "Stopped"
            else:
                job.status = "PartiallyCompleted" if job.errors else "Completed"
        except (AwsError, StorageError) as error:
            job.status, job.message = "Failed", getattr(error, "message", str(error))
        except Exception:
            _log.exception("a batch job failed")
            job.status, job.message = "Failed", "The local server failed; its log says why."
        finally:
            job.ended = _now()

    async def _validated(self, job: Job) -> dict[str, list[dict[str, Any]]]:
        """The records of every file of the input.

        Raises:
            AwsError: A line that is no record, or too few of them.
            StorageError: The input cannot be read.
        """
        bucket, prefix = split_uri(job.request["inputDataConfig"]["s3InputDataConfig"]["s3Uri"])
        keys = await asyncio.to_thread(self._storage.keys, bucket, prefix)
        files = {}
        for key in keys:
            if key.endswith(".jsonl"):
                files[key.rpartition("/")[2]] = _records(key, await asyncio.to_thread(self._storage.read, bucket, key))
        job.total = sum(map(len, files.values()))
        if job.total < MINIMUM_RECORDS:
            raise validation_exception(
                f"Your job contains fewer records ({job.total}) than the required minimum of: {MINIMUM_RECORDS}"
            )
        return files

    async def _process(self, job: Job, files: Mapping[str, list[dict[str, Any]]], share: float) -> None:
        bucket, prefix = split_uri(job.request["outputDataConfig"]["s3OutputDataConfig"]["s3Uri"])
        folder = f"{prefix.rstrip('/')}/{job.job_id}"
        gate = asyncio.Semaphore(_AT_ONCE)
        for name, records in files.items():
            taken = records[: int(len(records) * share)]
            lines = [line for line in await asyncio.gather(*(self._line(job, r, gate) for r in taken)) if line]
            # Bedrock gives results in any order: whoever relied on the order would find out here.
            random.Random(job.job_id).shuffle(lines)  # noqa: S311 - an order, not a secret
            data = "".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in lines)
            await asyncio.to_thread(self._storage.write, bucket, f"{folder}/{name}.out", data.encode())
        manifest = {
            "totalRecordCount": job.total,
            "processedRecordCount": job.succeeded + job.errors,
            "successRecordCount": job.succeeded,
            "errorRecordCount": job.errors,
            "inputTokenCount": job.input_tokens,
            "outputTokenCount": job.output_tokens,
        }
        await asyncio.to_thread(self._storage.write, bucket, f"{folder}/{MANIFEST}", json.dumps(manifest).encode())

    async def _line(self, job: Job, record: Mapping[str, Any], gate: asyncio.Semaphore) -> dict[str, Any] | None:
        async with gate:
            if job.status == "Stopping":
                return None
            kept = {"recordId": record["recordId"], "modelInput": record["modelInput"]}
            try:
                if self._runtime.faults.hits(self._runtime.faults.settings.batch_error_rate):
                    raise AwsError(500, "InternalServerException", "The system encountered an unexpected error.")
                output, answer = await self._asked(job, record["modelInput"])
            except AwsError as error:
                job.errors += 1
                return {**kept, "error": {"errorCode": error.status, "errorMessage": error.message}}
            job.succeeded += 1
            job.input_tokens += answer.usage.input_tokens
            job.output_tokens += answer.usage.output_tokens
            # There are no headers here to say that the local model answered.
            return {**kept, "modelOutput": {**output, **LOCAL_MARK}}

    async def _asked(self, job: Job, body: Mapping[str, Any]) -> tuple[dict[str, Any], Answer]:
        if job.request.get("modelInvocationType") == "Converse":
            if "toolConfig" in body:
                raise validation_exception("toolConfig is not supported in batch inference with Converse.")
            check_converse(job.model, body)
            answer = await self._runtime.answer(job.caller, job.model, body, None)
            return invoke.converse_response(answer), answer
        answer = await self._runtime.answer(job.caller, job.model, invoke.as_converse(job.model, body), None)
        return invoke.native_response(job.model, answer), answer


def _records(key: str, data: bytes) -> list[dict[str, Any]]:
    records = []
    for number, line in enumerate(data.decode("utf-8", "replace").split("\n"), 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
            if not isinstance(record["modelInput"], dict):
                raise TypeError
        except (ValueError, KeyError, TypeError):
            raise validation_exception(f"{key}: line {number} is not a record with modelInput") from None
        records.append({"recordId": record.get("recordId") or secrets.token_hex(8), "modelInput": record["modelInput"]})
    return records


def _matches(job: Job, query: Mapping[str, str]) -> bool:
    return (
        query.get("nameContains", "") in job.request["jobName"]
        and query.get("statusEquals", job.status) == job.status
        and query.get("submitTimeAfter", "") <= _iso(job.submitted)
        and query.get("submitTimeBefore", "9999") >= _iso(job.submitted)
    )


def _now() -> datetime:
    return datetime.now(UTC)


def _iso(moment: datetime | None) -> str:
    return "" if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%SZ")
