"""The month for leadership, beside what was recorded before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from console.domain.spans import (
    Answer,
    Query,
    costing,
    counted,
    counts,
    members_alone,
    newest,
    share,
    sources,
    total,
    total_of,
    value_of,
    within,
)

MONTH: Final = timedelta(days=30)
SETTLED: Final = timedelta(days=7)
_REOPENED: Final = 10_000
_URGENT: Final = 1_000
"""The wait is the median of the newest so many: each is compared with when a person came."""


class Baseline(Protocol):
    """What was recorded before."""

    @property
    def baseline_cost_per_case_usd(self) -> float | None: ...
    @property
    def baseline_minutes_per_case(self) -> float | None: ...
    @property
    def baseline_urgent_wait_minutes(self) -> float | None: ...


def searches(now: datetime) -> list[Query]:
    """What the page asks for first."""
    since = now - MONTH
    named = ("conversation_id", "at")
    resolved = within(since, topic="support.replies", resolved=True)
    fresh = {"filter": {"range": {"at": {"gt": (now - SETTLED).isoformat()}}}, "aggs": {"cases": _conversations()}}
    return [
        counted(resolved, cases=_conversations(), fresh=fresh),
        members_alone(newest(within(since, topic="support.messages", kind="reopened"), _REOPENED), *named),
        counted(costing(since), cost=total_of("cost_usd")),
        counted(within(since, topic="support.verdicts"), misuse={"terms": {"field": "misuse", "size": 10}}),
        members_alone(newest(within(since, topic="support.escalations", urgent=True), _URGENT), *named),
        counted(within(since, topic="support.messages", kind="user_message"), conversations=_conversations()),
    ]


def further_searches(answers: Sequence[Answer], now: datetime) -> list[Query]:
    """What the page asks for then: what was resolved of what was reopened, and who took the urgent cases."""
    reopened, urgent = _names(answers[1]), _names(answers[4])
    named = ("conversation_id", "at")
    done = within(now - MONTH, topic="support.replies", resolved=True, conversation_id=reopened)
    joined = within(now - MONTH, topic="support.messages", kind="human_joined", conversation_id=urgent)
    return [members_alone(newest(done, _REOPENED), *named), members_alone(newest(joined, 5 * _URGENT), *named)]


def _conversations() -> Query:
    return {"cardinality": {"field": "conversation_id", "precision_threshold": 10_000}}


def _names(answer: Answer) -> list[str]:
    return sorted({found["conversation_id"] for found in sources(answer)})


def board(answers: Sequence[Answer], further: Sequence[Answer], baseline: Baseline, now: datetime) -> dict[str, Any]:
    """What the page shows."""
    resolved, reopened_events, cost, verdicts, urgent, messages = answers
    done, joined = further
    reopened = settle(sources(done), sources(reopened_events), now)
    fresh = round(value_of(resolved["aggregations"]["fresh"], "cases"))
    early = max(0, fresh - reopened[1])
    kept = max(0, round(value_of(resolved["aggregations"], "cases")) - fresh - reopened[0])
    spent = value_of(cost["aggregations"], "cost")
    waits = waits_minutes(sources(urgent), sources(joined))
    minutes = baseline.baseline_minutes_per_case
    cases = value_of(messages["aggregations"], "conversations")
    before = baseline.baseline_cost_per_case_usd
    return {
        "since": (now - MONTH).isoformat(),
        "until": now.isoformat(),
        "cases": cases,
        "resolved": kept,
        "early": early,
        "reopened": sum(reopened),
        "resolved_share": share(kept + early, cases),
        "spent": spent,
        "cost_per_resolution": share(spent, kept + early),
        "baseline_cost": before,
        "saved_usd": None if before is None else (kept + early) * before - spent,
        "urgent_cases": total(urgent),
        "urgent_looked_at": len(sources(urgent)),
        "urgent_wait_minutes": _median(waits),
        "baseline_wait": baseline.baseline_urgent_wait_minutes,
        "minutes_saved": None if minutes is None else (kept + early) * minutes,
        "baseline_minutes": minutes,
        "bypass": counts(verdicts, "misuse").get("bypass", 0),
        "bypass_share": share(counts(verdicts, "misuse").get("bypass", 0), total(verdicts)),
        "verdicts": total(verdicts),
    }


def settle(
    resolved: Sequence[Mapping[str, Any]], reopened: Sequence[Mapping[str, Any]], now: datetime
) -> tuple[int, int]:
    """How many cases were reopened within seven days of their resolution: of those resolved earlier, and lately."""
    done: dict[str, datetime] = {}
    for reply in resolved:
        moment = datetime.fromisoformat(reply["at"])
        done[reply["conversation_id"]] = min(moment, done.get(reply["conversation_id"], moment))
    back = {
        event["conversation_id"]
        for event in reopened
        if event["conversation_id"] in done
        and done[event["conversation_id"]]
        < datetime.fromisoformat(event["at"])
        <= done[event["conversation_id"]] + SETTLED
    }
    lately = sum(done[name] > now - SETTLED for name in back)
    return len(back) - lately, lately


def waits_minutes(urgent: Sequence[Mapping[str, Any]], joined: Sequence[Mapping[str, Any]]) -> list[float]:
    """How long urgent cases waited for a person."""
    taken: dict[str, list[datetime]] = {}
    for event in joined:
        taken.setdefault(event["conversation_id"], []).append(datetime.fromisoformat(event["at"]))
    found = []
    for case in urgent:
        began = datetime.fromisoformat(case["at"])
        after = [moment for moment in taken.get(case["conversation_id"], ()) if moment >= began]
        if after:
            found.append((min(after) - began).total_seconds() / 60)
    return found


def _median(values: Sequence[float]) -> float | None:
    ordered = sorted(values)
    return ordered[len(ordered) // 2] if ordered else None


def rows(board_: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The page as rows of a table, for CSV."""
    names = (
        ("since", "From"),
        ("until", "Until"),
        ("cases", "Conversations"),
        ("resolved", "Resolved and not reopened within 7 days"),
        ("early", "Resolved within the last 7 days"),
        ("reopened", "Reopened within 7 days"),
        ("resolved_share", "Share resolved"),
        ("spent", "Model cost, US dollars"),
        ("cost_per_resolution", "Cost per resolution, US dollars"),
        ("baseline_cost", "Baseline: cost per case, US dollars"),
        ("urgent_cases", "Urgent cases"),
        ("urgent_wait_minutes", "Median wait of urgent cases, minutes"),
        ("baseline_wait", "Baseline: wait of urgent cases, minutes"),
        ("minutes_saved", "Agent minutes saved"),
        ("bypass_share", "Share of bypass"),
    )
    return [(title, "" if board_[name] is None else str(board_[name])) for name, title in names]
