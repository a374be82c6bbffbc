"""A month of records in every topic that the console projects, as many as asked, the same for the same number."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid5

from confluent_kafka import Producer
from floodgate.events import (
    AuditEntry,
    AvroModel,
    DeadLetter,
    Decision,
    Escalation,
    EscalationSource,
    Feedback,
    FeedbackLabel,
    Interaction,
    Message,
    MessageKind,
    Metric,
    Misuse,
    ModelUsage,
    OutboundReply,
    Priority,
    Reply,
    ResolutionStatus,
    Sentiment,
    Summary,
    Turn,
    TurnRole,
    Verdict,
    Versions,
)
from floodgate.events.serde import AvroSerde

DAYS: Final = 29
_SPACE: Final = UUID("6d9e7d4a-6a53-4d55-8d5e-3c6b6f7c9a10")
_LANGUAGES: Final = ("nl", "de", "fr", "en", "es", "pl", "it", "da", "sv", "pt")
_COUNTRIES: Final = ("NL", "DE", "FR", "GB", "ES", "PL", "IT", "DK", "SE", "PT")
_PATHS: Final = ("tickets/refund", "tickets/resend", "tickets/change", "tickets/name", "account", "other")
_CATEGORIES: Final = tuple(f"category_{number:02}" for number in range(24))
_WORDS: Final = [
    "I",
    "bought",
    "two",
    "tickets",
    "for",
    "Saturday",
    "and",
    "the",
    "barcode",
    "has",
    "not",
    "arrived,",
    "could",
    "you",
    "send",
    "it",
    "once",
    "more",
    "to",
    "my",
    "address",
    "please",
    "because",
    "the",
    "concert",
    "is",
    "soon",
    "and",
    "nobody",
    "answers",
    "the",
    "telephone",
    "when",
    "I",
    "ring",
    "in",
    "the",
    "evening",
]
_USAGE: Final = ModelUsage(
    model_id="local", model_label="local model", input_tokens=900, output_tokens=60, calls=1, cost_usd=0.0004,
    latency_ms=420,
)  # fmt: skip
_VERSIONS: Final = Versions(service="0.1.0", prompt="screen-4", catalogue="bench")

Record = tuple[str, str, AvroModel, datetime]
"""Topic, key, record, when."""


def records(count: int, now: datetime) -> Iterator[Record]:
    """So many records: conversations of some six records each, spread over the days."""
    chance, made = random.Random(count), 0  # noqa: S311 (a load that repeats)
    span = timedelta(days=DAYS).total_seconds()
    conversations = max(1, round(count / 5.6))
    number = 0
    while made < count:
        at = now - timedelta(seconds=span * max(0.0, 1 - number / conversations))
        for record in _conversation(number, at, chance):
            yield record
            made += 1
        number += 1


def _conversation(number: int, at: datetime, chance: random.Random) -> Iterator[Record]:
    name, place = f"rest:bench-{number}", chance.randrange(len(_LANGUAGES))
    language, country = _LANGUAGES[place], _COUNTRIES[place]
    category = _CATEGORIES[min(23, int(chance.expovariate(0.15)))]

    def made(kind: str) -> dict[str, Any]:
        return {"event_id": uuid5(_SPACE, f"{number}:{kind}"), "occurred_at": at}

    said = Message(
        **made("message"), conversation_id=name, kind=MessageKind.USER_MESSAGE, channel="rest",
        contact_id=f"contact-{number % 40_000}", text=" ".join(chance.choices(_WORDS, k=30)),
        chosen_path=chance.choice(_PATHS), language=language, country=country,
    )  # fmt: skip
    yield "support.messages", name, said, at
    decision = chance.choices(list(Decision)[:5], (40, 15, 25, 18, 2))[0]
    urgent = chance.random() < 0.03
    verdict = Verdict(
        **made("verdict"), causation_id=said.event_id, conversation_id=name, decision=decision, message=said,
        category=category, misuse=chance.choices((Misuse.NONE, Misuse.BYPASS, Misuse.SPAM), (85, 13, 2))[0],
        urgent=urgent, urgency=0.9 if urgent else 0.1, confidence=0.9, explanation="", language=language,
        country=country, redirect_count=1 + (chance.random() < 0.1) if decision is Decision.REDIRECT else 0,
        elapsed_ms=int(chance.lognormvariate(6, 0.5)), usage=_USAGE, versions=_VERSIONS,
    )  # fmt: skip
    yield "support.verdicts", name, verdict, at
    yield _answered(made, verdict, chance, at)
    interaction_id = uuid5(_SPACE, f"{number}:interaction")
    if chance.random() < 0.7:
        turns = (Turn(role=TurnRole.CUSTOMER, text=said.text, at=at),)
        yield "support.interactions", str(interaction_id), Interaction(
            **made("finished"), interaction_id=interaction_id, conversation_id=name, contact_id=said.contact_id,
            channel="rest", source="live", started_at=at, ended_at=at, turns=turns, language=language, country=country,
        ), at  # fmt: skip
        yield "support.summaries", str(interaction_id), _summary(made, interaction_id, said, chance), at
    yield from _rarely(number, made, verdict, chance, at)


def _answered(made: Callable[[str], dict[str, Any]], verdict: Verdict, chance: random.Random, at: datetime) -> Record:
    name, said = verdict.conversation_id, verdict.message
    if verdict.decision is Decision.AUTOMATE and not verdict.urgent:
        reply = Reply(
            **made("reply"), causation_id=verdict.event_id, conversation_id=name, channel="rest",
            contact_id=said.contact_id, workflow="resend_tickets", step="done",
            category=verdict.category, resolved=chance.random() < 0.7,
            reply=OutboundReply(text="Your tickets were sent again.", language=verdict.language), usage=_USAGE,
            versions=_VERSIONS.model_copy(update={"workflow": "resend_tickets@3"}),
        )  # fmt: skip
        return "support.replies", name, reply, at
    handed = Escalation(
        **made("escalation"), causation_id=verdict.event_id, conversation_id=name, channel="rest",
        contact_id=said.contact_id, source=EscalationSource.FIREWALL, reason_code="urgent", language=verdict.language,
        priority=Priority.HIGH if verdict.urgent else Priority.NORMAL, urgent=verdict.urgent,
        category=verdict.category, usage=_USAGE,
    )  # fmt: skip
    return "support.escalations", name, handed, at


def _summary(
    made: Callable[[str], dict[str, Any]], interaction_id: UUID, said: Message, chance: random.Random
) -> Summary:
    return Summary(
        **made("summary"), interaction_id=interaction_id, contact_id=said.contact_id, language=said.language or "",
        country=said.country, summary="The customer asked for tickets to be sent again.",
        primary_topic=chance.choice(_CATEGORIES), sentiment=chance.choice(list(Sentiment)[:3]), intent="ask",
        resolution_status=chance.choice(list(ResolutionStatus)[:3]), urgency_score=0.1, csat_indicator=0.6,
        model="local model", event_time=said.occurred_at,
        repaired=chance.random() < 0.02, usage=_USAGE, versions=_VERSIONS,
    )  # fmt: skip


def _rarely(
    number: int, made: Callable[[str], dict[str, Any]], verdict: Verdict, chance: random.Random, at: datetime
) -> Iterator[Record]:
    """People, closings, judgements, dead letters, figures and the audit."""
    name = verdict.conversation_id
    later = at + timedelta(minutes=chance.randrange(1, 300))
    kind = MessageKind.HUMAN_JOINED if verdict.urgent else MessageKind.CLOSED
    if chance.random() < 0.5:
        event = Message(
            event_id=uuid5(_SPACE, f"{number}:{kind}"), occurred_at=later, conversation_id=name, kind=kind,
            channel="rest", contact_id=verdict.message.contact_id,
        )  # fmt: skip
        yield "support.messages", name, event, later
    if number % 50 == 0:
        judged = Feedback(
            **made("feedback"), causation_id=verdict.event_id, conversation_id=name, source="console",
            label=FeedbackLabel.OK if number % 3 else FeedbackLabel.WRONG_PATH,
        )  # fmt: skip
        yield "support.feedback", name, judged, at
    if number % 90 == 0:
        failed = DeadLetter(
            **made("letter"), service=chance.choice(("firewall", "summarizer", "ingest")),
            origin_topic="support.messages", origin_partition=0, origin_offset=number, key=name.encode(),
            value=b"{}", error_class="poison", error_type="SchemaError", attempts=2,
            reason=f"the answer lacks a member, kind {number % 7}", versions={"prompt": f"screen-{number % 3}"},
        )  # fmt: skip
        yield "support.dead-letters", name, failed, at
    if number % 6 == 0:
        start = at.replace(second=0, microsecond=0)
        cell = {"category": verdict.category or "", "language": verdict.language, "country": verdict.country or ""}
        figure = Metric(
            **made("figure"), name=chance.choice(("verdicts", "verdicts.urgent", "summaries")), window_start=start,
            window_seconds=chance.choice((60, 900, 3600)), dimensions=cell, value=float(chance.randrange(1, 9)),
            alert="more than usual" if number % 6_000 == 0 else None,
        )  # fmt: skip
        yield "support.metrics", f"60/{start:%Y-%m-%dT%H:%M:%SZ}", figure, at
    if number % 400 == 0:
        entry = AuditEntry(**made("audit"), actor="mila", action="unmask", target=name, reason="a complaint")
        yield "support.audit", name, entry, at


def fill(servers: str, serde: AvroSerde, count: int, tell: Callable[[int], None]) -> int:
    """Writes them, each with the time at which it would have come; tells how many so far."""
    producer = Producer(
        {
            "bootstrap.servers": servers,
            "partitioner": "murmur2_random",
            "linger.ms": 50,
            "compression.type": "lz4",
            "queue.buffering.max.messages": 200_000,
        }
    )
    written = 0
    for topic, key, record, at in records(count, datetime.now(UTC)):
        value = serde.encode(topic, record)
        while True:
            try:
                producer.produce(topic, key=key, value=value, timestamp=round(at.timestamp() * 1000))
                break
            except BufferError:
                producer.poll(0.2)
        written += 1
        if written % 1_000 == 0:
            producer.poll(0)
            tell(written)
    producer.flush(60)
    return written
