"""SageMaker Feature Store through its runtime API."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from keyflow.errors import KeyflowError

from summarizer.adapters.sagemaker_errors import FeatureStoreBusyError, entry_error, translate_errors
from summarizer.domain.features import IDENTIFIER_FEATURE
from summarizer.settings import FeatureStoreSettings

if TYPE_CHECKING:
    from mypy_boto3_sagemaker_featurestore_runtime import SageMakerFeatureStoreRuntimeClient

Values = dict[str, str]


class SageMakerFeatureStore:
    """Puts and gets records; connects with its first call.

    Records that come within `batch_linger_seconds` go out in one BatchWriteRecord, at most `batch_size` of them.

    Args:
        settings: Group, region, time-outs, calls at a time.
    """

    def __init__(self, settings: FeatureStoreSettings) -> None:
        self._settings = settings
        self._client: SageMakerFeatureStoreRuntimeClient | None = None
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(settings.max_concurrency, thread_name_prefix="feature-store")
        self._waiting: list[tuple[Values, asyncio.Future[None]]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._sending: set[asyncio.Task[None]] = set()

    async def put(self, values: Values) -> None:
        """Puts one record; an older event time than the stored one reaches the offline store only.

        A record that a batch left unprocessed is busy, so that it is put again on its own account.

        Raises:
            RetryableError: Busy or out of reach.
            PoisonMessageError: The record is refused.
            FatalError: No such group, or no permission.
        """
        loop = asyncio.get_running_loop()
        if self._settings.batch_size == 1:
            await loop.run_in_executor(self._threads, self._put, values)
            return
        stored: asyncio.Future[None] = loop.create_future()
        self._waiting.append((values, stored))
        if len(self._waiting) >= self._settings.batch_size:
            self._send()
        elif self._timer is None:
            self._timer = loop.call_later(self._settings.batch_linger_seconds, self._send)
        await stored

    def get(self, interaction_id: str) -> Values | None:
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

    def delete(self, interaction_id: str, at: datetime) -> None:
        """Deletes the records of an interaction for good.

        Args:
            interaction_id: Whose.
            at: Later than the record's event time, else it is refused.

        Raises:
            RetryableError: Busy or out of reach.
            FatalError: No such group, or no permission.
        """
        with translate_errors("DeleteRecord", self._settings.group):
            self._connected().delete_record(
                FeatureGroupName=self._settings.group,
                RecordIdentifierValueAsString=interaction_id,
                EventTime=at.strftime("%Y-%m-%dT%H:%M:%SZ"),
                DeletionMode="HardDelete",
            )

    async def close(self) -> None:
        """Waits for the calls under way."""
        await asyncio.to_thread(self._threads.shutdown)
        if self._client is not None:
            self._client.close()

    def _send(self) -> None:
        """Begins the call for everything that waits."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        taken, self._waiting = self._waiting, []
        task = asyncio.get_running_loop().create_task(self._sent(taken))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    async def _sent(self, taken: list[tuple[Values, asyncio.Future[None]]]) -> None:
        # A record whose handler was given up meanwhile is not written any more.
        batch = [(values, stored) for values, stored in taken if not stored.done()]
        outcomes: Sequence[Exception | None]
        try:
            loop = asyncio.get_running_loop()
            outcomes = await loop.run_in_executor(self._threads, self._put_all, [values for values, _ in batch])
        except Exception as error:  # the whole call failed: each record tells its own handler
            outcomes = [error] * len(batch)
        for (_, stored), failed in zip(batch, outcomes, strict=True):
            if stored.done():
                continue
            if failed is None:
                stored.set_result(None)
            else:
                stored.set_exception(failed)

    def _put_all(self, batch: list[Values]) -> list[KeyflowError | None]:
        """What became of each record, in order."""
        if not batch:
            return []
        group = self._settings.group
        with translate_errors("BatchWriteRecord", group):
            # The stubs' union for a record's values is narrower than the service's.
            entries: Any = [{"FeatureGroupName": group, "Record": _wire(values)} for values in batch]
            answer = self._connected().batch_write_record(Entries=entries)
        outcomes: dict[str, KeyflowError] = {}
        for failed in answer.get("Errors", []):
            outcomes[_identifier(failed.get("Entry", {}))] = entry_error(
                str(failed.get("ErrorCode", "")), str(failed.get("ErrorMessage", "")), f"BatchWriteRecord on {group}"
            )
        for left in answer.get("UnprocessedEntries", []):
            outcomes[_identifier(left)] = FeatureStoreBusyError(
                f"feature store BatchWriteRecord on {group}: the record was left unprocessed"
            )
        return [outcomes.get(values[IDENTIFIER_FEATURE]) for values in batch]

    def _put(self, values: Values) -> None:
        with translate_errors("PutRecord", f"{self._settings.group} {IDENTIFIER_FEATURE}"):
            record: Any = _wire(values)
            self._connected().put_record(FeatureGroupName=self._settings.group, Record=record)

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
                        # Hundreds of values a call, all made by `feature_values`: a check costs more than sending.
                        parameter_validation=False,
                    ),
                )
            return self._client


def _wire(values: Values) -> list[dict[str, str]]:
    return [{"FeatureName": name, "ValueAsString": value} for name, value in values.items()]


def _identifier(entry: Any) -> str:
    """The record that an entry of an answer is about."""
    record = entry.get("Record", [])
    return next((str(item["ValueAsString"]) for item in record if item["FeatureName"] == IDENTIFIER_FEATURE), "")
