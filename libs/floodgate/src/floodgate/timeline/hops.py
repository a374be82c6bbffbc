"""Records of a conversation in the order in which they happened, each with what it took. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from floodgate.deadletters.masking import masked
from floodgate.events import (
    AvroModel,
    DeadLetter,
    Escalation,
    Feedback,
    Interaction,
    Message,
    ModelUsage,
    Reply,
    Summary,
    Verdict,
)

TRACEPARENT: Final = "traceparent"
_OURS: Final = frozenset(
    {
        "action", "actor", "alert", "article_id", "chunk_id", "error_class", "error_type", "label", "model", "model_id",
        "model_label", "name", "origin_topic", "reason", "resolution_status", "sentiment", "should_be", "status",
        "steps", "tags", "target", "title", "urgency_reasons", "window_start",
    }
)  # fmt: skip
"""Members of our own records whose text is ours; in a payload from outside they may be anything."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One record where it stands.

    Attributes:
        value: The decoded record; None when it could not be read (`problem` says why) or is a tombstone.
        timestamp_ms: Kafka's timestamp, milliseconds since the epoch.
    """

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: str
    value: AvroModel | None
    headers: Mapping[str, bytes] = field(default_factory=dict)
    size_bytes: int = 0
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Hop:
    """One step of a conversation.

    Attributes:
        service: Who wrote it.
        latency_ms: From the record that caused it to this one, by Kafka's timestamps; None at the edge.
        elapsed_ms: What the service says that it took, where it says so.
        facts: What was decided, without a word of the customer.
        record: The whole record as JSON, masked unless asked otherwise.
    """

    at_ms: int
    topic: str
    partition: int
    offset: int
    service: str
    event_id: str
    causation_id: str | None
    what: str
    latency_ms: int | None
    elapsed_ms: int | None
    model: str
    calls: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    cost_usd: float
    versions: Mapping[str, str]
    trace_id: str
    facts: Mapping[str, Any]
    record: Mapping[str, Any]


def hops(seen: Iterable[Seen], *, unmask: bool = False) -> list[Hop]:
    """The timeline; the same event twice counts once."""
    unique: dict[UUID, Seen] = {}
    for each in seen:
        if isinstance(each.value, AvroModel):
            unique.setdefault(_event_id(each.value), each)
    ordered = sorted(unique.values(), key=lambda each: (each.timestamp_ms, _RANK.get(each.topic, 9), each.offset))
    written_ms = {event_id: each.timestamp_ms for event_id, each in unique.items()}
    return [_hop(each, written_ms, unmask=unmask) for each in ordered]


def totals(timeline: Sequence[Hop]) -> dict[str, float]:
    """What the conversation took in all; a hand-off repeats the usage of the decision behind it and is left out."""
    paid = {(hop.causation_id, hop.service, hop.cost_usd, hop.input_tokens): hop for hop in timeline if hop.calls}
    return {
        "hops": len(timeline),
        "span_ms": timeline[-1].at_ms - timeline[0].at_ms if timeline else 0,
        "calls": sum(hop.calls for hop in paid.values()),
        "input_tokens": sum(hop.input_tokens for hop in paid.values()),
        "output_tokens": sum(hop.output_tokens for hop in paid.values()),
        "cost_usd": round(sum(hop.cost_usd for hop in paid.values()), 9),
    }


def _hop(seen: Seen, written_ms: Mapping[UUID, int], *, unmask: bool) -> Hop:
    value: Any = seen.value
    cause = value.causation_id
    usage: ModelUsage = getattr(value, "usage", ModelUsage())
    record = _json(value)
    versions = value.versions if isinstance(value, DeadLetter) else getattr(value, "versions", None)
    return Hop(
        at_ms=seen.timestamp_ms,
        topic=seen.topic,
        partition=seen.partition,
        offset=seen.offset,
        service=_service(value),
        event_id=str(value.event_id),
        causation_id=str(cause) if cause else None,
        what=_WHAT[type(value)](value),
        latency_ms=seen.timestamp_ms - written_ms[cause] if cause in written_ms else None,
        elapsed_ms=getattr(value, "elapsed_ms", None) or usage.latency_ms or None,
        model=usage.model_label or usage.model_id,
        calls=usage.calls,
        input_tokens=usage.input_tokens + usage.cache_read_tokens + usage.cache_write_tokens,
        output_tokens=usage.output_tokens,
        cached_tokens=usage.cache_read_tokens,
        cost_usd=usage.cost_usd,
        versions={} if versions is None else {name: text for name, text in dict(versions).items() if text},
        trace_id=trace_id(seen.headers),
        facts={name: masked(record[name], name, _OURS) for name in _FACTS.get(type(value), ()) if record[name]},
        record=shown(value, unmask=unmask),
    )


def trace_id(headers: Mapping[str, bytes]) -> str:
    """The trace that a record belongs to; empty when it has none."""
    parts = headers.get(TRACEPARENT, b"").decode(errors="replace").split("-")
    return parts[1] if len(parts) == 4 else ""


def _event_id(value: Any) -> UUID:
    found: UUID = value.event_id
    return found


def shown(value: AvroModel, *, unmask: bool) -> dict[str, Any]:
    """A record as JSON, texts replaced by their lengths unless asked otherwise."""
    record: dict[str, Any] = _json(value) if unmask else masked(_json(value), also=_OURS)
    return record


def _json(value: AvroModel) -> dict[str, Any]:
    """Without a dead letter's bytes, which the dead letters' own commands decode and show."""
    hidden = {"key", "value", "headers", "raw_output"} if isinstance(value, DeadLetter) else set()
    return value.model_dump(mode="json", exclude=hidden)


def _service(value: AvroModel) -> str:
    match value:
        case Escalation():
            return str(value.source)
        case DeadLetter():
            return value.service
        case Feedback():
            return value.source
    return _SERVICE.get(type(value), "")


def _told_reply(reply: Reply) -> str:
    if reply.resolved:
        return "resolved"
    return f"asks for {reply.awaits}" if reply.awaits else "replies"


_WHAT: Final[Mapping[type, Callable[[Any], str]]] = {
    Message: lambda message: str(message.kind),
    Verdict: lambda verdict: str(verdict.decision),
    Reply: _told_reply,
    Escalation: lambda escalation: f"hands over: {escalation.reason_code}",
    Interaction: lambda interaction: f"interaction of {len(interaction.turns)} turns",
    Summary: lambda summary: f"summary: {summary.resolution_status}",
    Feedback: lambda feedback: f"feedback: {feedback.label}",
    DeadLetter: lambda letter: f"dead letter: {letter.error_class}",
}
_SERVICE: Final[Mapping[type, str]] = {
    Message: "ingest",
    Verdict: "firewall",
    Reply: "agent",
    Interaction: "ingest",
    Summary: "summarizer",
}
_FACTS: Final[Mapping[type, tuple[str, ...]]] = {
    Message: ("channel", "chosen_path", "language", "country"),
    Verdict: (
        "category", "matches_chosen_path", "suggested_path", "misuse", "urgent", "urgency", "confidence", "language",
        "country", "team", "redirect_count", "screened", "workflow", "citations",
    ),
    Reply: ("workflow", "step", "awaits", "category", "resolved", "citations"),
    Escalation: ("reason_code", "priority", "urgent", "category", "team", "language", "country", "citations"),
    Interaction: ("source", "language", "country", "chosen_path"),
    Summary: ("resolution_status", "sentiment", "language", "country", "repaired"),
    Feedback: ("label", "should_be", "source"),
    DeadLetter: ("service", "origin_topic", "origin_partition", "origin_offset", "error_class", "error_type"),
}  # fmt: skip
_RANK: Final = {
    topic: rank
    for rank, topic in enumerate(
        f"support.{name}"
        for name in ("messages", "verdicts", "replies", "escalations", "feedback", "interactions", "summaries")
    )
}
