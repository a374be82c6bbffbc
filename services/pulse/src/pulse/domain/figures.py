"""What one event adds to the figures. Whole numbers only, so that a sum does not depend on its order."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from floodgate.events import (
    AvroModel,
    DeadLetter,
    Escalation,
    EscalationSource,
    Interaction,
    Misuse,
    ModelUsage,
    Reply,
    Summary,
    Verdict,
)

Cell = tuple[str, str, str]
"""Category, language, country."""

COST: Final = "cost_usd"
_NANO: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Counted:
    """What an event adds.

    Attributes:
        at_ms: When it happened, by its own account.
        figures: By name; costs in billionths of a dollar.
        letter: Of a dead letter: service, error class, error type and version of the service.
        opens: The interaction that has to end as a record.
        closes: The interaction that has ended as a record or a dead letter.
    """

    at_ms: int
    cell: Cell
    figures: dict[str, int] = field(default_factory=dict)
    letter: tuple[str, str, str, str] | None = None
    opens: str = ""
    closes: str = ""


def counted(value: AvroModel) -> Counted | None:
    """What an event adds; None for one that is not counted."""
    match value:
        case Verdict():
            found = _verdict(value)
        case Reply():
            figures = Counter({"replies": 1, "replies.resolved": int(value.resolved)}) + _used(value.usage, "agent")
            found = _counted(value, (value.category, value.reply.language, None), figures)
        case Escalation():
            found = _escalation(value)
        case Interaction():
            cell = None, value.language, value.country
            found = _counted(value, cell, Counter({"interactions": 1}), opens=str(value.interaction_id))
        case Summary():
            found = _summary(value)
        case DeadLetter():
            found = _dead_letter(value)
        case _:
            return None
    return found


def shown(name: str, value: int) -> float:
    """A figure as it is published."""
    return value / _NANO if name.startswith(COST) else float(value)


def _verdict(verdict: Verdict) -> Counted:
    misused = verdict.misuse not in (Misuse.NONE, Misuse.UNKNOWN)
    figures = Counter(
        {
            "verdicts": 1,
            f"verdicts.{verdict.decision}": 1,
            "verdicts.urgent": int(verdict.urgent),
            "verdicts.wrong_path": int(verdict.matches_chosen_path is False),
            "verdicts.unscreened": int(not verdict.screened),
            "verdicts.misuse": int(misused),
            f"verdicts.misuse.{verdict.misuse}": int(misused),
            "verdicts.elapsed_ms": verdict.elapsed_ms,
        }
    )
    cell = verdict.category, verdict.language, verdict.country
    return _counted(verdict, cell, figures + _used(verdict.usage, "firewall"))


def _escalation(escalation: Escalation) -> Counted:
    figures = Counter(
        {
            "escalations": 1,
            f"escalations.{escalation.reason_code}": 1,
            # A reason may be "urgent" as well: what is urgent by rule has a name of its own.
            "escalations.by_rule": int(escalation.urgent),
        }
    )
    if escalation.source is EscalationSource.AGENT:
        # The firewall's hand-over repeats what its verdict has cost.
        figures += _used(escalation.usage, "agent")
    return _counted(escalation, (escalation.category, escalation.language, escalation.country), figures)


def _summary(summary: Summary) -> Counted:
    figures = Counter({"summaries": 1, f"summaries.{summary.resolution_status}": 1})
    figures += Counter({"summaries.repaired": int(summary.repaired)}) + _used(summary.usage, "summarizer")
    cell = summary.primary_topic, summary.language, summary.country
    return _counted(summary, cell, figures, closes=str(summary.interaction_id))


def _dead_letter(letter: DeadLetter) -> Counted:
    version = letter.versions.get("service", "")
    interaction = (letter.key or b"").decode(errors="replace") if letter.service == "summarizer" else ""
    return Counted(
        int(letter.occurred_at.timestamp() * 1000),
        ("", "", ""),
        {"dead_letters": 1, f"dead_letters.{letter.service}": 1},
        letter=(letter.service, letter.error_class, letter.error_type, version),
        closes=interaction,
    )


def _counted(
    value: Verdict | Reply | Escalation | Interaction | Summary,
    cell: tuple[str | None, str | None, str | None],
    figures: Counter[str],
    *,
    opens: str = "",
    closes: str = "",
) -> Counted:
    category, language, country = (part or "" for part in cell)
    at_ms = round(value.occurred_at.timestamp() * 1000)
    kept = {name: number for name, number in figures.items() if number}
    return Counted(at_ms, (category, language, country), kept, opens=opens, closes=closes)


def _used(usage: ModelUsage, service: str) -> Counter[str]:
    cost = round(usage.cost_usd * _NANO)
    return Counter(
        {
            "calls": usage.calls,
            "tokens.input": usage.input_tokens + usage.cache_read_tokens + usage.cache_write_tokens,
            "tokens.output": usage.output_tokens,
            COST: cost,
            f"{COST}.{service}": cost,
        }
    )
