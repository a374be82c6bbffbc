"""The little of Bedrock's control plane, Service Quotas and STS that `floodgate bedrock doctor` asks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from floodgate_local.aws_wire import AwsError, validation_exception
from floodgate_local.bedrock.models import (
    MODELS,
    PROFILE_REGIONS,
    ModelInfo,
    find_model,
)

ACCOUNT_ID: Final = "000000000000"
DEFAULT_REGION: Final = "us-east-1"
_GEOGRAPHY_NAMES: Final = {"eu": "EU", "us": "US", "global": "Global"}


def foundation_models(region: str, query: Mapping[str, str]) -> dict[str, Any]:
    """ListFoundationModels with its filters."""
    summaries = [_summary(model, region) for model in MODELS]
    provider = query.get("byProvider", "").lower()
    modality = query.get("byOutputModality")
    inference = query.get("byInferenceType")
    return {
        "modelSummaries": [
            summary
            for summary in summaries
            if (not provider or summary["providerName"].lower() == provider)
            and (modality is None or modality in summary["outputModalities"])
            and (inference is None or inference in summary["inferenceTypesSupported"])
        ]
    }


def foundation_model(identifier: str, region: str) -> dict[str, Any]:
    """GetFoundationModel.

    Raises:
        AwsError: 400 for an id that names no model.
    """
    model = find_model(identifier.rsplit("foundation-model/", 1)[-1])
    if model is None:
        raise validation_exception("The provided model identifier is invalid.")
    return {"modelDetails": _summary(model, region)}


def _summary(model: ModelInfo, region: str) -> dict[str, Any]:
    embedding = model.kind == "embedding"
    return {
        "modelArn": _model_arn(model, region or DEFAULT_REGION),
        "modelId": model.model_id,
        "modelName": model.name,
        "providerName": model.provider,
        "inputModalities": ["TEXT"],
        "outputModalities": ["EMBEDDING" if embedding else "TEXT"],
        "responseStreamingSupported": not embedding,
        "customizationsSupported": [],
        "inferenceTypesSupported": ["ON_DEMAND"] if model.on_demand else ["INFERENCE_PROFILE"],
        "modelLifecycle": {"status": "ACTIVE"},
    }


def _model_arn(model: ModelInfo, region: str) -> str:
    return f"arn:aws:bedrock:{region}::foundation-model/{model.model_id}"


def inference_profiles(region: str) -> dict[str, Any]:
    """ListInferenceProfiles of the geography that the region belongs to."""
    return {"inferenceProfileSummaries": [profile for profile in _profiles(region) if _served(profile, region)]}


def inference_profile(identifier: str, region: str) -> dict[str, Any]:
    """GetInferenceProfile.

    Raises:
        AwsError: 404 when this region has no such profile.
    """
    wanted = identifier.rsplit("/", 1)[-1]
    for profile in inference_profiles(region)["inferenceProfileSummaries"]:
        if profile["inferenceProfileId"] == wanted:
            return dict(profile)
    raise AwsError(404, "ResourceNotFoundException", "The inference profile was not found.")


def _served(profile: Mapping[str, Any], region: str) -> bool:
    geography = profile["inferenceProfileId"].split(".")[0]
    return geography == "global" or not region or region.startswith(geography)


def _profiles(region: str) -> Iterator[dict[str, Any]]:
    here = region or DEFAULT_REGION
    for model in MODELS:
        for geography in model.geographies:
            regions = PROFILE_REGIONS.get(geography, (here,))
            profile_id = f"{geography}.{model.model_id}"
            yield {
                "inferenceProfileName": f"{_GEOGRAPHY_NAMES[geography]} {model.name}".replace(".", "-"),
                "inferenceProfileId": profile_id,
                "inferenceProfileArn": f"arn:aws:bedrock:{here}:{ACCOUNT_ID}:inference-profile/{profile_id}",
                "models": [{"modelArn": _model_arn(model, name)} for name in regions],
                "status": "ACTIVE",
                "type": "SYSTEM_DEFINED",
            }


# --- Service Quotas ---------------------------------------------------------------------------------------


def service_quotas(action: str, body: Mapping[str, Any], region: str) -> dict[str, Any]:
    """ListServiceQuotas, ListAWSDefaultServiceQuotas, GetServiceQuota, GetAWSDefaultServiceQuota.

    Raises:
        AwsError: As Service Quotas answers an unknown service, quota or action.
    """
    if action not in {
        "ListServiceQuotas",
        "ListAWSDefaultServiceQuotas",
        "GetServiceQuota",
        "GetAWSDefaultServiceQuota",
    }:
        raise AwsError(400, "UnknownOperationException", f"Unknown operation {action}")
    if body.get("ServiceCode") != "bedrock":
        raise AwsError(
            400, "NoSuchResourceException", "The request failed because the specified service does not exist."
        )
    quotas = list(_quotas(region or DEFAULT_REGION))
    if action.startswith("Get"):
        for quota in quotas:
            if quota["QuotaCode"] == body.get("QuotaCode"):
                return {"Quota": quota}
        raise AwsError(400, "NoSuchResourceException", "The request failed because the specified quota does not exist.")
    return _page(quotas, body)


def _page(quotas: list[dict[str, Any]], body: Mapping[str, Any]) -> dict[str, Any]:
    token = str(body.get("NextToken") or "0")
    if not token.isdigit():
        raise AwsError(400, "InvalidPaginationTokenException", "Invalid input was provided.")
    size = int(body.get("MaxResults") or 100)
    start = int(token)
    page: dict[str, Any] = {"Quotas": quotas[start : start + size]}
    if start + size < len(quotas):
        page["NextToken"] = str(start + size)
    return page


def _quotas(region: str) -> Iterator[dict[str, Any]]:
    for number, model in enumerate(MODELS):
        maker_and_name = f"{model.provider} {model.name}"
        scopes = (["On-demand"] if model.on_demand else []) + (["Cross-Region"] if model.geographies else [])
        for scope_number, scope in enumerate(scopes):
            limits = (("requests", model.requests_per_minute), ("tokens", model.tokens_per_minute))
            for unit_number, (unit, value) in enumerate(limits):
                code = f"L-L0CA{number:02X}{scope_number}{unit_number}"
                yield {
                    "ServiceCode": "bedrock",
                    "ServiceName": "Amazon Bedrock",
                    "QuotaArn": f"arn:aws:servicequotas:{region}:{ACCOUNT_ID}:bedrock/{code}",
                    "QuotaCode": code,
                    "QuotaName": f"{scope} model inference {unit} per minute for {maker_and_name}",
                    "Value": float(value),
                    "Unit": "None",
                    "Adjustable": True,
                    "GlobalQuota": False,
                }


# --- STS --------------------------------------------------------------------------------------------------


def caller_identity(account: str) -> str:
    """The XML of GetCallerIdentity; the account number is zeros, for there is no account."""
    return (
        '<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">'
        f"<GetCallerIdentityResult><Arn>arn:aws:iam::{ACCOUNT_ID}:user/local</Arn><UserId>{account}</UserId>"
        f"<Account>{ACCOUNT_ID}</Account></GetCallerIdentityResult>"
        "<ResponseMetadata><RequestId>local</RequestId></ResponseMetadata></GetCallerIdentityResponse>"
    )
