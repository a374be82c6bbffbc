"""What every conversation outside the engine needs: scripts, the fuzz, the simulation, an evaluation."""

from __future__ import annotations

from datetime import datetime
from typing import Final, Protocol
from uuid import UUID

from agent.domain.calls import CallResult
from agent.domain.exchange import (
    AwaitUser,
    CallReturned,
    Event,
    HandedOver,
    KnowledgeReturned,
    ModelReading,
    NeedAct,
    NeedAnswer,
    NeedLookUp,
    NeedReading,
    Resolved,
    Stopped,
    Transition,
    UserTurn,
)
from agent.domain.library import Library
from agent.domain.model import Workflow
from agent.domain.scope import Context

_ASKED_BY: Final = str(UUID(int=1))


class Partner(Protocol):
    """Everything around a workflow: the user, the model, the knowledge and the backend."""

    def turn(self, need: AwaitUser, transition: Transition) -> UserTurn | None:
        """What the user does; None: they leave."""
        ...

    def reading(self, need: NeedReading) -> ModelReading:
        """What the model reads."""
        ...

    def knowledge(self, need: NeedAnswer) -> str | None:
        """What the knowledge answers; None: nothing supports an answer."""
        ...

    def call(self, need: NeedLookUp | NeedAct) -> CallResult:
        """What the backend answers."""
        ...


def context_of(library: Library, workflow: Workflow, language: str, now: datetime, said: str = "") -> Context:
    """What surrounds a conversation."""
    return Context(
        workflow=workflow,
        expressions=library.expressions,
        now=now,
        language=language,
        asked_by=_ASKED_BY,
        label=lambda utterance: library.render(utterance, language),
        calls=library.calls,
        said=said,
    )


def has_ended(transition: Transition) -> bool:
    """Whether nothing is needed any more."""
    return isinstance(transition.need, Resolved | Stopped | HandedOver)


def event_after(transition: Transition, partner: Partner) -> Event | None:
    """What happens next; None when it has ended, or the user left."""
    match transition.need:
        case AwaitUser() as need:
            return partner.turn(need, transition)
        case NeedReading() as need:
            return partner.reading(need)
        case NeedAnswer() as need:
            return KnowledgeReturned(partner.knowledge(need))
        case NeedLookUp() | NeedAct() as need:
            return CallReturned(partner.call(need), f"{need.step}-key")
        case _:
            return None
