"""Shows a payload without what a person said or who they are; everything only on demand, which is written down."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

from keyflow.errors import KeyflowError
from keyflow.parking import PARKED_NUMBER_HEADER

from floodgate.deadletters.decisions import REDRIVEN_FROM_HEADER
from floodgate.events import DeadLetter
from floodgate.events.serde import AvroSerde
from floodgate.events.topics import topics

_SHOWN: Final = frozenset(
    {
        "event_id",
        "causation_id",
        "occurred_at",
        "conversation_id",
        "interaction_id",
        "kind",
        "channel",
        "chosen_path",
        "language",
        "country",
        "decision",
        "category",
        "suggested_path",
        "workflow",
        "step",
        "awaits",
        "misuse",
        "reason_code",
        "priority",
        "source",
        "team",
        "service",
        "catalogue",
        "prompt",
        "topic",
        "type",
        "role",
    }
)
"""Members whose text is ours or the channel's, never a person's."""


def decoded(letter: DeadLetter, serde: AvroSerde) -> Any:
    """The payload as JSON types: Avro, JSON, or None when it is neither."""
    if letter.value is None:
        return None
    origin = topics().get(letter.origin_topic)
    if origin is not None and origin.record is not None:
        try:
            return serde.decode(letter.origin_topic, letter.value).model_dump(mode="json")
        except KeyflowError:
            pass  # broken Avro is what brought it here; it may still be readable as JSON
    try:
        return json.loads(letter.value)
    except (ValueError, RecursionError):
        return None


def masked(value: Any, name: str = "", also: frozenset[str] = frozenset()) -> Any:
    """The same shape with texts replaced by their lengths; `also` names further members that may be shown."""
    if isinstance(value, Mapping):
        return {str(key): masked(part, str(key), also) for key, part in value.items()}
    if isinstance(value, list):
        return [masked(part, name, also) for part in value]
    if isinstance(value, str) and name not in _SHOWN and name not in also and value:
        return f"<{len(value)} characters>"
    return value


def fingerprint(value: bytes | None) -> str:
    """What can be said of bytes that cannot be read."""
    if value is None:
        return "no payload"
    return f"{len(value)} bytes, SHA-256 {hashlib.sha256(value).hexdigest()[:16]}…"


def description(letter: DeadLetter, serde: AvroSerde, *, unmask: bool) -> dict[str, Any]:
    """Everything about a letter, as JSON."""
    payload = decoded(letter, serde)
    facts = letter.model_dump(mode="json", exclude={"value", "headers", "raw_output", "key"})
    facts["key"] = (letter.key or b"").decode(errors="replace")
    facts["headers"] = {header.key: _header(header.key, header.value, unmask=unmask) for header in letter.headers}
    facts["payload_bytes"] = fingerprint(letter.value)
    facts["payload"] = payload if unmask else masked(payload)
    if payload is None and unmask and letter.value is not None:
        facts["payload"] = letter.value.decode(errors="replace")
    if letter.raw_output is not None:
        facts["raw_output"] = letter.raw_output if unmask else f"<{len(letter.raw_output)} characters>"
    return facts


def _header(name: str, value: bytes | None, *, unmask: bool) -> str:
    text = (value or b"").decode(errors="replace")
    plain = name in {"event-id", "traceparent", "origin-topic", PARKED_NUMBER_HEADER, REDRIVEN_FROM_HEADER}
    return text if unmask or plain else f"<{len(text)} characters>"
