"""Interactions become feature records; feature records go to the feature store."""

from __future__ import annotations

from typing import Final, Protocol, TypeVar

from floodgate.bedrock import ModelClient, ModelRequest, ModelResult
from floodgate.catalogue import Catalogue
from floodgate.events import BatchAnswer, Interaction, Summary, Versions
from floodgate.events.times import from_ms
from floodgate.telemetry import counter, get_logger, histogram
from keyflow import Emit, Outcome, PoisonMessageError, Record, Tools
from pydantic import BaseModel

from summarizer.asking import Asker, Languages, Question
from summarizer.domain.answers import unanswered
from summarizer.domain.calibration import set_version
from summarizer.domain.extraction import SummarizeInteraction
from summarizer.domain.features import content_hash, feature_values, summary_of
from summarizer.domain.modes import BATCH, ModePolicy
from summarizer.domain.state import InteractionState
from summarizer.domain.validation import FeaturesRefusedError
from summarizer.settings import SummarizerSettings

T = TypeVar("T", bound=BaseModel)
log = get_logger(__name__)

SUMMARIES: Final = "support.summaries"
BATCHED: Final = "support.summarizer.batch"
ANSWERED: Final = "support.summarizer.answered"
_SUMMARIES: Final = counter(
    "floodgate_summarizer_summaries_total", "Feature records written.", ("language", "sentiment", "repaired")
)
_REPEATED: Final = counter("floodgate_summarizer_repeated_total", "Interactions that were there before.", ("why",))
_LANGUAGE_DIFFERS: Final = counter(
    "floodgate_summarizer_language_differs_total",
    "Records where the model saw another language.",
    ("language",),
)
_REFUSED: Final = counter("floodgate_summarizer_refused_total", "Answers that were refused, by reason.", ("reason",))
_SENT: Final = counter("floodgate_summarizer_batched_total", "Interactions that went to batch inference.")
_SENT_BACK: Final = counter(
    "floodgate_summarizer_sent_back_total", "Interactions that batch inference did not answer, asked online.", ("why",)
)
_FRESHNESS: Final = histogram(
    "floodgate_summarizer_freshness_seconds", "From an interaction's arrival to its record.", ("mode",),
    buckets=(1, 2, 5, 15, 60, 300, 900, 3600, 4 * 3600, 12 * 3600, 26 * 3600),
)  # fmt: skip
_STALE: Final = counter(
    "floodgate_summarizer_stale_total", "Records that came later than their mode's objective.", ("mode",)
)
_SECONDS: Final = histogram("floodgate_summarizer_model_seconds", "Time in model calls for one interaction.")
_STORED: Final = counter("floodgate_summarizer_stored_total", "Feature records put into the feature store.")


class BatchAnswers(Protocol):
    """Reads answers that batch inference gave."""

    async def read(self, request: ModelRequest[T], answer: BatchAnswer) -> ModelResult[T]:
        """The validated answer, repaired once where it must be; see `ModelClient.call` for the errors."""
        ...


class FeatureStore(Protocol):
    """Keeps feature records; putting the same record twice changes nothing."""

    async def put(self, values: dict[str, str]) -> None:
        """Keeps one record.

        Raises:
            RetryableError: Busy or out of reach.
            PoisonMessageError: The record itself is refused.
            FatalError: No such group, or no permission.
        """
        ...


class SummarizerHandler:
    """One interaction in, one feature record out.

    Args:
        catalogue: Its taxonomy closes the answer's sets.
        model: Reads the transcript.
        languages: Identifies and checks languages.
        settings: Limits.
        service_version: For the records.
        answers: Reads batch inference's answers; without it the model is asked online in their place.
        modes: What goes to batch inference; nothing when left out.
    """

    def __init__(
        self,
        *,
        catalogue: Catalogue,
        model: ModelClient,
        languages: Languages,
        settings: SummarizerSettings,
        service_version: str,
        answers: BatchAnswers | None = None,
        modes: ModePolicy | None = None,
    ) -> None:
        self._model = model
        self._settings = settings
        self._asker = Asker(
            catalogue=catalogue, languages=languages, settings=settings, service_version=service_version
        )
        self._answers = answers
        self._modes = modes or ModePolicy()
        self.versions = self._asker.versions
        self._calibration = catalogue.calibration
        self.feature_set = set_version(self.versions.prompt, self._calibration)
        if self._calibration is not None and self._calibration.prompt != self.versions.prompt:
            log.warning(
                "calibration.inactive",
                fitted_for=self._calibration.prompt,
                prompt=self.versions.prompt,
                remedy="fit it anew with `floodgate calibrate fit`, or remove calibration.yaml",
            )

    async def handle(self, record: Record, state: InteractionState | None, tools: Tools) -> Outcome[InteractionState]:
        """Makes the feature record, or sends to batch inference; nothing for what was there before.

        Raises:
            RetryableError: The model could not be reached.
            PoisonMessageError: Nothing to read, or the answer was refused twice (its raw text goes along).
        """
        match record.value:
            case Interaction() if record.topic == BATCHED:  # a dead letter of the batcher's, on its way back
                return await self._answered(_unanswered(record), state or InteractionState(), tools)
            case Interaction():
                return await self._finished(record, state or InteractionState(), tools)
            case BatchAnswer():
                return await self._answered(record.value, state or InteractionState(), tools)
        raise PoisonMessageError(f"the summarizer cannot read a {type(record.value).__name__} from {record.topic}")

    async def _finished(self, record: Record, known: InteractionState, tools: Tools) -> Outcome[InteractionState]:
        interaction: Interaction = record.value
        fingerprint = content_hash(interaction, self.feature_set)
        if interaction.event_id in known.recent_event_ids:
            _REPEATED.labels("event").inc()
            return Outcome()
        following = known.after(interaction.event_id, fingerprint)
        if fingerprint == known.content_hash:
            _REPEATED.labels("content").inc()
            return Outcome(state=following)
        question = self._question(interaction, tools)
        key = str(interaction.interaction_id)
        if self._modes.mode(interaction, from_ms(tools.now_ms())) == BATCH:
            _SENT.inc()
            return Outcome((Emit(BATCHED, key, interaction),), state=following.sent(interaction.event_id))
        result = await self._model.call(question.request)
        summary = self._summary(interaction, question, result, self.versions, tools)
        self._count(summary, result.value.language.lower(), tools.now_ms() - record.timestamp_ms)
        return Outcome((Emit(SUMMARIES, key, summary),), state=following)

    async def _answered(self, answer: BatchAnswer, known: InteractionState, tools: Tools) -> Outcome[InteractionState]:
        """An answer of batch inference, or that there is none: then the model is asked online."""
        interaction = answer.interaction
        if interaction.event_id not in known.in_batch:
            _REPEATED.labels("answer").inc()
            return Outcome()
        question = self._question(interaction, tools)
        versions = self.versions
        if answer.output is None or self._answers is None:
            _SENT_BACK.labels(answer.error).inc()
            result = await self._model.call(question.request)
        else:
            result = await self._answers.read(question.request, answer)
            versions = versions if result.repaired else answer.versions
        summary = self._summary(interaction, question, result, versions, tools)
        waited_ms = tools.now_ms() - int(answer.asked_at.timestamp() * 1000)
        self._count(summary, result.value.language.lower(), waited_ms)
        key = str(interaction.interaction_id)
        return Outcome((Emit(SUMMARIES, key, summary),), state=known.answered(interaction.event_id))

    def _question(self, interaction: Interaction, tools: Tools) -> Question:
        def refused(error: ValueError) -> None:
            for problem in error.problems if isinstance(error, FeaturesRefusedError) else ():
                _REFUSED.labels(problem.kind).inc()

        return self._asker.question(interaction, deadline_seconds=self._deadline_seconds(tools), on_refusal=refused)

    def _summary(
        self,
        interaction: Interaction,
        question: Question,
        result: ModelResult[SummarizeInteraction],
        versions: Versions,
        tools: Tools,
    ) -> Summary:
        now = from_ms(tools.now_ms())
        summary = summary_of(
            interaction,
            result,
            language=question.language,
            now=now,
            versions=versions,
            calibration=self._calibration,
        )
        if summary.usage.mode != BATCH:
            self._modes.spent(summary.usage.cost_usd, now)
        return summary

    def _count(self, summary: Summary, models_language: str, waited_ms: int) -> None:
        mode = summary.usage.mode
        _FRESHNESS.labels(mode).observe(max(waited_ms, 0) / 1000)
        slo_seconds = self._settings.batch_slo_seconds if mode == BATCH else self._settings.online_slo_seconds
        if waited_ms > slo_seconds * 1000:
            _STALE.labels(mode).inc()
        _SUMMARIES.labels(summary.language, summary.sentiment.value, str(summary.repaired).lower()).inc()
        if mode != BATCH:
            _SECONDS.observe(summary.usage.latency_ms / 1000)
        if models_language and models_language != summary.language:
            _LANGUAGE_DIFFERS.labels(summary.language).inc()
        log.info(
            "interaction.summarized",
            interaction_id=str(summary.interaction_id),
            language=summary.language,
            mode=mode,
            repaired=summary.repaired,
            latency_ms=summary.usage.latency_ms,
        )

    def _deadline_seconds(self, tools: Tools) -> float | None:
        remaining = tools.remaining_seconds()
        return None if remaining is None else max(remaining - self._settings.margin_seconds, 0.1)


def _unanswered(record: Record) -> BatchAnswer:
    interaction: Interaction = record.value
    return unanswered(interaction, from_ms(record.timestamp_ms), "dead letter")


class StoreHandler:
    """One feature record in, one PutRecord out. Idempotent by interaction_id and event_time, so it needs no state.

    Args:
        store: Where the records are kept.
    """

    def __init__(self, store: FeatureStore) -> None:
        self._store = store

    async def handle(self, record: Record, state: None, tools: Tools) -> Outcome[None]:
        """Puts one record.

        Raises:
            RetryableError: The store is busy or out of reach.
            PoisonMessageError: The store refuses the record.
            FatalError: The group does not exist, or we may not write to it.
        """
        summary = record.value
        if not isinstance(summary, Summary):
            raise PoisonMessageError(f"the store cannot read a {type(summary).__name__} from {record.topic}")
        await self._store.put(feature_values(summary))
        _STORED.inc()
        return Outcome()
