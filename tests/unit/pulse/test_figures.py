"""What each event adds."""

from __future__ import annotations

from datetime import UTC, datetime

from floodgate.events import (
    DeadLetter,
    Decision,
    Escalation,
    EscalationSource,
    Message,
    MessageKind,
    Misuse,
    ModelUsage,
    Priority,
    Verdict,
    edge_event_id,
)
from pulse.domain.figures import counted, shown
from pulse.domain.surges import surge

AT = datetime(2026, 5, 4, 12, 0, 0, 123000, tzinfo=UTC)
USAGE = ModelUsage(calls=1, input_tokens=10, cache_read_tokens=5, output_tokens=7, cost_usd=0.000123)


def message() -> Message:
    return Message(event_id=edge_event_id("t", "1"), occurred_at=AT, conversation_id="t:1", channel="t",
                   kind=MessageKind.USER_MESSAGE, contact_id="c")  # fmt: skip


def escalation(source: EscalationSource) -> Escalation:
    return Escalation(
        event_id=edge_event_id("t", "2"), occurred_at=AT, conversation_id="t:1", channel="t", contact_id="c",
        source=source, reason_code="urgent", priority=Priority.HIGH, urgent=True, usage=USAGE,
    )  # fmt: skip


def test_a_verdict_adds_its_decision_flags_and_cost() -> None:
    verdict = Verdict(
        event_id=edge_event_id("t", "3"), occurred_at=AT, conversation_id="t:1", decision=Decision.REDIRECT,
        message=message(), category="sign_in", matches_chosen_path=False, misuse=Misuse.BYPASS, urgent=True, urgency=1,
        confidence=1, explanation="", language="de", screened=False, usage=USAGE, elapsed_ms=40,
    )  # fmt: skip
    found = counted(verdict)
    assert found is not None
    assert found.at_ms == 1_777_896_000_123
    assert found.cell == ("sign_in", "de", "")
    assert found.figures == {
        "verdicts": 1, "verdicts.redirect": 1, "verdicts.urgent": 1, "verdicts.wrong_path": 1, "verdicts.unscreened": 1,
        "verdicts.misuse": 1, "verdicts.misuse.bypass": 1, "verdicts.elapsed_ms": 40, "calls": 1, "tokens.input": 15,
        "tokens.output": 7, "cost_usd": 123_000, "cost_usd.firewall": 123_000,
    }  # fmt: skip
    assert shown("cost_usd.firewall", 123_000) == 0.000123
    assert shown("verdicts", 2) == 2.0


def test_a_hand_over_of_the_firewall_does_not_cost_its_verdict_again() -> None:
    by_firewall, by_agent = counted(escalation(EscalationSource.FIREWALL)), counted(escalation(EscalationSource.AGENT))
    assert by_firewall is not None
    assert by_agent is not None
    assert "cost_usd" not in by_firewall.figures
    assert by_agent.figures["cost_usd.agent"] == 123_000
    assert by_agent.figures["escalations.urgent"] == by_agent.figures["escalations.by_rule"] == 1


def test_a_dead_letter_names_its_group_and_closes_its_interaction() -> None:
    letter = DeadLetter(
        event_id=edge_event_id("t", "4"), occurred_at=AT, service="summarizer", origin_topic="support.interactions",
        origin_partition=0, origin_offset=1, key=b"abc", error_class="poison", error_type="E", reason="", attempts=1,
        versions={"service": "0.1.0"},
    )  # fmt: skip
    found = counted(letter)
    assert found is not None
    assert found.letter == ("summarizer", "poison", "E", "0.1.0")
    assert found.closes == "abc"


def test_a_message_is_not_counted() -> None:
    assert counted(message()) is None


def test_a_surge_needs_history_a_least_count_and_more_than_chance() -> None:
    assert surge("dead_letters", 100, [1, 1]) is None
    assert surge("dead_letters", 4, [0, 0, 0]) is None
    assert surge("dead_letters", 5, [0, 0, 0]) is not None
    assert surge("verdicts.urgent", 140, [100, 110, 90, 105]) is None
    assert surge("verdicts.urgent", 160, [100, 110, 90, 105]) is not None


def test_one_bad_day_in_the_history_hides_no_surge() -> None:
    assert surge("verdicts.urgent", 60, [4, 5, 6, 5, 900]) is not None
