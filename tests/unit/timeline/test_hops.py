"""A conversation's timeline: order, latency, cost, and no word of the customer unless asked for."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from floodgate.events import (
    Decision,
    Escalation,
    EscalationSource,
    Message,
    MessageKind,
    Misuse,
    ModelUsage,
    Priority,
    Verdict,
    Versions,
    derive_event_id,
    edge_event_id,
)
from floodgate.timeline import Seen, hops, shown, totals
from keyflow.reading import partition_of

START = datetime(2026, 5, 4, 9, 0, tzinfo=UTC)
USAGE = ModelUsage(model_label="local model", input_tokens=500, output_tokens=90, cost_usd=0.0001, calls=1)
SAID = "My name is Odile Varga and my card 4111 is lost"


def message() -> Message:
    return Message(
        event_id=edge_event_id("test", "m1"), occurred_at=START, conversation_id="test:1",
        kind=MessageKind.USER_MESSAGE, channel="test", contact_id="c", text=SAID,
    )  # fmt: skip


def verdict() -> Verdict:
    return Verdict(
        event_id=derive_event_id(message().event_id, "verdict"), occurred_at=START, causation_id=message().event_id,
        conversation_id="test:1", decision=Decision.ESCALATE, message=message(), misuse=Misuse.NONE, urgent=True,
        urgency=0.9, confidence=0.8, explanation="lost card", wants="block the card", elapsed_ms=40, usage=USAGE,
        category="account_security", versions=Versions(service="1", prompt="assess@3"),
    )  # fmt: skip


def escalation() -> Escalation:
    return Escalation(
        event_id=derive_event_id(message().event_id, "escalation"), occurred_at=START, causation_id=message().event_id,
        conversation_id="test:1", channel="test", contact_id="c", source=EscalationSource.FIREWALL,
        reason_code="urgent", priority=Priority.HIGH, usage=USAGE,
    )  # fmt: skip


def seen(value: Any, after_ms: int, offset: int = 0, topic: str = "", **headers: bytes) -> Seen:
    at = START + timedelta(milliseconds=after_ms)
    name = topic or f"support.{type(value).__name__.lower()}s"
    return Seen(name, 0, offset, int(at.timestamp() * 1000), "test:1", value, headers)


def test_records_stand_in_the_order_in_which_they_happened_with_their_latency() -> None:
    timeline = hops([seen(escalation(), 120), seen(verdict(), 100), seen(message(), 0)])
    assert [(hop.service, hop.what) for hop in timeline] == [
        ("ingest", "user_message"),
        ("firewall", "escalate"),
        ("firewall", "hands over: urgent"),
    ]
    assert [hop.latency_ms for hop in timeline] == [None, 100, 120]
    assert timeline[1].elapsed_ms == 40
    assert timeline[1].versions == {"service": "1", "prompt": "assess@3"}


def test_the_same_event_twice_counts_once() -> None:
    assert len(hops([seen(message(), 0), seen(message(), 5, 1)])) == 1


def test_a_hand_over_does_not_cost_its_verdict_again() -> None:
    summed = totals(hops([seen(message(), 0), seen(verdict(), 100), seen(escalation(), 120)]))
    assert summed == {
        "hops": 3, "span_ms": 120, "calls": 1, "input_tokens": 500, "output_tokens": 90, "cost_usd": 0.0001,
    }  # fmt: skip


def test_no_word_of_the_customer_is_shown_unless_asked_for() -> None:
    records = [seen(message(), 0), seen(verdict(), 1), seen(escalation(), 2)]
    masked = json.dumps([[hop.facts, hop.record] for hop in hops(records)], default=str)  # type: ignore[misc]
    assert "Odile" not in masked
    assert "block the card" not in masked
    assert SAID in json.dumps(hops(records, unmask=True)[0].record)
    assert shown(message(), unmask=False)["text"] == f"<{len(SAID)} characters>"


def test_a_hop_names_its_trace() -> None:
    header = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    assert hops([seen(message(), 0, traceparent=header)])[0].trace_id == "0af7651916cd43dd8448eb211c80319c"
    assert hops([seen(message(), 0, traceparent=b"nonsense")])[0].trace_id == ""


def test_keys_stand_where_java_puts_them() -> None:
    # Kafka's own UtilsTest: murmur2 of these.
    assert partition_of(b"21", 2**31) == (-973932308 & 0x7FFFFFFF)
    assert partition_of(b"foobar", 2**31) == (-790332482 & 0x7FFFFFFF)
