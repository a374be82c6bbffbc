"""What an alert says to people, and in which form each channel takes it. Pure."""

from __future__ import annotations

from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any, Final

from floodgate.events import Metric

from pulse.domain.alerts import FIRST_LETTER, GAP

_RUNBOOKS: Final = {FIRST_LETTER: "dead-letters", GAP: "completeness-gap"}
_SEVERITY: Final = {FIRST_LETTER: "warning", GAP: "error"}
_DETAIL_CHARS: Final = 900


def runbook(metric: Metric) -> str:
    """Where it is written what to do."""
    return f"docs/runbooks/{_RUNBOOKS.get(metric.name, 'surge')}.md"


def subject(metric: Metric) -> str:
    """The alert in one line, without a word of a customer."""
    return f"Floodgate: {(metric.alert or metric.name)[:_DETAIL_CHARS]}"


def slack_body(metric: Metric) -> dict[str, Any]:
    """What an incoming webhook takes."""
    # Slack reads &, < and > as its own marks.
    text = subject(metric).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return {"text": f"{text}\nRunbook: {runbook(metric)}"}


def pagerduty_body(metric: Metric, routing_key: str) -> dict[str, Any]:
    """An event of Events API v2; PagerDuty makes one incident of all with the same `dedup_key`."""
    return {
        "routing_key": routing_key,
        "event_action": "trigger",
        "dedup_key": str(metric.event_id),
        "payload": {
            "summary": subject(metric)[:1024],
            "source": "floodgate",
            "severity": _SEVERITY.get(metric.name, "error"),
            "timestamp": metric.occurred_at.isoformat(),
            "component": metric.name,
            "custom_details": {**metric.dimensions, "value": metric.value, "runbook": runbook(metric)},
        },
    }


def mail(metric: Metric, sender: str, to: tuple[str, ...]) -> EmailMessage:
    """A plain message; sent twice it is one to a reader that threads by Message-ID."""
    message = EmailMessage()
    message["Subject"] = subject(metric)[:200]
    message["From"] = sender
    message["To"] = ", ".join(to)
    message["Date"] = format_datetime(metric.occurred_at)
    message["Message-ID"] = f"<{metric.event_id}@floodgate>"
    message.set_content(f"{metric.alert}\n\nRunbook: {runbook(metric)}\nWindow: {metric.window_start.isoformat()}\n")
    return message
