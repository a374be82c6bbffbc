"""Batch inference jobs on Bedrock's control plane."""

from __future__ import annotations

import hashlib
from functools import cached_property
from typing import TYPE_CHECKING, Final

import boto3
from botocore.config import Config
from floodgate.bedrock.errors import translate_boto_errors

from summarizer.batching import Job

if TYPE_CHECKING:
    from mypy_boto3_bedrock import BedrockClient

_CONFIG: Final = Config(connect_timeout=5, read_timeout=60, retries={"mode": "standard", "max_attempts": 3})


class BedrockJobs:
    """Starts jobs and asks after them; every call blocks and raises what `translate_boto_errors` does.

    Args:
        role_arn: With which Bedrock reads and writes S3.
        region: None: the environment's.
        timeout_hours: Then a job expires.
    """

    def __init__(self, role_arn: str, region: str | None, timeout_hours: int) -> None:
        self._role_arn = role_arn
        self._region = region
        self._timeout_hours = timeout_hours

    def find(self, name: str) -> Job | None:
        """The job of a name, if there is one."""
        with translate_boto_errors("ListModelInvocationJobs", name):
            found = self._client.list_model_invocation_jobs(nameContains=name).get("invocationJobSummaries", [])
        return next((Job(job["jobArn"].rpartition("/")[2], job["status"]) for job in found), None)

    def start(self, name: str, model_id: str, input_uri: str, output_uri: str) -> None:
        """Starts a job; the same name is the same job, however often it is asked for."""
        with translate_boto_errors("CreateModelInvocationJob", model_id):
            self._client.create_model_invocation_job(
                jobName=name,
                clientRequestToken=hashlib.sha256(name.encode()).hexdigest(),
                roleArn=self._role_arn,
                modelId=model_id,
                modelInvocationType="InvokeModel",
                inputDataConfig={"s3InputDataConfig": {"s3InputFormat": "JSONL", "s3Uri": input_uri}},
                outputDataConfig={"s3OutputDataConfig": {"s3Uri": output_uri}},
                timeoutDurationInHours=self._timeout_hours,
            )

    @cached_property
    def _client(self) -> BedrockClient:
        return boto3.session.Session().client("bedrock", region_name=self._region, config=_CONFIG)
