"""Keeps the books of completeness while it runs, and raises an alert for a gap within minutes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

import boto3
from confluent_kafka import Message
from floodgate.s3 import s3_errors
from floodgate.telemetry import gauge, get_logger
from floodgate.waiting import until_stopped
from keyflow.errors import FatalError, KeyflowError

from summarizer.domain.ledger import Entry, Grace, Ledger, without_outcome

log = get_logger(__name__)

TOPICS: Final = ("support.interactions", "support.summarizer.batch", "support.summaries", "support.dead-letters")
# Kafka's time of a record is when it was written, and it can be read once its transaction is committed.
_OVERLAP_SECONDS: Final = 600.0
_MOST_NAMED: Final = 3
_GAP: Final = gauge("floodgate_ledger_gap", "Interactions and objects of which nothing came in time.", ("what",))
_OLDEST: Final = gauge("floodgate_ledger_oldest_gap_seconds", "Age of the oldest interaction of which nothing came.")
_LOOKED: Final = gauge("floodgate_ledger_looked_timestamp_seconds", "When the books were last brought up to date.")


class Records(Protocol):
    """Committed records; see `floodgate.committed.CommittedRecords`."""

    unreadable: int

    def of(self, topic: str, *, since_ms: int | None = None) -> Iterator[tuple[Message, str, Any]]:
        """Each record of a topic with its key."""
        ...


@dataclass(frozen=True, slots=True)
class Look:
    """What one look found.

    Attributes:
        late: Ids of some interactions of which nothing came.
        lost: Addresses of objects of which nothing came.
    """

    entries: list[Entry]
    late: list[str]
    lost: list[str]

    @property
    def is_gap(self) -> bool:
        """Whether something is missing."""
        return bool(self.late or self.lost)


class LedgerWatch:
    """Looks at the topics again and again; each look reads only what came since the last.

    Args:
        records: The topics.
        hours: How far back the books go.
        grace: How long an interaction may take.
        drops: Dropped objects since a moment, with the times at which they were written.
        now: Wall clock.
        look_seconds: Between two looks.
    """

    name = "ledger"

    def __init__(
        self,
        records: Records,
        *,
        hours: float,
        grace: Grace,
        drops: Callable[[datetime], Iterable[tuple[str, datetime]]] = lambda _: (),
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        look_seconds: float = 60.0,
    ) -> None:
        self._records = records
        self._hours = hours
        self._grace = grace
        self._drops = drops
        self._now = now
        self._look_seconds = look_seconds
        self._books = Ledger()
        self._read_until: datetime | None = None
        self._was_gap = False

    async def run(self, stop: asyncio.Event) -> None:
        """See `BackgroundTask`. Kafka or S3 out of reach is an error in the log, and looked at again."""
        while not stop.is_set():
            try:
                await asyncio.to_thread(self.look)
            except KeyflowError as error:
                if self._read_until is None and isinstance(error, FatalError):
                    raise  # wrong from the start
                log.error("ledger.blind", error=type(error).__name__, reason=str(error))
            await until_stopped(stop, self._look_seconds)

    def look(self) -> Look:
        """Brings the books up to date and tells what is missing.

        Raises:
            KeyflowError: Kafka, the registry or S3 cannot be read.
        """
        now = self._now()
        begin = now - timedelta(hours=self._hours)
        since = begin if self._read_until is None else self._read_until - timedelta(seconds=_OVERLAP_SECONDS)
        for topic in TOPICS:
            for message, key, value in self._records.of(topic, since_ms=int(since.timestamp() * 1000)):
                self._books.take(key, value, int(message.timestamp()[1]), topic)
        self._books.forget(int(begin.timestamp() * 1000))
        self._read_until = now
        found = self._judged(now, begin)
        _LOOKED.set(now.timestamp())
        self._tell(found, now)
        return found

    def _judged(self, now: datetime, begin: datetime) -> Look:
        now_ms = int(now.timestamp() * 1000)
        lost = without_outcome(self._drops(begin), self._books, now - timedelta(seconds=self._grace.online_seconds))
        return Look(self._books.entries(now_ms, self._grace), self._books.late(now_ms, self._grace), lost)

    def _tell(self, found: Look, now: datetime) -> None:
        late = sum(entry.late for entry in found.entries)
        _GAP.labels("interactions").set(late)
        _GAP.labels("objects").set(len(found.lost))
        oldest_ms = self._books.oldest_late_ms(int(now.timestamp() * 1000), self._grace)
        _OLDEST.set(0.0 if oldest_ms is None else now.timestamp() - oldest_ms / 1000)
        if found.is_gap:
            log.error(
                "ledger.gap", interactions=late, oldest=found.late[:_MOST_NAMED], objects=found.lost[:_MOST_NAMED]
            )
        elif self._was_gap:
            log.info("ledger.closed")
        if self._records.unreadable:
            log.error("ledger.unreadable", records=self._records.unreadable)
        self._was_gap = found.is_gap


def objects_since(address: str | None) -> Callable[[datetime], Iterator[tuple[str, datetime]]]:
    """Lists the objects below an address that were written since a moment; none without an address.

    Raises:
        FatalError: It is no address of S3.
    """
    if address is None:
        return lambda _: iter(())
    bucket, _, prefix = address.removeprefix("s3://").partition("/")
    if not address.startswith("s3://") or not bucket:
        raise FatalError(f"{address}: say s3://bucket/prefix")

    def listed(begin: datetime) -> Iterator[tuple[str, datetime]]:
        with s3_errors(f"the ledger's drops {address}", no_bucket="name one that exists"):
            for page in boto3.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
                for found in page.get("Contents", ()):
                    if found["LastModified"] >= begin and not found["Key"].endswith("/"):
                        yield f"s3://{bucket}/{found['Key']}", found["LastModified"]

    return listed
