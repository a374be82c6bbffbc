"""SageMaker Feature Store through its runtime API."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config

from summarizer.adapters.sagemaker_errors import translate_errors
from summarizer.domain.features import IDENTIFIER_FEATURE
from summarizer.settings import FeatureStoreSettings

if TYPE_CHECKING:
    from mypy_boto3_sagemaker_featurestore_runtime import SageMakerFeatureStoreRuntimeClient


class SageMakerFeatureStore:
    """Puts and gets records; connects with its first call.

    Args:
        settings: Group, region, time-outs, calls at a time.
    """

    def __init__(self, settings: FeatureStoreSettings) -> None:
        self._settings = settings
        self._client: SageMakerFeatureStoreRuntimeClient | None = None
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(settings.max_concurrency, thread_name_prefix="feature-store")

    async def put(self, values: dict[str, str]) -> None:
        """Puts one record; an older event time than the stored one reaches the offline store only.

        Raises:
            RetryableError: Busy or out of reach.
            PoisonMessageError: The record is refused.
            FatalError: No such group, or no permission.
        """
        await asyncio.get_running_loop().run_in_executor(self._threads, self._put, values)

    def get(self, interaction_id: str) -> dict[str, str] | None:
        """The newest record of an interaction; None when there is none.

        Raises:
            RetryableError: Busy or out of reach.
            FatalError: No such group, or no permission.
        """
        with translate_errors("GetRecord", self._settings.group):
            found = self._connected().get_record(
                FeatureGroupName=self._settings.group, RecordIdentifierValueAsString=interaction_id
            )
        record = found.get("Record") or []
        return {item["FeatureName"]: item["ValueAsString"] for item in record} or None

    async def close(self) -> None:
        """Waits for the calls under way."""
        await asyncio.to_thread(self._threads.shutdown)
        if self._client is not None:
            self._client.close()

    def _put(self, values: dict[str, str]) -> None:
        with translate_errors("PutRecord", f"{self._settings.group} {IDENTIFIER_FEATURE}"):
            self._connected().put_record(
                FeatureGroupName=self._settings.group,
                Record=[{"FeatureName": name, "ValueAsString": value} for name, value in values.items()],
            )

    def _connected(self) -> SageMakerFeatureStoreRuntimeClient:
        with self._lock:  # boto3 makes clients one at a time; a client itself is thread-safe
            if self._client is None:
                self._client = boto3.client(
                    "sagemaker-featurestore-runtime",
                    region_name=self._settings.region,
                    config=Config(
                        connect_timeout=self._settings.connect_timeout_seconds,
                        read_timeout=self._settings.read_timeout_seconds,
                        max_pool_connections=self._settings.max_concurrency,
                        # The engine retries within the record's budget; twice over would multiply.
                        retries={"mode": "standard", "total_max_attempts": 1},
                    ),
                )
            return self._client
