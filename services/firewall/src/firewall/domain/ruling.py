"""A decision about one message, before it becomes records."""

from __future__ import annotations

from dataclasses import dataclass

from floodgate.events import Decision, Misuse, Priority


@dataclass(frozen=True, slots=True)
class Ruling:
    """What happens to a message and why.

    Attributes:
        explanation: One sentence for people.
        reason_code: Of the escalation that goes with it; None when there is none.
        template: Reply that goes with it; None when nothing is said.
        offered_paths: Buttons of a redirect, the likeliest first, "person" last.
        mode: How far its category may be automated now; empty where none is.
        observed: The decision that is not taken, where Floodgate only observes.
        matches_chosen_path: None when no path was chosen or nothing could be said.
    """

    decision: Decision
    explanation: str
    reason_code: str | None = None
    priority: Priority = Priority.NORMAL
    team: str | None = None
    template: str | None = None
    category: str | None = None
    workflow: str | None = None
    suggested_path: str | None = None
    matches_chosen_path: bool | None = None
    offered_paths: tuple[str, ...] = ()
    misuse: Misuse = Misuse.NONE
    urgent: bool = False
    urgency: float = 0.0
    urgency_reasons: tuple[str, ...] = ()
    confidence: float = 0.0
    wants: str = ""
    mode: str = ""
    observed: str | None = None
    evidence: tuple[str, ...] = ()
