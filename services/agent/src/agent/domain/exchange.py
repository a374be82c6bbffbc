"""What goes into the interpreter and what comes out: events, utterances and needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from agent.domain.calls import CallResult
from agent.domain.limits import Limits
from agent.domain.model import SlotSpec
from agent.domain.slots import Choice
from agent.domain.state import Run


@dataclass(frozen=True, slots=True)
class UserTurn:
    """The user said something.

    Attributes:
        option_value: What the pressed button stands for; None without a press.
        stale_option: A button was pressed that does not belong to the open question.
    """

    text: str
    option_value: str | None = None
    stale_option: bool = False


@dataclass(frozen=True, slots=True)
class ModelReading:
    """What the model read out of the last turn; values and command may be anything the schema allows.

    Attributes:
        text: The turn itself, as `NeedReading` gave it.
    """

    values: Mapping[str, str | None] = field(default_factory=dict)
    command: str = "none"
    text: str = ""


@dataclass(frozen=True, slots=True)
class CallReturned:
    """The pending look-up or action came back."""

    result: CallResult
    idempotency_key: str = ""


@dataclass(frozen=True, slots=True)
class KnowledgeReturned:
    """The knowledge was searched.

    Attributes:
        answer: Sentences of one article, as they stand there; None when nothing supports an answer.
    """

    answer: str | None = None


Event = UserTurn | ModelReading | CallReturned | KnowledgeReturned


@dataclass(frozen=True, slots=True)
class Utterance:
    """A template and its places, ready to be rendered."""

    template: str
    places: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Button:
    """A choice; its label is rendered from a template."""

    value: str
    label: Utterance


@dataclass(frozen=True, slots=True)
class AwaitUser:
    """The question is asked; the next turn answers it."""

    slot: str
    step: str
    buttons: tuple[Button, ...] = ()


@dataclass(frozen=True, slots=True)
class NeedReading:
    """The parsers could not read the turn; the model may try."""

    slot: str
    spec: SlotSpec
    text: str
    choices: tuple[Choice, ...] = ()


@dataclass(frozen=True, slots=True)
class NeedAnswer:
    """The user asked something instead of answering; the knowledge may have it."""

    question: str


@dataclass(frozen=True, slots=True)
class NeedLookUp:
    """A read-only call."""

    step: str
    call: str
    arguments: Mapping[str, str | int]


@dataclass(frozen=True, slots=True)
class NeedAct:
    """A call that changes something: decided, confirmed, within its limits.

    Attributes:
        limits: How often it may happen; looked at just before it is sent.
    """

    step: str
    call: str
    arguments: Mapping[str, str | int]
    amount_cents: int = 0
    limits: Limits | None = None


@dataclass(frozen=True, slots=True)
class Resolved:
    """The case is solved."""


@dataclass(frozen=True, slots=True)
class Stopped:
    """The user does not want it any more; nothing was changed by stopping."""


@dataclass(frozen=True, slots=True)
class HandedOver:
    """A human goes on."""

    reason: str
    suggested_next_step: str
    team: str | None = None
    priority: str = "normal"


Need = AwaitUser | NeedReading | NeedAnswer | NeedLookUp | NeedAct | Resolved | Stopped | HandedOver


@dataclass(frozen=True, slots=True)
class Transition:
    """What one event led to."""

    run: Run
    says: tuple[Utterance, ...]
    need: Need
