"""What is known of a message before any model is asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from firewall.domain.phrases import Hit
from firewall.domain.signals import Signal
from firewall.domain.text_rules import TextState

UNKNOWN_PATH: Final = "unknown"


@dataclass(frozen=True, slots=True)
class Click:
    """A button of our own that the user pressed.

    Attributes:
        path: Path id or "person".
        suggested: Whether the text had been assessed to belong there.
        confidence: Of that assessment.
        wants: What the earlier message wanted.
        workflow: Workflow that the earlier message was a candidate for.
    """

    path: str
    suggested: bool = False
    confidence: float = 0.0
    wants: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """A question of a workflow that waits for its answer."""

    workflow: str
    slot: str
    category: str | None = None


@dataclass(frozen=True, slots=True)
class Situation:
    """Everything but the assessment that a decision rests on.

    Attributes:
        chosen_path: Path that the user chose, by our button or the channel's; "unknown" without one.
        rule_hits: Urgency rules whose words stand in the text.
        asks_for_person: The text asks for a person in so many words.
        redirect_count: How often the conversation was redirected before.
        waiting_for_human: It was handed over and nobody has come yet.
    """

    chosen_path: str = UNKNOWN_PATH
    country: str | None = None
    language: str | None = None
    text_state: TextState = TextState.WORDS
    attachment_count: int = 0
    rule_hits: tuple[Hit, ...] = ()
    signals: frozenset[Signal] = frozenset()
    asks_for_person: bool = False
    redirect_count: int = 0
    human_joined: bool = False
    waiting_for_human: bool = False
    click: Click | None = None
    question: Question | None = None
