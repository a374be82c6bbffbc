"""One function per event: what the user wrote, what else happened to the conversation, what the agent asked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from floodgate.bedrock import ModelClient, Usage
from floodgate.events import (
    Decision,
    Escalation,
    EscalationSource,
    Message,
    MessageKind,
    ModelUsage,
    Reply,
    Verdict,
    Versions,
    edge_event_id,
)
from floodgate.events.times import from_ms
from floodgate.knowledge import Example, Passage, Retriever
from floodgate.telemetry import counter, get_logger, histogram
from keyflow import (
    Emit,
    FailedRecord,
    OutageError,
    Outcome,
    PoisonMessageError,
    Record,
    RetryableError,
    Tools,
)

from firewall.domain.assessment import interpret
from firewall.domain.automation import within
from firewall.domain.burst import Place, burst_after, goes_on, held, is_undecided, may_go_on, place_of, said_once
from firewall.domain.cascade import LOCAL_LABEL, LocalClassifier
from firewall.domain.following import after_agent_escalation, after_agent_reply, after_notice, after_ruling
from firewall.domain.local_policy import decide_unscreened, decide_without_model
from firewall.domain.planning import plan
from firewall.domain.policy import decide
from firewall.domain.records import Findings, escalation_of, unreadable_escalation, verdict_of
from firewall.domain.ruling import Ruling
from firewall.domain.screen import ALONE, LanguageIdentifier, Reading, Screen
from firewall.domain.state import ConversationState
from firewall.settings import FirewallSettings
from firewall.short_way import ShortWay

log = get_logger(__name__)

MESSAGES: Final = "support.messages"
VERDICTS: Final = "support.verdicts"
ESCALATIONS: Final = "support.escalations"
# Of what is left of the budget: most of it is for the search and the model.
_WAITING_SHARE: Final = 1 / 3
_LOOK_EVERY_SECONDS: Final = 0.1
_VERDICTS: Final = counter(
    "floodgate_firewall_verdicts_total",
    "Verdicts by decision, reason, misuse and language.",
    ("decision", "reason", "misuse", "language"),
)
_UNSCREENED: Final = counter("floodgate_firewall_unscreened_total", "Messages that no model was asked about.")
_WITHOUT_RETRIEVAL: Final = counter("floodgate_firewall_retrieval_failed_total", "Messages assessed without retrieval.")
_HIDDEN: Final = counter("floodgate_firewall_hidden_code_points_total", "Code points removed that nobody can see.")
_SECONDS: Final = histogram("floodgate_firewall_verdict_seconds", "From the first attempt to the verdict.")


class FirewallHandler:
    """Screens messages of one conversation after the other.

    Args:
        screen: The catalogue's part.
        model: Assesses what rules cannot settle.
        retriever: Examples and knowledge; a failure costs quality, never a verdict.
        languages: Identifies the language.
        classifier: Answers alone where the catalogue lets it and it is certain; None: the model is always asked.
        settings: Time and size limits.
        now_ms: Wall clock for verdicts that are made outside of `handle`.
    """

    def __init__(
        self,
        *,
        screen: Screen,
        model: ModelClient,
        retriever: Retriever,
        languages: LanguageIdentifier,
        settings: FirewallSettings,
        now_ms: Callable[[], int],
        classifier: LocalClassifier | None = None,
    ) -> None:
        self._screen = screen
        self._model = model
        self._retriever = retriever
        self._languages = languages
        self._settings = settings
        self._now_ms = now_ms
        self._short_way = ShortWay(screen, classifier)
        self._window = timedelta(seconds=settings.burst_seconds)
        # A burst waits here, outside of the time that a retrieval may take: asked all at once, OpenSearch would
        # answer none of them in time.
        self._turns = asyncio.Semaphore(settings.retrieval_concurrency)

    @property
    def versions(self) -> Versions:
        """What its verdicts name when a model was asked."""
        return self._screen.versions

    async def handle(self, record: Record, state: ConversationState | None, tools: Tools) -> Outcome[ConversationState]:
        """Screens a user's message; only remembers anything else.

        Raises:
            RetryableError: The model could not be reached; within the budget it is tried again.
            PoisonMessageError: The model's answer broke the schema twice, or the record is of no known kind.
        """
        known = state or ConversationState()
        match record.value:
            case Message() as message if _is_repeat(message, known):
                return Outcome()
            case Message(kind=MessageKind.USER_MESSAGE) as message:
                return await self._screened(message, known, tools)
            case Message() as message:
                return Outcome(state=after_notice(known, message))
            case Reply() as reply:
                return Outcome() if known.has_seen(reply.event_id) else Outcome(state=after_agent_reply(known, reply))
            case Escalation(source=EscalationSource.AGENT) as escalation if not known.has_seen(escalation.event_id):
                return Outcome(state=after_agent_escalation(known, escalation))
            case Escalation():
                return Outcome()
            case other:
                raise PoisonMessageError(f"the firewall cannot read a {type(other).__name__} from {record.topic}")

    def fallback(self, record: Record, state: ConversationState | None, reason: str) -> Outcome[ConversationState]:
        """The verdict when no model answered in time: local rules, then a human. Nobody waits for a model."""
        known = state or ConversationState()
        message = record.value
        if not isinstance(message, Message) or message.kind is not MessageKind.USER_MESSAGE:
            return Outcome()
        if _is_repeat(message, known):
            return Outcome()
        place = self._place(message, known)
        reading = self._read(message, known, place)
        ruling = decide_unscreened(reading.situation, self._screen.index, "no model answered in time")
        _UNSCREENED.inc()
        log.warning("message.not_screened", event_id=str(message.event_id), cause=reason)
        findings = self._findings(
            known,
            reading.language,
            from_ms(self._now_ms()),
            ruling,
            screened=False,
            elapsed_ms=round(self._settings.budget_seconds * 1000),
            edition=place.edition,
        )
        return self._outcome(message, known, ruling, findings, reading=reading, place=place)

    def on_poison(
        self, failed: FailedRecord, record: Record | None, state: ConversationState | None
    ) -> Outcome[ConversationState]:
        """What goes out besides the dead letter: whoever wrote does not wait for an operator.

        Args:
            failed: The record as it stood.
            record: The same, decoded; None when its bytes could not be read.
            state: What is known of the conversation. It stays as it is: it may be what made the record fail.
        """
        now = from_ms(self._now_ms())
        if record is None:
            return Outcome(self._for_unreadable(failed, now))
        message = record.value
        if not isinstance(message, Message) or message.kind is not MessageKind.USER_MESSAGE:
            return Outcome()
        unknown = ConversationState()
        reading = self._read(message, unknown)
        ruling = decide_unscreened(reading.situation, self._screen.index, "the message could not be processed")
        if ruling.reason_code == "not_screened":
            ruling = replace(ruling, reason_code="poison")
        findings = self._findings(unknown, reading.language, now, ruling, screened=False)
        return Outcome(self._outcome(message, unknown, ruling, findings, reading=reading).events)

    def _for_unreadable(self, failed: FailedRecord, now: datetime) -> Sequence[Emit]:
        key = (failed.raw_key or b"").decode(errors="replace")
        if failed.topic != MESSAGES or ":" not in key:
            return ()
        place = f"{failed.topic}/{failed.partition}/{failed.offset}"
        escalation = unreadable_escalation(
            key, edge_event_id("firewall:unreadable", place), now, self._screen.index, self._screen.local_versions
        )
        return (Emit(ESCALATIONS, key, escalation),)

    async def _screened(self, message: Message, state: ConversationState, tools: Tools) -> Outcome[ConversationState]:
        place = self._place(message, state)
        reading = self._read(message, state, place)
        usage: Usage | None = None
        passages: Sequence[Passage] = ()
        ruling = self._held(message, reading, tools) or decide_without_model(reading.situation, self._screen.index)
        asked = ruling is None
        if ruling is None:
            ruling, usage, passages = await self._assessed(reading, message, tools)
        ruling = await self._held_meanwhile(message, reading, ruling, tools) or ruling
        ruling = said_once(ruling, state.offered.suggested_path if state.offered and place.before else None)
        findings = self._findings(
            state,
            reading.language,
            from_ms(tools.now_ms()),
            ruling,
            asked=asked,
            usage=usage.to_record() if usage else ModelUsage(model_label=LOCAL_LABEL) if asked else None,
            passages=passages,
            elapsed_ms=self._elapsed_ms(tools),
            edition=place.edition,
        )
        return self._outcome(message, state, ruling, findings, reading=reading, place=place)

    def _place(self, message: Message, state: ConversationState) -> Place:
        return place_of(message, state.burst, edited=state.is_edit(message), window=self._window)

    def _held(self, message: Message, reading: Reading, tools: Tools) -> Ruling | None:
        """The ruling where the key's next record takes the message along."""
        if tools.queued is None or not may_go_on(reading.situation):
            return None
        why = goes_on(message, (record.value for record in tools.queued()), self._window)
        return held(why) if why else None

    async def _held_meanwhile(self, message: Message, reading: Reading, ruling: Ruling, tools: Tools) -> Ruling | None:
        """The same after the model was asked; waits a moment where only a person could tell what was meant."""
        found = self._held(message, reading, tools)
        if tools.queued is None or not may_go_on(reading.situation) or not is_undecided(ruling, reading.situation):
            return found
        remaining = tools.remaining_seconds()
        most = self._settings.burst_wait_seconds
        left = most if remaining is None else min(most, remaining - self._settings.margin_seconds)
        while found is None and left > 0:
            await asyncio.sleep(_LOOK_EVERY_SECONDS)
            left -= _LOOK_EVERY_SECONDS
            found = self._held(message, reading, tools)
        return found

    async def _assessed(
        self, reading: Reading, message: Message, tools: Tools
    ) -> tuple[Ruling, Usage | None, Sequence[Passage]]:
        text = reading.text
        local = await self._short_way.certain(reading)
        if local is not None and self._short_way.answers_alone(message.event_id, reading.language):
            return local, None, ()
        examples, passages = await self._retrieved(text, reading.language, message.country, tools)
        request = plan(
            self._screen.prompt,
            text=text,
            chosen_path=reading.situation.chosen_path,
            language=reading.language,
            examples=examples,
            passages=passages,
            deadline_seconds=self._deadline_seconds(tools),
        )
        try:
            result = await self._model.call(request)
        except PoisonMessageError:
            # The customer's emergency is known without the model; its broken answer must not hide it.
            if reading.situation.rule_hits:
                return decide_unscreened(reading.situation, self._screen.index, "the model's answer broke"), None, ()
            raise
        ruling = decide(reading.situation, interpret(result.value, self._screen.index, text), self._screen.index)
        self._short_way.paid(result.usage.cost_usd)
        if local is not None:
            self._short_way.compare(reading.language, local, ruling)
        return ruling, result.usage, passages

    def _read(self, message: Message, state: ConversationState, place: Place = ALONE) -> Reading:
        reading = self._screen.read(
            message, state, self._languages, max_chars=self._settings.max_text_chars, place=place
        )
        _HIDDEN.inc(reading.cleaned.hidden_count)
        return reading

    async def _retrieved(
        self, text: str, language: str, country: str | None, tools: Tools
    ) -> tuple[Sequence[Example], Sequence[Passage]]:
        try:
            async with asyncio.timeout(self._wait_seconds(tools)):
                await self._turns.acquire()
        except TimeoutError:
            return self._without_retrieval("NoTurn")
        try:
            async with asyncio.timeout(self._settings.retrieval_seconds):
                return await self._retrieve(text, language, country)
        except (TimeoutError, RetryableError, OutageError, PoisonMessageError) as error:
            return self._without_retrieval(type(error).__name__)
        finally:
            self._turns.release()

    async def _retrieve(
        self, text: str, language: str, country: str | None
    ) -> tuple[Sequence[Example], Sequence[Passage]]:
        limits = self._settings
        # One after the other: the second finds the query's vector already made.
        examples = await self._retriever.examples(text, language=language, limit=limits.max_examples)
        passages = await self._retriever.passages(text, language=language, country=country, limit=limits.max_passages)
        # The index may be a version ahead or behind: what it tells of other categories would only confuse.
        known = [example for example in examples if example.category in self._screen.index.categories]
        return known, passages

    @staticmethod
    def _without_retrieval(error: str) -> tuple[Sequence[Example], Sequence[Passage]]:
        _WITHOUT_RETRIEVAL.inc()
        log.warning("retrieval.failed", error=error)
        return (), ()

    def _findings(
        self,
        state: ConversationState,
        language: str,
        now: datetime,
        ruling: Ruling,
        *,
        asked: bool = False,
        screened: bool = True,
        usage: ModelUsage | None = None,
        passages: Sequence[Passage] = (),
        elapsed_ms: int = 0,
        edition: str = "",
    ) -> Findings:
        redirected = ruling.decision is Decision.REDIRECT and ruling.template is not None
        return Findings(
            now=now,
            language=language,
            versions=self._screen.versions if asked else self._screen.local_versions,
            elapsed_ms=elapsed_ms,
            redirect_count=state.redirect_count + (1 if redirected else 0),
            screened=screened,
            usage=usage or ModelUsage(),
            passages=passages,
            edition=edition,
        )

    def _outcome(
        self,
        message: Message,
        state: ConversationState,
        ruling: Ruling,
        findings: Findings,
        *,
        reading: Reading,
        place: Place = ALONE,
    ) -> Outcome[ConversationState]:
        index = self._screen.index
        ruling = within(ruling, index, self._screen.modes)
        verdict = verdict_of(message, ruling, findings, index)
        escalation = escalation_of(message, ruling, findings, index)
        reason = ruling.reason_code or "-"
        _VERDICTS.labels(verdict.decision.value, reason, verdict.misuse.value, verdict.language).inc()
        _SECONDS.observe(verdict.elapsed_ms / 1000)
        log.info(
            "message.screened",
            event_id=str(message.event_id),
            decision=verdict.decision.value,
            reason=reason,
            language=verdict.language,
            elapsed_ms=verdict.elapsed_ms,
        )
        following = after_ruling(state, message, ruling, verdict.reply, findings.language)
        burst = burst_after(state.burst, message, place, masked=reading.text, ruling=ruling, now=findings.now)
        following = following.model_copy(update={"burst": burst})
        return Outcome(events=_emits(message.conversation_id, verdict, escalation), state=following)

    def _wait_seconds(self, tools: Tools) -> float:
        remaining = tools.remaining_seconds()
        most = self._settings.retrieval_wait_seconds
        return most if remaining is None else min(most, max(remaining, 0.0) * _WAITING_SHARE)

    def _deadline_seconds(self, tools: Tools) -> float | None:
        remaining = tools.remaining_seconds()
        return None if remaining is None else max(remaining - self._settings.margin_seconds, 0.1)

    def _elapsed_ms(self, tools: Tools) -> int:
        remaining = tools.remaining_seconds()
        return 0 if remaining is None else max(0, round((self._settings.budget_seconds - remaining) * 1000))


def _is_repeat(message: Message, state: ConversationState) -> bool:
    is_edit = message.kind is MessageKind.USER_MESSAGE and state.is_edit(message)
    return state.has_seen(message.event_id) and not is_edit


def _emits(key: str, verdict: Verdict, escalation: Escalation | None) -> tuple[Emit, ...]:
    emits = [Emit(VERDICTS, key, verdict)]
    if escalation is not None:
        emits.append(Emit(ESCALATIONS, key, escalation))
    return tuple(emits)
