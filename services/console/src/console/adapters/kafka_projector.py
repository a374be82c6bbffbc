"""Keeps the projection up to date with the topics, and builds it anew."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition
from floodgate.deadletters.masking import decoded
from floodgate.events import DeadLetter
from floodgate.events.serde import AvroSerde
from floodgate.settings import KafkaSettings
from floodgate.telemetry import counter, gauge, get_logger
from floodgate.waiting import until_stopped
from keyflow.errors import FatalError, KeyflowError, OutageError, PoisonMessageError, RetryableError
from keyflow.retry import Backoff

from console.adapters.opensearch_projection import Offsets, OpenSearchProjection
from console.domain.documents import LEDGER, TOPICS, VERSION, Document, Place, document, language_in, ledger_update

log = get_logger(__name__)

_AT_ONCE: Final = 500
_WAIT_SECONDS: Final = 0.2
_SHOW_SECONDS: Final = 0.3
_SHOW_BEHIND_SECONDS: Final = 5.0
_LOOK_SECONDS: Final = 5.0
_TIMEOUT_SECONDS: Final = 15.0
_FORGET_SECONDS: Final = 6 * 3600.0
_PATIENCE_SECONDS: Final = 120.0
_REFUSED: Final = Backoff(base_seconds=0.5, cap_seconds=10.0)

_WRITTEN = counter("floodgate_console_projected_total", "Records written to the console's projection.")
_UNREADABLE = counter("floodgate_console_unreadable_total", "Records that no schema reads; left out.", ("topic",))
_BEHIND = gauge("floodgate_console_behind_records", "Records that the projection has not read yet.")

Progress = Callable[[int, int], None]
"""Told of records read and of how many there are."""


class KafkaProjector:
    """A background task of the service. Every process may run one: what two of them write is the same.

    How far was read stands in the index itself, written with the documents, so that an index and its offsets are
    always exchanged together.

    Args:
        settings: Where Kafka is.
        serde: Decodes the records.
        projection: Where documents go.
        keep: Older records are neither read nor kept.
    """

    name = "projection"

    def __init__(
        self, settings: KafkaSettings, serde: AvroSerde, projection: OpenSearchProjection, *, keep: timedelta
    ) -> None:
        self._settings = settings
        self._serde = serde
        self._projection = projection
        self._keep = keep
        self._consumer: Consumer | None = None
        self._index = ""
        self._offsets: Offsets = {}
        self._looked = self._forgot = self._shown = 0.0
        self._unseen = False
        self.version = 0
        """Grows with every batch: pages that are open ask anew then."""
        self.problem = "it is being made"
        """Why the projection stands still; empty while it runs."""
        self.is_outdated = False
        """Whether the index was made by another version, so that pages miss something until it is rebuilt."""

    async def run(self, stop: asyncio.Event) -> None:
        """Follows the topics until `stop` is set; what goes wrong is waited out."""
        try:
            while not stop.is_set():
                try:
                    await self._step()
                    self.problem = ""
                except (RetryableError, OutageError, KafkaException) as error:
                    self._tell(error)
                    self._index = ""  # read again from what the index has
                    await until_stopped(stop, 2.0)
        finally:
            if self._consumer is not None:
                await asyncio.to_thread(self._consumer.close)

    def _tell(self, error: Exception) -> None:
        said = str(error.args[0]) if error.args else type(error).__name__
        if said != self.problem:
            log.warning("console.projection_waits", error=said)
        self.problem = said

    def _tell_version(self, version: int) -> None:
        self.is_outdated = version != VERSION
        if self.is_outdated:
            log.warning("console.projection_outdated", index=self._index, version=version, needs=VERSION)

    async def _step(self) -> None:
        if time.monotonic() - self._looked > _LOOK_SECONDS or not self._index:
            await self._look()
        assert self._consumer is not None
        messages = await asyncio.to_thread(self._consumer.consume, _AT_ONCE, _WAIT_SECONDS)
        if messages:
            await self._write(messages)
        await self._show(_SHOW_SECONDS if len(messages) < _AT_ONCE else _SHOW_BEHIND_SECONDS)

    async def _show(self, after_seconds: float) -> None:
        """Open pages are told of what searches find, not of what was only written."""
        if self._unseen and time.monotonic() - self._shown > after_seconds:
            await self._projection.refresh(self._index)
            self._unseen, self._shown = False, time.monotonic()
            self.version += 1

    async def _look(self) -> None:
        """Whether the index was exchanged by a rebuild, and where to go on then."""
        index = await self._projection.ensure()
        if index != self._index:
            self._offsets = await self._projection.offsets(index)
            self._consumer = self._consumer or _consumer(self._settings)
            await asyncio.to_thread(self._assign)
            self._index = index
            self._tell_version(await self._projection.version(index))
        self._looked = time.monotonic()
        await self._forget_old()
        _BEHIND.set(await asyncio.to_thread(self._behind))

    def _assign(self) -> None:
        assert self._consumer is not None
        self._consumer.assign(starts(self._consumer, self._offsets, datetime.now(UTC) - self._keep))

    def _behind(self) -> int:
        assert self._consumer is not None
        behind = 0
        for place in self._consumer.position(self._consumer.assignment()):
            _, high = self._consumer.get_watermark_offsets(place, cached=True)
            behind += max(0, high - place.offset) if place.offset >= 0 else 0
        return behind

    async def _forget_old(self) -> None:
        if time.monotonic() - self._forgot > _FORGET_SECONDS or not self._forgot:
            self._forgot = time.monotonic()
            await self._projection.forget(self._index, (datetime.now(UTC) - self._keep).isoformat())

    async def _write(self, messages: Sequence[Message]) -> None:
        updates = await asyncio.to_thread(lambda: list(documents(messages, self._serde)))
        advance(self._offsets, messages)
        await self._projection.write(self._index, updates, self._offsets)
        _WRITTEN.inc(len(updates))
        self._unseen = True


async def rebuild(
    settings: KafkaSettings,
    serde: AvroSerde,
    projection: OpenSearchProjection,
    *,
    keep: timedelta,
    progress: Progress = lambda read, total: None,
) -> tuple[str, int]:
    """Builds a new index from the topics and lets the alias name it; the old one serves until then.

    Returns:
        The new index and how many records it holds.

    Raises:
        FatalError: Kafka cannot be reached, or OpenSearch takes nothing for minutes.
    """
    consumer = await asyncio.to_thread(_consumer, settings)
    offsets: Offsets = {}
    try:
        index = await projection.next_name()
        await projection.create(index)
        places = await asyncio.to_thread(starts, consumer, offsets, datetime.now(UTC) - keep)
        ends = await asyncio.to_thread(_ends, consumer, places)
        consumer.assign(places)
        places_by = {(place.topic, place.partition): place.offset for place in places}
        total, written = sum(end - places_by[key] for key, end in ends.items()), 0
        positions = dict(places_by)
        while any(positions[key] < end for key, end in ends.items()):
            messages = await asyncio.to_thread(consumer.consume, 4 * _AT_ONCE, _WAIT_SECONDS)
            updates = await asyncio.to_thread(lambda found: list(documents(found, serde)), messages)
            advance(offsets, messages)
            await write_patiently(projection, index, updates, offsets)
            written += len(updates)
            positions |= _positions(consumer, ends)
            left = sum(max(0, end - positions[key]) for key, end in ends.items())
            progress(total - left, total)
        await projection.refresh(index)
        await projection.swap(index)
    except (KeyflowError, KafkaException) as error:
        raise error if isinstance(error, FatalError) else FatalError(f"the rebuild stopped: {error.args[0]}") from error
    finally:
        await asyncio.to_thread(consumer.close)
    return index, written


async def write_patiently(
    projection: OpenSearchProjection,
    index: str,
    updates: Sequence[tuple[str, Document]],
    offsets: Offsets,
    *,
    backoff: Backoff = _REFUSED,
    patience_seconds: float = _PATIENCE_SECONDS,
) -> None:
    """Writes the same again while OpenSearch asks for time: it does so where its memory is short, and once restarted.

    Raises:
        KeyflowError: It refused for `patience_seconds`, or for good.
    """
    deadline, attempt = time.monotonic() + patience_seconds, 0
    while True:
        try:
            await projection.write(index, updates, offsets)
            break
        except (RetryableError, OutageError) as error:
            attempt += 1
            delay = backoff.delay_seconds(attempt, None)
            if time.monotonic() + delay > deadline:
                raise
            log.warning("console.rebuild_waits", error=str(error.args[0]), attempt=attempt)
            await asyncio.sleep(delay)


def documents(messages: Sequence[Message], serde: AvroSerde) -> Iterator[tuple[str, Document]]:
    """What is to be written for these records; what no schema reads is counted and left out."""
    for message in messages:
        value, topic = message.value(), message.topic()
        if message.error() is not None or value is None or topic is None:
            continue
        if topic == LEDGER:
            update = ledger_update(value)
            if update is not None:
                yield (message.key() or b"").decode(errors="replace"), update
            continue
        place = Place(topic, message.partition() or 0, message.offset() or 0, message.timestamp()[1])
        try:
            record = serde.decode(topic, value)
        except PoisonMessageError:
            _UNREADABLE.labels(topic).inc()
            continue
        event_id, found = document(record, place)
        if isinstance(record, DeadLetter) and (language := language_in(decoded(record, serde))):
            found["language"] = language
        yield event_id, found


def advance(offsets: Offsets, messages: Sequence[Message]) -> None:
    """Notes what was read."""
    for message in messages:
        if message.error() is None:
            offsets.setdefault(message.topic() or "", {})[str(message.partition())] = (message.offset() or 0) + 1


def starts(consumer: Consumer, offsets: Mapping[str, Mapping[str, int]], since: datetime) -> list[TopicPartition]:
    """Where each partition is read from: where the index stands, else from its first record that is kept."""
    known: list[TopicPartition] = []
    unknown: list[TopicPartition] = []
    described = consumer.list_topics(timeout=_TIMEOUT_SECONDS).topics
    for topic in (*TOPICS, LEDGER):
        if topic not in described:
            log.warning("console.topic_missing", topic=topic)
            continue
        for partition in described[topic].partitions:
            offset = offsets.get(topic, {}).get(str(partition))
            place = TopicPartition(topic, partition, offset if offset is not None else round(since.timestamp() * 1000))
            (known if offset is not None else unknown).append(place)
    found = consumer.offsets_for_times(unknown, timeout=_TIMEOUT_SECONDS) if unknown else []
    return [*known, *(_at_end(consumer, place) if place.offset < 0 else place for place in found)]


def _at_end(consumer: Consumer, place: TopicPartition) -> TopicPartition:
    """A partition that holds nothing new enough is read from its end."""
    _, high = consumer.get_watermark_offsets(place, timeout=_TIMEOUT_SECONDS)
    return TopicPartition(place.topic, place.partition, high)


def _ends(consumer: Consumer, places: Sequence[TopicPartition]) -> dict[tuple[str, int], int]:
    """The end of every partition that has something left."""
    ends: dict[tuple[str, int], int] = {}
    for place in places:
        _, high = consumer.get_watermark_offsets(place, timeout=_TIMEOUT_SECONDS)
        if high > place.offset:
            ends[place.topic, place.partition] = high
    return ends


def _positions(consumer: Consumer, ends: Mapping[tuple[str, int], int]) -> dict[tuple[str, int], int]:
    asked = [TopicPartition(topic, partition) for topic, partition in ends]
    return {(place.topic, place.partition): place.offset for place in consumer.position(asked) if place.offset >= 0}


def _consumer(settings: KafkaSettings) -> Consumer:
    config: dict[str, Any] = {
        **settings.reader("console"),  # the index has the offsets
        "auto.offset.reset": "earliest",
        "queued.max.messages.kbytes": 16_384,
        "fetch.wait.max.ms": 200,
    }
    return Consumer(config)
