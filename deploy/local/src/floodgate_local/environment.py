"""The env file's values: where the stack's servers are and what opens them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from floodgate_local.components.apicurio import API_PATH
from floodgate_local.intercom.workspace import BOT_ADMIN_ID, SCREENING_TEAM_ID
from floodgate_local.state import LOOPBACK

_REGION: Final = "eu-west-1"
_LOCAL_CREDENTIAL: Final = "local"
_BUCKET: Final = "floodgate-local"
BATCH_BUCKET: Final = "floodgate-batch"


def stack_env(ports: Mapping[str, int], secrets: Mapping[str, str]) -> dict[str, str]:
    """What a service needs to run against this stack unchanged."""

    def url(port_name: str) -> str:
        return f"http://{LOOPBACK}:{ports[port_name]}"

    return {
        "FLOODGATE_KAFKA_BOOTSTRAP_SERVERS": f"{LOOPBACK}:{ports['kafka']}",
        "FLOODGATE_SCHEMA_REGISTRY_URL": f"{url('apicurio')}{API_PATH}",
        "FLOODGATE_OPENSEARCH_URL": url("opensearch"),
        "AWS_ENDPOINT_URL": url("moto"),
        "AWS_ENDPOINT_URL_BEDROCK": url("bedrock"),
        "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": url("bedrock"),
        "AWS_ENDPOINT_URL_SERVICE_QUOTAS": url("bedrock"),
        "AWS_ENDPOINT_URL_STS": url("bedrock"),
        "AWS_ENDPOINT_URL_SAGEMAKER": url("featurestore"),
        "AWS_ENDPOINT_URL_SAGEMAKER_FEATURESTORE_RUNTIME": url("featurestore"),
        "AWS_ACCESS_KEY_ID": _LOCAL_CREDENTIAL,
        "AWS_SECRET_ACCESS_KEY": _LOCAL_CREDENTIAL,
        "AWS_REGION": _REGION,
        "AWS_DEFAULT_REGION": _REGION,
        "FLOODGATE_INTERCOM_BASE_URL": url("intercom"),
        "FLOODGATE_INTERCOM_BOT_ADMIN_ID": BOT_ADMIN_ID,
        "FLOODGATE_INTERCOM_SCREENING_TEAM_ID": SCREENING_TEAM_ID,
        "FLOODGATE_SHOP_BASE_URL": url("shop"),
        "FLOODGATE_S3_BUCKET": _BUCKET,
        # What tests and demonstrations leave in the topics is no evidence against anything.
        "FLOODGATE_AGENT_BAR_SECONDS": "0",
        # Not the bucket of the drops: what is written there comes in.
        "FLOODGATE_SUMMARIZER_BATCH_S3_URI": f"s3://{BATCH_BUCKET}/summaries",
        **secrets,
    }
