"""From what was seen to the demo's table. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from floodgate.events import Decision, ModelUsage

from floodgate_demo.tally import Seen


@dataclass(frozen=True, slots=True)
class Expected:
    """What went in through the front doors.

    Attributes:
        messages: User messages that the front door acknowledged.
        interaction_lines: Lines dropped into the bucket.
        closed_conversations: Conversations that were closed: each becomes an interaction.
        broken_raw: Unreadable records put onto the raw topic.
        judged: Conversations that a teammate tagged as right or wrong.
        without_retrieval: Messages that the firewall assessed without examples and knowledge.
        latency_ms: n, p50 and p95 of what the services measure themselves, by name.
        replies_shown: Automated replies that Intercom shows; more than were decided would be repeats.
    """

    messages: int
    interaction_lines: int
    closed_conversations: int
    broken_raw: int
    replies_shown: int | None = None
    judged: int = 0
    without_retrieval: int = 0
    latency_ms: dict[str, dict[str, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Report:
    """The demo's table. Times in milliseconds, cost in US dollars."""

    messages_in: int
    verdicts: dict[str, int]
    verdicts_by_language: dict[str, dict[str, int]]
    misuse: dict[str, int]
    urgent: int
    cases_resolved: int
    cases_handed_over: int
    hand_over_reasons: dict[str, int]
    redirected_twice: dict[str, str]
    feedback: dict[str, int]
    interactions_in: int
    features_valid: int
    feature_languages: dict[str, int]
    dead_letters: int
    dead_letter_reasons: dict[str, int]
    lost: int
    duplicated: int
    without_retrieval: int
    cost_usd: float
    tokens_in: int
    cache_read_share: float
    models: list[str]
    replies_decided: int
    replies_shown: int | None
    latency_ms: dict[str, dict[str, int]]
    seconds: float
    peak_rss_bytes: int
    problems: list[str] = field(default_factory=list)
    shadow: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As it is written to JSON=path."""
        return asdict(self)


def make_report(seen: Seen, expected: Expected, *, seconds: float, peak_rss_bytes: int) -> Report:
    """Counts and compares; whatever is not accounted for stands in `lost`, `duplicated` and `problems`."""
    with seen.lock:
        verdicts = [verdict for found in seen.verdicts.values() for verdict in found]
        summaries = [summary for found in seen.summaries.values() for summary in found]
        letters = list(seen.dead_letters.values())
        usages: list[ModelUsage] = [verdict.usage for verdict in verdicts]
        usages += [reply.usage for reply in seen.replies] + [summary.usage for summary in summaries]
        by_language: dict[str, Counter[str]] = {}
        for verdict in verdicts:
            by_language.setdefault(verdict.language or "?", Counter())[verdict.decision.value] += 1
        problems, lost, duplicated = account(seen, expected)
        return Report(
            messages_in=expected.messages,
            verdicts=dict(Counter(verdict.decision.value for verdict in verdicts)),
            verdicts_by_language={name: dict(counts) for name, counts in sorted(by_language.items())},
            misuse=dict(Counter(v.misuse.value for v in verdicts if v.misuse.value != "none")),
            urgent=sum(verdict.urgent for verdict in verdicts),
            cases_resolved=len(seen.resolved),
            cases_handed_over=len(seen.handed_over),
            hand_over_reasons=dict(Counter(escalation.reason_code for escalation in seen.escalations)),
            redirected_twice=_redirected_twice(seen),
            feedback=dict(Counter(judgement.label.value for judgement in seen.feedback.values())),
            interactions_in=expected.interaction_lines + expected.closed_conversations,
            features_valid=len(seen.summaries),
            feature_languages=dict(sorted(Counter(summary.language for summary in summaries).items())),
            dead_letters=len(letters),
            dead_letter_reasons=dict(Counter(f"{letter.service}: {letter.reason}" for letter in letters)),
            lost=lost,
            duplicated=duplicated,
            without_retrieval=expected.without_retrieval,
            cost_usd=round(sum(usage.cost_usd for usage in usages), 6),
            tokens_in=sum(_tokens_in(usage) for usage in usages),
            cache_read_share=_share(sum(u.cache_read_tokens for u in usages), sum(_tokens_in(u) for u in usages)),
            models=sorted({usage.model_label for usage in usages if usage.model_label}),
            replies_decided=count_replies(seen),
            replies_shown=expected.replies_shown,
            latency_ms=dict(
                sorted(
                    {
                        **{name: _percentiles(values) for name, values in seen.latency_ms.items()},
                        **expected.latency_ms,
                    }.items()
                )
            ),
            seconds=round(seconds, 1),
            peak_rss_bytes=peak_rss_bytes,
            problems=problems,
        )


def account(seen: Seen, expected: Expected) -> tuple[list[str], int, int]:
    """What is not where it should be: (problems in words, lost, duplicated)."""
    problems: list[str] = []
    lost = duplicated = 0

    def missing(count: int, what: str) -> None:
        nonlocal lost
        if count > 0:
            lost += count
            problems.append(f"{count} {what}")

    letters = list(seen.dead_letters.values())
    missing(expected.messages - len(seen.messages), "messages acknowledged at the front door are not on the topic")
    missing(sum(1 for event_id in seen.messages if not seen.verdicts.get(event_id)), "messages have no verdict")
    edge = [letter for letter in letters if letter.origin_topic.startswith("s3://")]
    interactions = set(seen.interaction_keys.values())
    arrived = len(interactions) + len(edge)
    awaited = expected.interaction_lines + expected.closed_conversations
    missing(awaited - arrived, "interactions are neither on the topic nor in the dead letters")
    failed = {(letter.key or b"").decode() for letter in letters if letter.service == "summarizer"}
    summarised = {str(summary.interaction_id) for items in seen.summaries.values() for summary in items}
    unsummarised = interactions - summarised - failed
    missing(len(unsummarised), "interactions have neither a feature record nor a dead letter")
    raw = sum(1 for letter in letters if letter.origin_topic == "support.intercom.raw")
    missing(expected.broken_raw - raw, "broken raw records are not in the dead letters")
    missing(expected.judged - len(seen.feedback), "teammates' tags are not on the topic of feedback")
    for what, found in (("verdicts", seen.verdicts), ("feature records", seen.summaries)):
        extra = sum(len(items) - 1 for items in found.values() if items)
        if extra:
            duplicated += extra
            problems.append(f"{extra} duplicate {what}")
    repeats = (expected.replies_shown or 0) - count_replies(seen)
    if repeats > 0:
        duplicated += repeats
        problems.append(f"{repeats} replies more stand in Intercom than were decided")
    return problems, lost, duplicated


def _redirected_twice(seen: Seen) -> dict[str, str]:
    """Conversations that went to a human after two redirects, with the reason as the verdict says it."""
    handed = {one.conversation_id for one in seen.escalations if one.reason_code == "redirected_twice"}
    said = (verdict for found in seen.verdicts.values() for verdict in found if verdict.conversation_id in handed)
    return {one.conversation_id: one.explanation for one in said if one.decision is Decision.ESCALATE}


def count_replies(seen: Seen) -> int:
    """How many things the services decided to say to users."""
    redirects = sum(verdict.reply is not None for found in seen.verdicts.values() for verdict in found)
    return len(seen.replies) + redirects + sum(escalation.reply is not None for escalation in seen.escalations)


def _tokens_in(usage: ModelUsage) -> int:
    return usage.input_tokens + usage.cache_read_tokens + usage.cache_write_tokens


def _share(part: int, whole: int) -> float:
    return round(part / whole, 4) if whole else 0.0


def _percentiles(values: Sequence[int]) -> dict[str, int]:
    ordered = sorted(values)
    return {"n": len(ordered), "p50": _at(ordered, 0.50), "p95": _at(ordered, 0.95)}


def _at(ordered: Sequence[int], share: float) -> int:
    """Nearest-rank percentile."""
    return ordered[min(len(ordered) - 1, max(0, round(share * len(ordered)) - 1))]
