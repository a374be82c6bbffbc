"""What happened: the records of some hours, conversation by conversation, and what the live version decided."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from uuid import UUID

from floodgate.committed import CommittedRecords
from floodgate.events.generated import AvroModel
from floodgate.events.topics import model, topics
from floodgate.json_lines import json_objects
from keyflow import FatalError
from pydantic import ValidationError

from floodgate_eval.sampling import SEED

DEFAULT_LOOKBACK_SECONDS: Final = 7 * 86_400.0
_REMEDY: Final = "run `floodgate setup`, or name a file of records with --file"
_SHAPE: Final = '{"topic": "support.messages", "timestamp_ms": 1795360358435, "value": {…}}'


@dataclass(frozen=True, slots=True)
class Entry:
    """One committed record.

    Attributes:
        timestamp_ms: Kafka's.
    """

    topic: str
    partition: int
    offset: int
    key: str
    timestamp_ms: int
    value: AvroModel


@dataclass(frozen=True, slots=True)
class Window:
    """From when (inclusive) to when (exclusive) decisions are compared; milliseconds since the epoch."""

    from_ms: int
    to_ms: int

    def holds(self, entry: Entry) -> bool:
        """Whether the entry is among those to be compared."""
        return self.from_ms <= entry.timestamp_ms < self.to_ms


@dataclass(frozen=True, slots=True)
class Conversation:
    """The records of one key in the order in which the service met them, from the beginning on."""

    key: str
    entries: tuple[Entry, ...]


@dataclass(slots=True)
class History:
    """What is replayed, and what the live version made of it.

    Attributes:
        made: What was written because of an event, by that event's id.
        unreadable: Records that no version of their schema fits.
    """

    window: Window
    conversations: list[Conversation] = field(default_factory=list)
    made: dict[UUID, list[AvroModel]] = field(default_factory=dict)
    unreadable: int = 0

    def limited(self, limit: int | None, *, sample: bool) -> History:
        """With at most so many conversations: the newest, or a seeded sample."""
        kept = self.conversations
        if limit is not None and limit < len(kept):
            draw = random.Random(SEED)  # noqa: S311 - a sample, not a secret
            kept = sorted(draw.sample(kept, limit), key=_begin) if sample else kept[-limit:]
        return History(self.window, kept, self.made, self.unreadable)


Decides = Callable[[Entry], bool]


def from_topics(
    inputs: Sequence[str],
    outputs: Sequence[str],
    window: Window,
    decides: Decides,
    *,
    lookback_seconds: float = DEFAULT_LOOKBACK_SECONDS,
) -> History:
    """Reads the committed topics; belongs to no group, commits and produces nothing.

    Args:
        inputs: What the service reads; the first one's records are what is decided about.
        outputs: What it writes.
        window: What is compared.
        decides: Whether a decision is due about a record.
        lookback_seconds: How far before the window a conversation is followed to its beginning.

    Raises:
        FatalError: Kafka or the registry cannot be reached, or a topic does not exist.
    """
    records = CommittedRecords(_REMEDY, "shadow")
    first = _entries(records, inputs[0], window.from_ms)
    keys = frozenset(entry.key for entry in first if window.holds(entry) and decides(entry))
    since_ms = window.from_ms - round(lookback_seconds * 1000)
    records.unreadable = 0  # what is read a second time counts once
    wanted = dict.fromkeys((*inputs, *outputs))
    found = [entry for topic in wanted for entry in _entries(records, topic, since_ms, keys)]
    return _history(found, inputs, outputs, window, decides, unreadable=records.unreadable)


def from_files(paths: Sequence[Path], inputs: Sequence[str], outputs: Sequence[str], decides: Decides) -> History:
    """Reads records that were kept as JSON Lines; all of them are compared.

    Raises:
        FatalError: A file cannot be read, or a row is no record of a topic: file, line and remedy.
    """
    wanted = {*inputs, *outputs}
    found = [
        entry
        for number, (place, row) in enumerate(json_objects(paths, _SHAPE))
        if (entry := _entry(place, row, number)).topic in wanted
    ]
    if not any(entry.topic == inputs[0] for entry in found):
        named = ", ".join(str(path) for path in paths)
        raise FatalError(f"{named}: no record of {inputs[0]} is there; write rows such as {_SHAPE}")
    stamps = [entry.timestamp_ms for entry in found]
    return _history(found, inputs, outputs, Window(min(stamps), max(stamps) + 1), decides)


def kept(history: History, inputs: Sequence[str]) -> Iterator[str]:
    """The rows that `from_files` reads again. They hold what customers wrote."""
    for conversation in history.conversations:
        caused = [made for entry in conversation.entries for made in _made(history, entry)]
        for entry in conversation.entries:
            yield _row(entry.topic, entry.timestamp_ms, entry.value)
        for topic, record in caused:
            if topic not in inputs:
                stamp = round(getattr(record, "occurred_at").timestamp() * 1000)  # noqa: B009 - every record has it
                yield _row(topic, stamp, record)


def _made(history: History, entry: Entry) -> Iterator[tuple[str, AvroModel]]:
    names = {topic.record: name for name, topic in topics().items() if topic.record is not None}
    for record in history.made.get(getattr(entry.value, "event_id"), ()):  # noqa: B009 - every record has it
        yield names[type(record).__name__], record


def _row(topic: str, timestamp_ms: int, record: AvroModel) -> str:
    value = record.model_dump(mode="json")
    return json.dumps({"topic": topic, "timestamp_ms": timestamp_ms, "value": value}, ensure_ascii=False) + "\n"


def _history(
    found: Iterable[Entry],
    inputs: Sequence[str],
    outputs: Sequence[str],
    window: Window,
    decides: Decides,
    *,
    unreadable: int = 0,
) -> History:
    # What others wrote in between was there before the record that came at the same millisecond.
    rank = {topic: (-number, topic) for number, topic in enumerate(inputs)}
    by_key: dict[str, list[Entry]] = {}
    made: dict[UUID, list[AvroModel]] = {}
    for entry in found:
        if entry.topic in rank and entry.timestamp_ms < window.to_ms:
            by_key.setdefault(entry.key, []).append(entry)
        cause = getattr(entry.value, "causation_id", None)
        if entry.topic in outputs and cause is not None:
            made.setdefault(cause, []).append(entry.value)
    conversations = [
        Conversation(
            key, tuple(sorted(entries, key=lambda one: (one.timestamp_ms, rank[one.topic], one.partition, one.offset)))
        )
        for key, entries in by_key.items()
        if any(window.holds(entry) and decides(entry) for entry in entries)
    ]
    return History(window, sorted(conversations, key=_begin), made, unreadable)


def _begin(conversation: Conversation) -> tuple[int, str]:
    return conversation.entries[0].timestamp_ms, conversation.key


def _entries(
    records: CommittedRecords, topic: str, since_ms: int, keys: frozenset[str] | None = None
) -> Iterator[Entry]:
    for message, key, value in records.of(topic, since_ms=since_ms, keys=keys):
        place = (message.partition() or 0, message.offset() or 0)
        yield Entry(topic, *place, key, message.timestamp()[1], value)


def _entry(place: str, row: Mapping[str, object], number: int) -> Entry:
    topic, stamp = row.get("topic"), row.get("timestamp_ms")
    declared = topics().get(str(topic))
    if declared is None or declared.record is None:
        raise FatalError(f"{place}: topic: no topic that carries records; write {_SHAPE}")
    try:
        value = model(declared.record).model_validate_json(json.dumps(row.get("value")))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        member = ".".join(map(str, first["loc"])) or "value"
        raise FatalError(f"{place}: value.{member}: {first['msg']}; write {_SHAPE}") from error
    occurred_ms = round(getattr(value, "occurred_at").timestamp() * 1000)  # noqa: B009 - every record has it
    key = str(getattr(value, declared.key, ""))
    return Entry(str(topic), 0, number, key, stamp if isinstance(stamp, int) else occurred_ms, value)
