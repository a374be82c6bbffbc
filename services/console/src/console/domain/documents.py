"""What the projection holds of one record: the members that pages count and search by, and the record itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from floodgate.events import (
    AvroModel,
    DeadLetter,
    Escalation,
    Message,
    Metric,
    Reply,
    Summary,
    Verdict,
    edge_event_id,
)
from floodgate.privacy import redact

from console.domain.words import visible

Document = dict[str, Any]

LEDGER: Final = "support.redrive.ledger"
DEAD_LETTERS: Final = "support.dead-letters"
TOPICS: Final = (
    "support.messages",
    "support.verdicts",
    "support.replies",
    "support.escalations",
    "support.interactions",
    "support.summaries",
    "support.feedback",
    "support.metrics",
    DEAD_LETTERS,
    "support.audit",
    "support.modes",
    "support.proposals",
    "support.approvals",
)
"""What is projected as one document a record; the ledger is added to the letters that it speaks of."""

VERSION: Final = 2
"""Raised with every change of what a document holds; an index of another version is told to be rebuilt."""

_EXACT: Final = (
    "conversation_id",
    "interaction_id",
    "contact_id",
    "causation_id",
    "kind",
    "channel",
    "chosen_path",
    "suggested_path",
    "language",
    "country",
    "category",
    "team",
    "decision",
    "misuse",
    "reason_code",
    "priority",
    "workflow",
    "step",
    "awaits",
    "sentiment",
    "primary_topic",
    "intent",
    "resolution_status",
    "service",
    "error_class",
    "error_type",
    "origin_topic",
    "label",
    "should_be",
    "source",
    "reviewer",
    "name",
    "alert",
    "actor",
    "action",
    "target",
    "mode",
    "proposal_id",
    "status",
    "outcome",
)
_PLAIN: Final = (
    "urgent",
    "urgency",
    "confidence",
    "matches_chosen_path",
    "screened",
    "redirect_count",
    "resolved",
    "elapsed_ms",
    "repaired",
    "urgency_score",
    "csat_indicator",
    "attempts",
    "value",
    "window_seconds",
    "revision",
    "amount_cents",
)
_USAGE: Final = (
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "cost_usd",
    "latency_ms",
    "calls",
)
_MAX_SEARCHED: Final = 4_000
_MAX_REASON: Final = 500
_MAX_LANGUAGE: Final = 20


@dataclass(frozen=True, slots=True)
class Place:
    """Where a record stands in Kafka."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int


def document(record: AvroModel, place: Place) -> tuple[str, Document]:
    """A record's id in the projection, and its document."""
    fields = record.model_dump(mode="json", exclude={"key", "value", "headers"} if _is_letter(record) else None)
    found: Document = {
        "topic": place.topic,
        "partition": place.partition,
        "offset": place.offset,
        "written_at": place.timestamp_ms,
        "at": fields["occurred_at"],
        "event_id": fields["event_id"],
        "record": json.dumps(fields, ensure_ascii=False),
    }
    found |= {name: fields[name] for name in _EXACT if fields.get(name) not in (None, "")}
    found |= {name: fields[name] for name in _PLAIN if fields.get(name) is not None}
    usage = fields.get("usage")
    if isinstance(usage, Mapping):
        found |= {name: usage[name] for name in _USAGE if usage.get(name)}
        found["model"] = usage.get("model_label", "")
    versions = fields.get("versions")
    if isinstance(versions, Mapping):
        found["versions"] = {name: value for name, value in versions.items() if value}
    found |= _of_kind(record)
    return _identity(record, fields["event_id"]), found


def _identity(record: AvroModel, event_id: str) -> str:
    """A figure that late events corrected takes the place of the one before; everything else is its event."""
    if not isinstance(record, Metric) or record.alert is not None:
        return event_id
    cell = "/".join(f"{name}={value}" for name, value in sorted(record.dimensions.items()))
    place = f"{record.window_seconds}/{record.window_start.isoformat()}/{record.name}/{cell}"
    return str(edge_event_id("figure", place))


def _is_letter(record: AvroModel) -> bool:
    return isinstance(record, DeadLetter)


def _of_kind(record: AvroModel) -> Document:
    """What only one kind of record has."""
    match record:
        case Verdict():
            return _of_verdict(record)
        case DeadLetter():
            return _of_letter(record)
        case Metric():
            at = record.window_start.isoformat()
            return {"window_start": at, "at": at, "dimensions": dict(record.dimensions)}
        case Reply() | Escalation():
            return _of_answer(record)
    return _text_of(record)


def _text_of(record: AvroModel) -> Document:
    match record:
        case Message() if record.text:
            return {"text": _searchable(record.text, record.language, record.country)}
        case Summary():
            return {"text": record.summary}
    return {}


def _of_answer(answer: Reply | Escalation) -> Document:
    return {
        "actions": [f"{action.action}:{action.status.value}" for action in answer.actions],
        "articles": sorted({citation.article_id for citation in answer.citations}),
        "urgency_reasons": list(getattr(answer, "urgency_reasons", ())),
    }


def _of_verdict(verdict: Verdict) -> Document:
    found: Document = {
        "chosen_path": verdict.message.chosen_path,
        "contact_id": verdict.message.contact_id,
        "channel": verdict.message.channel,
        "articles": sorted({citation.article_id for citation in verdict.citations}),
        "urgency_reasons": list(verdict.urgency_reasons),
        "screened": verdict.screened,
    }
    if verdict.message.clicked_option:
        found["clicked"] = True
    return found


def _of_letter(letter: DeadLetter) -> Document:
    key = (letter.key or b"").decode(errors="replace")
    found: Document = {"letter_key": key, "reason_line": visible(letter.reason)[:_MAX_REASON], "state": "open"}
    if ":" in key:
        found["conversation_id"] = key
    return found


def language_in(payload: Any) -> str:
    """The language that a letter's payload says, itself or in the message that it carries; empty when neither does."""
    parts = [payload, payload.get("message")] if isinstance(payload, Mapping) else []
    said = [part.get("language") for part in parts if isinstance(part, Mapping)]
    return next((name for name in said if isinstance(name, str) and 0 < len(name) <= _MAX_LANGUAGE), "")


def _searchable(text: str, language: str | None, country: str | None) -> str:
    """What can be searched of what somebody wrote: nobody is found by a number, an address or an account."""
    return redact(text[:_MAX_SEARCHED], language=language, country=country).text


def ledger_update(value: bytes) -> Document | None:
    """What the ledger adds to a letter; None when it cannot be read."""
    try:
        entry = json.loads(value)
        return {
            "state": str(entry["action"]),
            "state_at": datetime.fromisoformat(entry["at"]).isoformat(),
            "state_by": str(entry["actor"]),
            "state_reason": str(entry.get("reason", "")),
        }
    except (ValueError, KeyError, TypeError):
        return None


def mapping() -> Document:
    """Settings and mapping of the projection's index."""
    keyword = {"type": "keyword", "ignore_above": 512}
    properties: Document = dict.fromkeys(_EXACT, keyword)
    properties |= dict.fromkeys(("topic", "event_id", "model", "actions", "articles", "urgency_reasons"), keyword)
    properties |= dict.fromkeys(("letter_key", "reason_line", "state", "state_by", "state_reason"), keyword)
    properties |= {name: {"type": "boolean"} for name in ("urgent", "matches_chosen_path", "screened", "resolved")}
    properties |= {name: {"type": "boolean"} for name in ("repaired", "clicked")}
    properties |= {
        name: {"type": "double"}
        for name in ("urgency", "confidence", "urgency_score", "csat_indicator", "value", "cost_usd")
    }
    properties |= {
        name: {"type": "long"}
        for name in (
            "redirect_count",
            "elapsed_ms",
            "attempts",
            "window_seconds",
            "revision",
            "amount_cents",
            "partition",
            "offset",
            *_USAGE,
        )
        if name != "cost_usd"
    }
    properties |= {name: {"type": "date"} for name in ("at", "written_at", "window_start", "state_at")}
    properties |= {
        "text": {"type": "text", "analyzer": "standard"},
        "record": {"type": "object", "enabled": False},
        "versions": {"properties": dict.fromkeys(("service", "catalogue", "prompt", "workflow", "model"), keyword)},
        "dimensions": {"type": "flat_object"},
        "offsets": {"type": "object", "enabled": False},
    }
    settings = {"number_of_shards": 1, "auto_expand_replicas": "0-1", "refresh_interval": "500ms"}
    meta = {"projection_version": VERSION}
    return {"settings": settings, "mappings": {"_meta": meta, "dynamic": False, "properties": properties}}
