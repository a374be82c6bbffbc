"""A conversation with one workflow in the terminal: the person plays the user and the shop."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from agent.domain import interpreter
from agent.domain.calls import CallOutcome, CallResult
from agent.domain.exchange import (
    AwaitUser,
    HandedOver,
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
from agent.scripts import ScriptFile, told
from agent.talking import context_of, event_after


class Simulation:
    """Runs a workflow against two functions that ask and tell.

    Args:
        ask: Asks the person one line.
        tell: Shows one line.
        file: The workflow's scripted conversations, whose answers of the shop can be named.
    """

    def __init__(
        self,
        library: Library,
        name: str,
        language: str,
        ask: Callable[[str], Any],
        tell: Callable[[str], None],
        *,
        file: ScriptFile | None = None,
    ) -> None:
        self._library = library
        self._language = language
        self._workflow = library.workflows[name]
        self._ask = ask
        self._tell = tell
        self._answers = file.answers if file is not None else {}
        # The answers of the file are of its own day.
        self._now = file.now if file is not None else datetime.now(UTC)

    def run(self, message: str) -> None:
        """Talks until the workflow ends."""
        self._tell(f"[it is {self._now:%Y-%m-%d %H:%M} UTC; you are the user and the shop]")
        text = message or str(self._ask("you"))
        transition = interpreter.begin(self._context(), text)
        while True:
            self._say(transition)
            event = event_after(transition, self)
            if event is None:
                self._tell(f"[{told(transition.need)}]")
                if isinstance(transition.need, HandedOver):
                    self._tell(f"[for the human: {transition.need.suggested_next_step}]")
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
        named = self._answers.get(need.call, {})
        possible = [*(f"done {name}" for name in named), "done", *(each for each in CallOutcome if each != "done")]
        while True:
            said, _, more = str(self._ask(f"answer ({', '.join(possible)})")).strip().partition(" ")
            if said not in set(CallOutcome):
                self._tell(f"[{said!r} is none of these]")
                continue
            try:
                return self._result(CallOutcome(said), more, named)
            except ValueError as error:
                self._tell(f"[that is no answer: {error}]")

    def _result(self, outcome: CallOutcome, more: str, named: Mapping[str, Any]) -> CallResult:
        """What was typed as an answer: `done NAME`, `done {JSON}`, `refused CODE`, or one word and the rest asked for.

        Raises:
            ValueError: It cannot be read.
        """
        if outcome is CallOutcome.REFUSED:
            return CallResult(outcome, code=more or str(self._ask("code")))
        if outcome is not CallOutcome.DONE:
            return CallResult(outcome)
        if more in named:
            return CallResult(outcome, named[more])
        value = json.loads(more or str(self._ask("answer as JSON")))
        if not isinstance(value, dict):
            raise ValueError("a JSON object is expected")
        return CallResult(outcome, value)

    def _say(self, transition: Transition) -> None:
        for said in transition.says:
            self._tell(f"{self._workflow.id}: {self._library.render(said, self._language)}")

    def _context(self) -> Context:
        return context_of(self._library, self._workflow, self._language, self._now)
