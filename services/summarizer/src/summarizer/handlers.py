"""Interactions become feature records; feature records go to the feature store."""

from __future__ import annotations

from typing import Final, Protocol

from floodgate.bedrock import ModelClient
from floodgate.catalogue import Catalogue
from floodgate.events import Interaction, Summary, Versions
from floodgate.events.times import from_ms
from floodgate.telemetry import counter, get_logger, histogram
from keyflow import Emit, Outcome, PoisonMessageError, Record, Tools

from summarizer.domain.extraction import SummarizeInteraction, plan, summarize_prompt, words_of_the_house
from summarizer.domain.features import content_hash, feature_values, summary_of
from summarizer.domain.state import InteractionState
from summarizer.domain.transcript import customer_text, others_text, transcript_of
from summarizer.domain.validation import Expected, FeaturesRefusedError, LanguageCheck, check_features
from summarizer.settings import AS_INTERACTION, SummarizerSettings

log = get_logger(__name__)

SUMMARIES: Final = "support.summaries"
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
_SECONDS: Final = histogram("floodgate_summarizer_model_seconds", "Time in model calls for one interaction.")
_STORED: Final = counter("floodgate_summarizer_stored_total", "Feature records put into the feature store.")


class Languages(LanguageCheck, Protocol):
    """Tells a text's language, and what its words say of how a conversation went."""

    def weight(self, text: str) -> float:
        """How much a turn changes the case; 0 for one that changes nothing."""
        ...

    def identify(self, text: str, declared: str | None, others: str = "") -> str:
        """ISO 639-1 code of a served language.

        Where the customer's text is too short to tell, what the others wrote and the declared language decide.
        """
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
    """

    def __init__(
        self,
        *,
        catalogue: Catalogue,
        model: ModelClient,
        languages: Languages,
        settings: SummarizerSettings,
        service_version: str,
    ) -> None:
        self._catalogue = catalogue
        self._model = model
        self._languages = languages
        self._settings = settings
        self._prompt = summarize_prompt(catalogue)
        self._known_words = words_of_the_house(catalogue)
        self.versions = Versions(
            service=service_version,
            catalogue=catalogue.version,
            prompt=f"{self._prompt.name}@{self._prompt.version}",
        )

    async def handle(self, record: Record, state: InteractionState | None, tools: Tools) -> Outcome[InteractionState]:
        """Makes the feature record, unless this event or this very content was there before.

        Raises:
            RetryableError: The model could not be reached.
            PoisonMessageError: Nothing to read, or the answer was refused twice (its raw text goes along).
        """
        interaction = record.value
        if not isinstance(interaction, Interaction):
            raise PoisonMessageError(f"the summarizer cannot read a {type(interaction).__name__} from {record.topic}")
        known = state or InteractionState()
        fingerprint = content_hash(interaction)
        if interaction.event_id in known.recent_event_ids:
            _REPEATED.labels("event").inc()
            return Outcome()
        following = known.after(interaction.event_id, fingerprint)
        if fingerprint == known.content_hash:
            _REPEATED.labels("content").inc()
            return Outcome(state=following)
        summary = await self._summarized(interaction, tools)
        return Outcome(events=(Emit(SUMMARIES, str(interaction.interaction_id), summary),), state=following)

    async def _summarized(self, interaction: Interaction, tools: Tools) -> Summary:
        wrote = customer_text(interaction.turns)
        if not wrote.strip():
            raise PoisonMessageError("the interaction has no turn with text: there is nothing to summarize")
        language = self._languages.identify(wrote, interaction.language, others_text(interaction.turns))
        configured = self._settings.summary_language
        summary_language = language if configured == AS_INTERACTION else configured
        transcript = transcript_of(
            interaction.turns,
            language=language,
            country=interaction.country,
            max_chars=self._settings.max_transcript_chars,
            weight=self._languages.weight,
        )
        expected = Expected(transcript, summary_language, interaction.country, self._languages, self._known_words)

        def check(answer: SummarizeInteraction) -> None:
            try:
                check_features(answer, expected)
            except FeaturesRefusedError as refused:
                for problem in refused.problems:
                    _REFUSED.labels(problem.kind).inc()
                raise

        request = plan(
            self._prompt,
            transcript,
            language=language,
            summary_language=summary_language,
            check=check,
            deadline_seconds=self._deadline_seconds(tools),
        )
        result = await self._model.call(request)
        summary = summary_of(
            interaction, result, language=language, now=from_ms(tools.now_ms()), versions=self.versions
        )
        self._count(summary, result.value.language.lower())
        return summary

    def _count(self, summary: Summary, models_language: str) -> None:
        _SUMMARIES.labels(summary.language, summary.sentiment.value, str(summary.repaired).lower()).inc()
        _SECONDS.observe(summary.usage.latency_ms / 1000)
        if models_language and models_language != summary.language:
            _LANGUAGE_DIFFERS.labels(summary.language).inc()
        log.info(
            "interaction.summarized",
            interaction_id=str(summary.interaction_id),
            language=summary.language,
            repaired=summary.repaired,
            latency_ms=summary.usage.latency_ms,
        )

    def _deadline_seconds(self, tools: Tools) -> float | None:
        remaining = tools.remaining_seconds()
        return None if remaining is None else max(remaining - self._settings.margin_seconds, 0.1)


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
