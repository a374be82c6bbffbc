"""Messages through the firewall's own handler: rules, prompt, model call, interpretation and policy."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

from firewall.adapters.nlu_language import NluLanguageIdentifier
from firewall.domain.assessment import AssessMessage
from firewall.domain.screen import Screen
from firewall.domain.state import ConversationState
from firewall.handlers import MESSAGES, FirewallHandler
from firewall.settings import FirewallSettings
from floodgate.bedrock import ModelClient, ModelResult, Usage
from floodgate.events import Decision, Message, MessageKind, Misuse, Verdict
from floodgate.settings import load
from keyflow import OutageError, Outcome, PoisonMessageError, Record, RetryableError, Tools

from floodgate_eval.catalogues import Measured
from floodgate_eval.recording import Note, RecordingModel, ReplayingModel, TimedRetriever, note

_NOW: Final = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
_NOW_MS: Final = int(_NOW.timestamp() * 1000)
_TOOLS: Final = Tools(now_ms=lambda: _NOW_MS, remaining_seconds=lambda: None)


@dataclass(frozen=True, slots=True)
class Question:
    """One message to be screened.

    Attributes:
        label: Label of the category that the user chose; None without a choice.
        declared: Language that the channel is said to declare; None leaves it to the firewall.
    """

    text: str
    label: str | None = None
    country: str | None = None
    declared: str | None = None


@dataclass(frozen=True, slots=True)
class Screened:
    """A verdict, with the model's answer that it rests on.

    Attributes:
        category: Label of the category; "oos" for none.
        answer: What the model said; None where rules decided or no valid answer came.
        error: Why no valid answer came, so that the firewall's fallback decided; empty when one came.
        results: The model's results, to be replayed.
    """

    category: str
    verdict: Verdict
    answer: AssessMessage | None
    error: str
    usage: Usage | None
    call_seconds: float
    results: tuple[ModelResult[Any], ...] = field(repr=False, default=())

    @property
    def failed(self) -> bool:
        """Whether no valid answer came."""
        return bool(self.error)

    @property
    def caught_mismatch(self) -> bool:
        """Whether the verdict says that the text does not belong to the chosen path."""
        matches = self.verdict.matches_chosen_path
        if matches is None and self.answer is not None:
            return not self.answer.belongs_to_chosen_path
        return matches is False

    @property
    def caught_injection(self) -> bool:
        """Whether the verdict calls it an injection."""
        return self.verdict.misuse is Misuse.INJECTION

    @property
    def quarantined(self) -> bool:
        """Whether the message went to the low-priority queue, for whatever misuse."""
        return self.verdict.decision is Decision.QUARANTINE

    @property
    def key(self) -> str:
        """The decision, to compare repeats by."""
        verdict = self.verdict
        return f"{verdict.decision.value}|{self.category}|{verdict.misuse.value}|{verdict.urgent}"


@dataclass(slots=True)
class OwnWork:
    """Seconds per message, without the model: on the clock (a busy machine shows) and of the processor."""

    seconds: list[float] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)
    search_seconds: list[float] = field(default_factory=list)


class Screening:
    """The firewall over one catalogue and one model.

    Args:
        measured: The catalogue.
        model: The model client.
    """

    def __init__(self, measured: Measured, model: ModelClient) -> None:
        self._measured = measured
        self._settings = load(FirewallSettings)
        catalogue = measured.catalogue
        self.screen = Screen(catalogue, "evaluation")
        self.languages = NluLanguageIdentifier(catalogue.languages, catalogue.default_language)
        self._retriever = TimedRetriever(catalogue)
        self._handler = self._with(RecordingModel(model))

    @property
    def max_chars(self) -> int:
        """What the firewall reads of a message."""
        return self._settings.max_text_chars

    async def ask(self, question: Question) -> Screened:
        """Screen one message.

        Raises:
            FatalError: Credentials, access, model or budget do not allow the call.
        """
        record = self._record(question)
        taken = Note()
        token = note.set(taken)
        failure = ""
        try:
            outcome = await self._handler.handle(record, None, _TOOLS)
        except (RetryableError, OutageError, PoisonMessageError) as error:
            # In production the engine comes back with this when the budget is spent: nobody waits for a model.
            failure = f"{type(error).__name__}: {error}"
            outcome = self._handler.fallback(record, None, type(error).__name__)
        finally:
            note.reset(token)
        return self._screened(_verdict(outcome), taken, failure)

    async def own_work(self, pairs: Sequence[tuple[Question, Screened]]) -> OwnWork:
        """The firewall's own work and the search in memory, one message after the other.

        The model's answers are replayed, so that nothing of its time is in either.
        """
        replaying = ReplayingModel()
        handler = self._with(replaying)
        work = OwnWork()
        for question, screened in pairs:
            if screened.failed:
                continue
            replaying.results = list(screened.results)
            record, taken = self._record(question), Note()
            token = note.set(taken)
            started, started_cpu = time.perf_counter(), time.thread_time()
            await handler.handle(record, None, _TOOLS)
            elapsed, used = time.perf_counter() - started, time.thread_time() - started_cpu
            work.seconds.append(elapsed - taken.search_seconds)
            work.cpu_seconds.append(used - taken.search_cpu_seconds)
            work.search_seconds.append(taken.search_seconds)
            note.reset(token)
        return work

    def message(self, question: Question) -> Message:
        """The event that ingest would have written."""
        identifier = uuid5(NAMESPACE_URL, f"{question.label}\0{question.text}")
        return Message(
            event_id=identifier,
            occurred_at=_NOW,
            conversation_id=f"eval:{identifier}",
            kind=MessageKind.USER_MESSAGE,
            channel="eval",
            contact_id="evaluation",
            text=question.text,
            chosen_path=self._measured.path_of(question.label),
            language=question.declared,
            country=question.country,
        )

    def _with(self, model: ModelClient) -> FirewallHandler:
        return FirewallHandler(
            screen=self.screen,
            model=model,
            retriever=self._retriever,
            languages=self.languages,
            settings=self._settings,
            now_ms=lambda: _NOW_MS,
        )

    def _record(self, question: Question) -> Record:
        message = self.message(question)
        return Record(MESSAGES, 0, 0, message.conversation_id, message, timestamp_ms=_NOW_MS)

    def _screened(self, verdict: Verdict, taken: Note, failure: str) -> Screened:
        result = taken.results[-1] if taken.results else None
        return Screened(
            category=self._measured.label_of(verdict.category),
            verdict=verdict,
            answer=result.value if result else None,
            error=failure,
            usage=result.usage if result else None,
            call_seconds=taken.call_seconds,
            results=tuple(taken.results),
        )


def _verdict(outcome: Outcome[ConversationState]) -> Verdict:
    return next(emit.value for emit in outcome.events if isinstance(emit.value, Verdict))
