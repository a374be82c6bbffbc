"""The demo's accounting: what is missing or doubled is said, in words and in figures."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID, uuid4

from floodgate.events import (
    DeadLetter,
    Decision,
    Escalation,
    EscalationSource,
    Feedback,
    FeedbackLabel,
    Interaction,
    Message,
    MessageKind,
    Misuse,
    OutboundReply,
    Priority,
    ResolutionStatus,
    Sentiment,
    Summary,
    Turn,
    TurnRole,
    Verdict,
)
from floodgate_demo.report import Expected, account, make_report
from floodgate_demo.tally import Seen

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def message(conversation: str = "intercom:1") -> Message:
    return Message(
        event_id=uuid4(), occurred_at=NOW, conversation_id=conversation, kind=MessageKind.USER_MESSAGE,
        channel="intercom", contact_id="c", text="hello",
    )  # fmt: skip


def verdict(of: Message, decision: Decision = Decision.PASS, reply: OutboundReply | None = None) -> Verdict:
    return Verdict(
        event_id=uuid4(), occurred_at=NOW, causation_id=of.event_id, conversation_id=of.conversation_id,
        decision=decision, message=of, misuse=Misuse.NONE, urgent=False, urgency=0.0, confidence=0.9,
        explanation="because", language="en", reply=reply,
    )  # fmt: skip


def interaction() -> Interaction:
    turn = Turn(role=TurnRole.CUSTOMER, text="hi")
    return Interaction(event_id=uuid4(), occurred_at=NOW, interaction_id=uuid4(), source="s3", turns=(turn,))


def summary(of: Interaction) -> Summary:
    return Summary(
        event_id=uuid4(), occurred_at=NOW, causation_id=of.event_id, interaction_id=of.interaction_id, summary="s",
        sentiment=Sentiment.NEUTRAL, primary_topic="t", intent="i", resolution_status=ResolutionStatus.RESOLVED,
        urgency_score=0.1, csat_indicator=0.5, language="en", model="m", event_time=NOW,
    )  # fmt: skip


def dead_letter(service: str, topic: str, key: bytes | None = None) -> DeadLetter:
    return DeadLetter(
        event_id=uuid4(), occurred_at=NOW, service=service, origin_topic=topic, origin_partition=0, origin_offset=1,
        key=key, value=b"x", error_class="poison", reason="broken", attempts=1,
    )  # fmt: skip


def seen(*records: object) -> Seen:
    found = Seen()
    for number, record in enumerate(records):
        found.add("any", record, 1000 + number)
    return found


def expecting(**counts: int) -> Expected:
    return Expected(**{**{"messages": 0, "interaction_lines": 0, "closed_conversations": 0, "broken_raw": 0}, **counts})


def test_everything_accounted_for_leaves_no_problem() -> None:
    first, drop = message(), interaction()
    found = seen(first, verdict(first), drop, summary(drop), dead_letter("ingest", "s3://bucket/key"))
    assert account(found, expecting(messages=1, interaction_lines=2)) == ([], 0, 0)


def test_a_message_that_never_reached_the_topic_is_lost() -> None:
    problems, lost, _ = account(seen(), expecting(messages=2))
    assert (lost, problems) == (2, ["2 messages acknowledged at the front door are not on the topic"])


def test_a_message_without_a_verdict_is_lost() -> None:
    assert account(seen(message()), expecting(messages=1))[1] == 1


def test_a_second_verdict_is_a_duplicate() -> None:
    first = message()
    assert account(seen(first, verdict(first), verdict(first)), expecting(messages=1))[2] == 1


def test_an_interaction_may_end_in_the_dead_letters_but_not_nowhere() -> None:
    drop = interaction()
    assert account(seen(drop), expecting(interaction_lines=1))[1] == 1
    letter = dead_letter("summarizer", "support.interactions", str(drop.interaction_id).encode())
    assert account(seen(drop, letter), expecting(interaction_lines=1))[1] == 0


def test_a_broken_raw_record_that_leaves_no_dead_letter_is_lost() -> None:
    assert account(seen(), expecting(broken_raw=1))[1] == 1
    assert account(seen(dead_letter("ingest", "support.intercom.raw")), expecting(broken_raw=1))[1] == 0


def test_more_replies_in_intercom_than_were_decided_are_repeats() -> None:
    first = message()
    reply = OutboundReply(text="please choose")
    found = seen(first, verdict(first, Decision.REDIRECT, reply))
    assert account(found, expecting(messages=1, replies_shown=1))[2] == 0
    assert account(found, expecting(messages=1, replies_shown=2))[2] == 1


def test_the_table_counts_verdicts_by_kind_and_language_and_times_the_services() -> None:
    first, second = message(), message("intercom:2")
    found = seen(first, second, verdict(first), verdict(second, Decision.REDIRECT))
    report = make_report(found, expecting(messages=2), seconds=1.0, peak_rss_bytes=5)
    assert report.verdicts == {"pass": 1, "redirect": 1}
    assert report.verdicts_by_language == {"en": {"pass": 1, "redirect": 1}}
    assert report.latency_ms["firewall"] == {"n": 2, "p50": 2, "p95": 2}
    keys = {"messages_in", "verdicts", "interactions_in", "features_valid", "dead_letters", "lost", "duplicated"}
    assert set(report.to_json()) >= keys


def test_a_tag_that_never_reached_the_topic_of_feedback_is_lost() -> None:
    given = Feedback(
        event_id=uuid4(), occurred_at=NOW, conversation_id="intercom:1", label=FeedbackLabel.OK, source="intercom"
    )
    assert account(seen(given), expecting(judged=2))[1] == 1
    report = make_report(seen(given), expecting(judged=1), seconds=1.0, peak_rss_bytes=5)
    assert (report.lost, report.feedback) == (0, {"ok": 1})


def test_who_was_redirected_twice_is_shown_with_the_reason() -> None:
    first = message()
    ruled = verdict(first, Decision.ESCALATE)
    handed = Escalation(
        event_id=uuid4(), occurred_at=NOW, conversation_id=first.conversation_id, channel="intercom", contact_id="c",
        source=EscalationSource.FIREWALL, reason_code="redirected_twice", priority=Priority.NORMAL,
    )  # fmt: skip
    found = seen(first, verdict(first, Decision.REDIRECT), ruled, handed)
    report = make_report(found, expecting(messages=1), seconds=1.0, peak_rss_bytes=5)
    assert report.redirected_twice == {first.conversation_id: "because"}


def test_a_conversation_is_settled_once_no_automated_answer_will_follow() -> None:
    first = message()
    found = seen(first)
    assert not found.is_settled(first.conversation_id)
    found.add("any", verdict(first, Decision.AUTOMATE), 1)
    assert not found.is_settled(first.conversation_id)
    found.add("any", verdict(first, Decision.PASS), 2)
    assert found.is_settled(first.conversation_id)
    assert UUID(int=0) not in found.verdicts
