"""A conversation with one workflow in the terminal: the person plays the user and the shop."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from agent.domain import interpreter
from agent.domain.calls import CallOutcome, CallResult
from agent.domain.exchange import (
    AwaitUser,
    ModelReading,
    NeedAct,
    NeedAnswer,
    NeedLookUp,
    NeedReading,
    Transition,
    UserTurn,
)
from agent.domain.library import Library
from agent.domain.scope import Context
from agent.talking import context_of, event_after


class Simulation:
    """Runs a workflow against two functions that ask and tell.

    Args:
        ask: Asks the person one line.
        tell: Shows one line.
    """

    def __init__(
        self, library: Library, name: str, language: str, ask: Callable[[str], Any], tell: Callable[[str], None]
    ) -> None:
        self._library = library
        self._language = language
        self._workflow = library.workflows[name]
        self._ask = ask
        self._tell = tell

    def run(self, message: str) -> None:
        """Talks until the workflow ends."""
        text = message or str(self._ask("you"))
        transition = interpreter.begin(self._context(), text)
        while True:
            self._say(transition)
            event = event_after(transition, self)
            if event is None:
                self._tell(f"[ended: {transition.need}]")
                return
            transition = interpreter.advance(self._context(), transition.run, event)

    def turn(self, need: AwaitUser, transition: Transition) -> UserTurn:
        """What the person says or presses."""
        awaited = transition.run.awaited
        labels = dict(zip(awaited.labels, awaited.values, strict=True)) if awaited else {}
        for label in labels:
            self._tell(f"  ({label})")
        said = str(self._ask("you"))
        return UserTurn(said, option_value=labels.get(said))

    def reading(self, need: NeedReading) -> ModelReading:
        """Nothing: no model is asked here."""
        self._tell("[the parsers could not read that; a model would be asked]")
        return ModelReading(text=need.text)

    def knowledge(self, need: NeedAnswer) -> str | None:
        """What the person says that it says."""
        return str(self._ask("what the knowledge says (nothing: empty)")) or None

    def call(self, need: NeedLookUp | NeedAct) -> CallResult:
        """What the person says as the shop."""
        self._tell(f"[shop: {need.call} {json.dumps(dict(need.arguments))}]")
        outcomes = ", ".join(CallOutcome)
        outcome = CallOutcome(str(self._ask(f"outcome ({outcomes})")))
        if outcome is CallOutcome.DONE:
            return CallResult(outcome, json.loads(str(self._ask("answer as JSON"))))
        return CallResult(outcome, code=str(self._ask("code")) if outcome is CallOutcome.REFUSED else "")

    def _say(self, transition: Transition) -> None:
        for said in transition.says:
            self._tell(f"{self._workflow.id}: {self._library.render(said, self._language)}")

    def _context(self) -> Context:
        return context_of(self._library, self._workflow, self._language, datetime.now(UTC))
