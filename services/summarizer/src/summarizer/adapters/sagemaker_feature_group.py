"""Declares the feature group, and adds what a newer record has more."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import boto3
from botocore.exceptions import ClientError
from keyflow.errors import FatalError

from summarizer.adapters.sagemaker_errors import translate_errors
from summarizer.domain.features import EVENT_TIME_FEATURE, IDENTIFIER_FEATURE, feature_definitions
from summarizer.settings import FeatureStoreSettings

if TYPE_CHECKING:
    from mypy_boto3_sagemaker import SageMakerClient

_CREATION_SECONDS: Final = 180.0
_POLL_SECONDS: Final = 1.0


class SageMakerFeatureGroup:
    """The declaration of our feature group.

    Args:
        settings: Name, region, role, offline store.
        sleep: Waits between two looks at a group that is being made.
    """

    def __init__(self, settings: FeatureStoreSettings, sleep: Callable[[float], None] = time.sleep) -> None:
        self._settings = settings
        self._sleep = sleep

    def declare(self) -> str:
        """Creates the group, or adds the features that it lacks; says which of the two, or that nothing was to do.

        Raises:
            FatalError: The group differs in what cannot be changed, or cannot be made.
            RetryableError: SageMaker is busy or out of reach.
        """
        client = self._client()
        with translate_errors("CreateFeatureGroup", self._settings.group):
            existing = self._described(client)
            if existing is None:
                client.create_feature_group(**self._definition())
                outcome = "created"
            else:
                outcome = self._completed(client, existing)
            self._wait(client)
        return outcome

    def _client(self) -> SageMakerClient:
        return boto3.client(
            "sagemaker", region_name=self._settings.region, endpoint_url=self._settings.control_endpoint_url
        )

    def _described(self, client: SageMakerClient) -> Any | None:
        try:
            return client.describe_feature_group(FeatureGroupName=self._settings.group)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in {"ResourceNotFound", "ResourceNotFoundException"}:
                return None
            raise

    def _definition(self) -> dict[str, Any]:
        settings = self._settings
        definition: dict[str, Any] = {
            "FeatureGroupName": settings.group,
            "RecordIdentifierFeatureName": IDENTIFIER_FEATURE,
            "EventTimeFeatureName": EVENT_TIME_FEATURE,
            "FeatureDefinitions": _declared(),
            "OnlineStoreConfig": {"EnableOnlineStore": True},
            "RoleArn": settings.role_arn,
            "Description": "One validated feature record per finished support interaction (Floodgate).",
        }
        if settings.offline_s3_uri is not None:
            definition["OfflineStoreConfig"] = {"S3StorageConfig": {"S3Uri": settings.offline_s3_uri}}
        return definition

    def _completed(self, client: SageMakerClient, existing: Any) -> str:
        if existing["RecordIdentifierFeatureName"] != IDENTIFIER_FEATURE:
            raise FatalError(
                f"the feature group {self._settings.group} has another record identifier; "
                "name another group in FLOODGATE_FEATURE_GROUP"
            )
        there = {item["FeatureName"]: item["FeatureType"] for item in existing["FeatureDefinitions"]}
        wanted = _declared()
        changed = [
            f["FeatureName"] for f in wanted if there.get(f["FeatureName"], f["FeatureType"]) != f["FeatureType"]
        ]
        if changed:
            raise FatalError(
                f"the feature group {self._settings.group} has another type for {changed[0]}, which cannot be changed; "
                "name another group in FLOODGATE_FEATURE_GROUP"
            )
        missing = [feature for feature in wanted if feature["FeatureName"] not in there]
        if not missing:
            return "unchanged"
        client.update_feature_group(FeatureGroupName=self._settings.group, FeatureAdditions=missing)  # type: ignore[arg-type]  # built from our own three kinds
        return f"added {len(missing)} features"

    def _wait(self, client: SageMakerClient) -> None:
        for _ in range(round(_CREATION_SECONDS / _POLL_SECONDS)):
            found = self._described(client)
            status = "Creating" if found is None else found.get("FeatureGroupStatus", "Created")
            if status == "Created":
                return
            if status != "Creating":
                reason = (found or {}).get("FailureReason", "no reason given")
                raise FatalError(f"the feature group {self._settings.group} is {status}: {reason}")
            self._sleep(_POLL_SECONDS)
        raise FatalError(
            f"the feature group {self._settings.group} is still being made after {_CREATION_SECONDS:.0f} s; "
            "look again later"
        )


def _declared() -> list[dict[str, str]]:
    return [{"FeatureName": feature.name, "FeatureType": feature.kind} for feature in feature_definitions()]
