"""What the agent remembers of a conversation, kept as JSON in the changelog: validated slots, never customer text."""

from __future__ import annotations

from typing import Any, Final

from floodgate.events import ModelUsage
from pydantic import BaseModel, ConfigDict

RECENT_EVENTS: Final = 50
TRACE_LENGTH: Final = 100
PATH_LENGTH: Final = 120
TRANSCRIPT_LENGTH: Final = 20
SAID_LENGTH: Final = 400
"""Characters of a turn that a hand-over repeats."""
HISTORY_LENGTH: Final = 3
"""Questions that a correction can go back to."""


class StateModel(BaseModel):
    """Immutable, and tolerant of members that a newer version wrote."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class ActionRecord(StateModel):
    """An action that was sent, and what became of it.

    Attributes:
        undo: How it is taken back, for people.
        undo_call: The same for the engine; empty where it cannot be.
        takes_back: Key of the action that this one took back.
    """

    action: str
    step: str
    idempotency_key: str
    status: str
    detail: str = ""
    undo: str = ""
    undo_call: str = ""
    undo_with: dict[str, str | int] = {}
    takes_back: str = ""


class Awaited(StateModel):
    """The open question.

    Attributes:
        asked_by: Event id of the verdict whose handling asked it: the buttons' ids derive from it.
        values: What the buttons stand for, in order.
    """

    slot: str
    asked_by: str
    values: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()


class Taken(StateModel):
    """A way that was taken out of a step, and what decided it."""

    step: str
    way: str
    inputs: dict[str, Any] = {}


class Snapshot(StateModel):
    """How things stood when a question was put: a correction takes the run back to exactly this.

    Attributes:
        slot: What was asked for; empty for the very beginning, with what the first message said.
    """

    step: str
    slot: str = ""
    slots: dict[str, str] = {}
    data: dict[str, Any] = {}


class Said(StateModel):
    """A turn of the conversation, personal data as placeholders."""

    role: str
    text: str
    at_ms: int


class Run(StateModel):
    """A workflow on its way.

    Attributes:
        workflow: Name, version and fingerprint it started with.
        step: Where it stands.
        confirmed: The confirm step that the user said yes to; forgotten as soon as anything is read, looked up,
            worked out or done after it.
        attempts: Questions asked at each step without an answer that could be used.
        turns: User turns so far.
        path: The ways taken, for `explain` and for coverage.
        history: Questions that were answered since the last action.
        transcript: What was said lately, for the human who may take over; gone when the workflow ends.
    """

    workflow: str
    step: str
    slots: dict[str, str] = {}
    data: dict[str, Any] = {}
    attempts: dict[str, int] = {}
    turns: int = 0
    awaited: Awaited | None = None
    confirmed: str | None = None
    trace: tuple[str, ...] = ()
    actions: tuple[ActionRecord, ...] = ()
    path: tuple[Taken, ...] = ()
    history: tuple[Snapshot, ...] = ()
    transcript: tuple[Said, ...] = ()

    def closed(self) -> Run:
        """What is kept of it once it has ended: its way and its actions."""
        return self.model_copy(
            update={"slots": {}, "data": {}, "history": (), "awaited": None, "confirmed": None, "transcript": ()}
        )


class Case(StateModel):
    """Whose case it is and what the firewall said of it."""

    cause_event_id: str
    channel: str
    contact_id: str
    contact_verified: bool
    language: str
    country: str | None = None
    category: str | None = None
    wants: str = ""
    urgency: float = 0.0
    screened_urgent: bool = False
    urgency_reasons: tuple[str, ...] = ()
    catalogue: str = ""


class Held(StateModel):
    """An action that waits for a colleague's approval.

    Attributes:
        limits: As the effect carries them; None when the action has none.
    """

    proposal_id: str
    step: str
    call: str
    arguments: dict[str, str | int] = {}
    amount_cents: int = 0
    limits: dict[str, Any] | None = None
    idempotency_key: str
    expires_at_ms: int


class Shadow(StateModel):
    """A workflow that is computed beside the human; it goes on where the user happens to answer its question."""

    run: Run
    case: Case
    proposal_id: str


class Unwinding(StateModel):
    """A hand-over that waits until what was done before is taken back.

    Attributes:
        text: What the user will be told.
    """

    reason: str
    suggested_next_step: str
    team: str | None = None
    priority: str = "normal"
    text: str = ""


class AgentState(StateModel):
    """Everything about one conversation.

    Attributes:
        handed_over: A human has the case, so automation is silent until the conversation is closed.
        carried_usage: What the model used before an action; told in the record that follows the action.
        ended: The last workflow that ended, for `explain`.
        held: The action of the running workflow that waits for approval.
        unwinding: The hand-over of the running workflow, while its actions are taken back.
        shadow: The workflow that is computed beside the human.
    """

    recent_event_ids: tuple[str, ...] = ()
    human_joined: bool = False
    handed_over: bool = False
    carried_usage: ModelUsage | None = None
    run: Run | None = None
    case: Case | None = None
    ended: Run | None = None
    held: Held | None = None
    unwinding: Unwinding | None = None
    shadow: Shadow | None = None

    def seen(self, event_id: str) -> bool:
        """Whether an event was handled before."""
        return event_id in self.recent_event_ids

    def noted(self, event_id: str) -> AgentState:
        """The state after an event, whose repeats are dropped from now on."""
        recent = (*self.recent_event_ids, event_id)[-RECENT_EVENTS:]
        return self.model_copy(update={"recent_event_ids": recent})
