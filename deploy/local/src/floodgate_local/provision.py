"""The local deploy step: topics, schemas, bucket, queue and the rule that connects them.

In AWS the same things are made by the infrastructure code; here they are made on the local stack. Repeating it
changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from floodgate.admin import apply_topics, register_schemas
from floodgate.settings import KafkaSettings
from keyflow.errors import FatalError

from floodgate_local.environment import BATCH_BUCKET

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

QUEUE: Final = "floodgate-drops"
RULE: Final = "floodgate-object-created"
Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Provisioned:
    """What the deploy step made known.

    Attributes:
        env: Values for the env file.
    """

    env: Mapping[str, str]
    topics_created: int
    schemas_created: int


def provision(env: Mapping[str, str], tell: Progress = lambda _: None) -> Provisioned:
    """Makes the stack ready for the services.

    Args:
        env: The stack's environment.
        tell: Called with one line per step.

    Raises:
        FatalError: A server cannot be reached or refuses; names which.
    """
    kafka = KafkaSettings(bootstrap_servers=env["FLOODGATE_KAFKA_BOOTSTRAP_SERVERS"])
    created_topics = apply_topics(kafka).created
    tell(f"topics: {len(created_topics)} created")
    created_schemas = register_schemas(env["FLOODGATE_SCHEMA_REGISTRY_URL"]).created
    tell(f"schemas: {len(created_schemas)} registered")
    queue_url = provide_drops(env)
    tell(f"drops: s3://{env['FLOODGATE_S3_BUCKET']} to EventBridge to {QUEUE}")
    return Provisioned({"FLOODGATE_SQS_QUEUE_URL": queue_url}, len(created_topics), len(created_schemas))


def provide_drops(env: Mapping[str, str]) -> str:
    """Makes the buckets, and the queue that is told of every object; the queue's address.

    Raises:
        FatalError: The AWS servers cannot be reached or refuse.
    """
    try:
        return _drops(env, env["FLOODGATE_S3_BUCKET"])
    except (ClientError, BotoCoreError) as error:
        raise FatalError(f"AWS services at {env['AWS_ENDPOINT_URL']}: {error}") from error


def _drops(env: Mapping[str, str], bucket: str) -> str:
    session = boto3.Session(
        aws_access_key_id=env["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"],
        region_name=env["AWS_REGION"],
    )
    endpoint = env["AWS_ENDPOINT_URL"]
    s3: S3Client = session.client("s3", endpoint_url=endpoint)
    sqs: SQSClient = session.client("sqs", endpoint_url=endpoint)
    events: EventBridgeClient = session.client("events", endpoint_url=endpoint)
    there = {found.get("Name") for found in s3.list_buckets().get("Buckets", [])}
    for name in {bucket, BATCH_BUCKET} - there:
        s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    queue_url = sqs.create_queue(QueueName=QUEUE)["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])
    pattern = {"source": ["aws.s3"], "detail-type": ["Object Created"], "detail": {"bucket": {"name": [bucket]}}}
    events.put_rule(Name=RULE, EventPattern=json.dumps(pattern))
    events.put_targets(Rule=RULE, Targets=[{"Id": QUEUE, "Arn": attributes["Attributes"]["QueueArn"]}])
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={"EventBridgeConfiguration": {}})
    return queue_url
