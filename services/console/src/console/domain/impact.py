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
_CASES: Final = 10_000


class Baseline(Protocol):
    """What was recorded before."""

    @property
    def baseline_cost_per_case_usd(self) -> float | None: ...
    @property
    def baseline_minutes_per_case(self) -> float | None: ...
    @property
    def baseline_urgent_wait_minutes(self) -> float | None: ...


def searches(now: datetime) -> list[Query]:
    """What the page asks for."""
    since = now - MONTH
    named = ("conversation_id", "at")
    return [
        members_alone(newest(within(since, topic="support.replies", resolved=True), _CASES), *named),
        members_alone(newest(within(since, topic="support.messages", kind="reopened"), _CASES), *named, "kind"),
        counted(costing(since), cost=total_of("cost_usd")),
        counted(within(since, topic="support.verdicts"), misuse={"terms": {"field": "misuse", "size": 10}}),
        members_alone(newest(within(since, topic="support.escalations", urgent=True), _CASES), *named),
        members_alone(newest(within(since, topic="support.messages", kind="human_joined"), _CASES), *named),
        counted(
            within(since, topic="support.messages", kind="user_message"),
            conversations={"cardinality": {"field": "conversation_id", "precision_threshold": 10_000}},
        ),
    ]


def board(answers: Sequence[Answer], baseline: Baseline, now: datetime) -> dict[str, Any]:
    """What the page shows."""
    resolved, wrote, cost, verdicts, urgent, joined, messages = answers
    kept, reopened, early = settle(sources(resolved), sources(wrote), now)
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
        "reopened": reopened,
        "resolved_share": share(kept + early, cases),
        "spent": spent,
        "cost_per_resolution": share(spent, kept + early),
        "baseline_cost": before,
        "saved_usd": None if before is None else (kept + early) * before - spent,
        "urgent_cases": total(urgent),
        "urgent_wait_minutes": _median(waits),
        "baseline_wait": baseline.baseline_urgent_wait_minutes,
        "minutes_saved": None if minutes is None else (kept + early) * minutes,
        "baseline_minutes": minutes,
        "bypass": counts(verdicts, "misuse").get("bypass", 0),
        "bypass_share": share(counts(verdicts, "misuse").get("bypass", 0), total(verdicts)),
        "verdicts": total(verdicts),
    }


def settle(
    resolved: Sequence[Mapping[str, Any]], wrote: Sequence[Mapping[str, Any]], now: datetime
) -> tuple[int, int, int]:
    """How many cases stayed resolved for seven days, were reopened within them, or have not had them yet."""
    done: dict[str, datetime] = {}
    for reply in resolved:
        moment = datetime.fromisoformat(reply["at"])
        done[reply["conversation_id"]] = min(moment, done.get(reply["conversation_id"], moment))
    reopened = {
        event["conversation_id"]
        for event in wrote
        if event.get("kind") == "reopened"
        and event["conversation_id"] in done
        and done[event["conversation_id"]]
        < datetime.fromisoformat(event["at"])
        <= done[event["conversation_id"]] + SETTLED
    }
    early = sum(name not in reopened and moment > now - SETTLED for name, moment in done.items())
    return len(done) - len(reopened) - early, len(reopened), early


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
