"""What the model is asked about an interaction: the same question online and in batch inference."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from floodgate.bedrock import ModelRequest
from floodgate.catalogue import Catalogue
from floodgate.events import Interaction, Versions
from keyflow import PoisonMessageError

from summarizer.domain.extraction import SummarizeInteraction, plan, summarize_prompt, words_of_the_house
from summarizer.domain.transcript import customer_text, others_text, transcript_of
from summarizer.domain.validation import Expected, LanguageCheck, check_features
from summarizer.settings import AS_INTERACTION, SummarizerSettings


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


@dataclass(frozen=True, slots=True)
class Question:
    """A request, and the language of the interaction that it is about."""

    request: ModelRequest[SummarizeInteraction]
    language: str


class Asker:
    """Makes the questions.

    Args:
        catalogue: Its taxonomy closes the answer's sets.
        languages: Identifies and checks languages.
        settings: Limits.
        service_version: For the records.
    """

    def __init__(
        self, *, catalogue: Catalogue, languages: Languages, settings: SummarizerSettings, service_version: str
    ) -> None:
        self._languages = languages
        self._settings = settings
        self._prompt = summarize_prompt(catalogue)
        self._known_words = words_of_the_house(catalogue)
        self.versions = Versions(
            service=service_version,
            catalogue=catalogue.version,
            prompt=f"{self._prompt.name}@{self._prompt.version}",
        )

    def question(
        self,
        interaction: Interaction,
        *,
        deadline_seconds: float | None = None,
        on_refusal: Callable[[ValueError], None] = lambda _: None,
    ) -> Question:
        """The question about one interaction.

        Args:
            interaction: Which.
            deadline_seconds: Time for the call, repair included.
            on_refusal: Told why an answer is refused, before the model is.

        Raises:
            PoisonMessageError: It has no text.
        """
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
            except ValueError as refused:
                on_refusal(refused)
                raise

        request = plan(
            self._prompt,
            transcript,
            language=language,
            summary_language=summary_language,
            check=check,
            deadline_seconds=deadline_seconds,
        )
        return Question(request, language)
