"""Gives the interpreter what it needs, until it waits, acts or ends."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from floodgate.telemetry import counter, get_logger
from keyflow import Tools
from keyflow.errors import KeyflowError, OutageError, RetryableError

from agent.domain import interpreter
from agent.domain.calls import Backend, CallOutcome, CallResult, NotACustomerError
from agent.domain.exchange import (
    CallReturned,
    KnowledgeReturned,
    ModelReading,
    NeedAnswer,
    NeedLookUp,
    NeedReading,
    Transition,
)
from agent.knowledge import Knowledge
from agent.ports import ReadingRequest, SlotReader
from agent.settings import AgentSettings
from agent.writing import Turn

log = get_logger(__name__)

_MARGIN_SECONDS: Final = 5.0
_readings = counter("floodgate_agent_readings_total", "Answers that the model was asked to read", ("result",))


@dataclass(frozen=True, slots=True)
class Driven:
    """Where the interpreter has come to.

    Attributes:
        verified: False when the backend knows nobody of that name; the transition then is the one before.
    """

    transition: Transition
    verified: bool = True


class Driver:
    """Look-ups, readings and answers for one transition after the other.

    Args:
        backend: Read-only calls.
        reader: Reads what the parsers could not.
        knowledge: Answers questions.
        settings: How long things may take.
    """

    def __init__(self, backend: Backend, reader: SlotReader, knowledge: Knowledge, settings: AgentSettings) -> None:
        self._backend = backend
        self._reader = reader
        self._knowledge = knowledge
        self._settings = settings

    async def drive(self, turn: Turn, transition: Transition, tools: Tools, *, in_shadow: bool = False) -> Driven:
        """Goes on until something is needed that is not read, looked up or searched.

        Args:
            turn: Gathers what is said and cited.
            transition: Where to begin.
            tools: The record's clock and budget.
            in_shadow: Nobody waits for it: a look-up that fails is not repeated, and no model is asked.

        Raises:
            RetryableError: The backend did not answer and there is time to ask again.
        """
        while True:
            turn.says.extend(transition.says)
            match transition.need:
                case NeedLookUp() as need:
                    try:
                        result = await self._look_up(need, turn.case.contact_id, None if in_shadow else tools)
                    except NotACustomerError:
                        return Driven(transition, verified=False)
                    transition = interpreter.advance(turn.context, transition.run, CallReturned(result))
                case NeedReading() as need if not in_shadow:
                    reading = await self._read(need, turn, tools)
                    transition = interpreter.advance(turn.context, transition.run, reading)
                case NeedAnswer() as need:
                    found = await self._answer(need, turn, tools)
                    transition = interpreter.advance(turn.context, transition.run, found)
                case _:
                    return Driven(transition)

    async def _answer(self, need: NeedAnswer, turn: Turn, tools: Tools) -> KnowledgeReturned:
        answer = await self._knowledge.answer(need.question, turn.case, turn.workflow, tools.remaining_seconds())
        if answer is None:
            return KnowledgeReturned()
        turn.citations.append(answer.citation)
        return KnowledgeReturned(answer.text)

    async def _look_up(self, need: NeedLookUp, contact_id: str, tools: Tools | None) -> CallResult:
        try:
            return await self._backend.look_up(need.call, need.arguments, contact_id)
        except RetryableError as error:
            remaining = tools.remaining_seconds() if tools is not None else None
            if remaining is not None and remaining > self._settings.look_up_patience_seconds:
                raise
            log.warning("agent.look_up_failed", call=need.call, error=str(error))
        except OutageError as error:
            log.warning("agent.look_up_failed", call=need.call, error=str(error))
        return CallResult(CallOutcome.FAILED)

    async def _read(self, need: NeedReading, turn: Turn, tools: Tools) -> ModelReading:
        remaining, most = tools.remaining_seconds(), self._settings.reading_seconds
        deadline = most if remaining is None else min(most, max(remaining - _MARGIN_SECONDS, 1.0))
        request = ReadingRequest(
            need.slot, need.spec, need.text, need.choices, turn.case.language, turn.case.country, deadline
        )
        try:
            reading, turn.usage = await self._reader.read(request)
        except KeyflowError as error:
            # Without the model the question is put again, with its buttons: nothing is lost but comfort.
            log.warning("agent.reading_failed", error_type=type(error).__name__)
            _readings.labels(result="failed").inc()
            return ModelReading(text=need.text)
        turn.model_asked = True
        _readings.labels(result="read").inc()
        return replace(reading, text=need.text)
