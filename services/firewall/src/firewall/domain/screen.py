"""What one catalogue version makes of the firewall, and how a message is read with it before any model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from floodgate.catalogue import Catalogue, CatalogueIndex
from floodgate.events import Message, Versions
from floodgate.modes import Modes
from floodgate.privacy import redact

from firewall.domain.burst import Place
from firewall.domain.following import click_of, path_of, question_of
from firewall.domain.phrases import PhraseIndex
from firewall.domain.planning import assess_prompt
from firewall.domain.signals import find_signals
from firewall.domain.situation import Situation
from firewall.domain.state import ConversationState
from firewall.domain.text_rules import CleanText, clean, in_tags, tells_language
from firewall.domain.wishes import asks_for_person

ALONE: Final = Place()


class LanguageIdentifier(Protocol):
    """Tells a text's language."""

    def identify(self, text: str, declared: str | None) -> str:
        """ISO 639-1 code of a served language; the declared one decides where the text is too short to tell."""
        ...


@dataclass(frozen=True, slots=True)
class Reading:
    """A message as read by the local rules.

    Attributes:
        text: Clean, with placeholders for personal data: what models and search may see.
    """

    cleaned: CleanText
    text: str
    language: str
    situation: Situation


class Screen:
    """The catalogue's part of the firewall: built once per version, swapped as a whole.

    Args:
        catalogue: The version to screen by.
        service_version: Version of the service, for the records.
        modes: The limits of automation as they are now.

    Raises:
        FatalError: The prompt file is missing or malformed.
    """

    def __init__(self, catalogue: Catalogue, service_version: str, modes: Callable[[], Modes] = Modes) -> None:
        self._catalogue = catalogue
        self._modes = modes
        self._limited_by = Modes()
        self._index = CatalogueIndex(catalogue)
        self.prompt = assess_prompt(self.index)
        self.urgency = PhraseIndex(
            (rule.id, phrase) for rule in catalogue.urgency for texts in rule.phrases.values() for phrase in texts
        )
        self.local_versions = Versions(service=service_version, catalogue=catalogue.version)
        self.versions = self.local_versions.model_copy(update={"prompt": f"{self.prompt.name}@{self.prompt.version}"})

    @property
    def modes(self) -> Modes:
        """The limits as they are now."""
        return self._modes()

    @property
    def index(self) -> CatalogueIndex:
        """The catalogue with the limits of now on its categories' automation."""
        modes = self._modes()
        if modes != self._limited_by:
            self._index, self._limited_by = CatalogueIndex(modes.over(self._catalogue)), modes
        return self._index

    def read(
        self,
        message: Message,
        state: ConversationState,
        languages: LanguageIdentifier,
        *,
        max_chars: int,
        place: Place = ALONE,
    ) -> Reading:
        """Everything that the local rules say about a message, together with what belongs to it."""
        written = f"{place.before}\n{message.text}" if place.before else message.text
        cleaned = clean(written, max_chars=max_chars)
        click = click_of(state, message)
        declared = message.language or state.language
        # The label of a pressed button, and a text without words, say nothing about the customer's language.
        telling = click is None and tells_language(cleaned.text)
        language = languages.identify(cleaned.text, declared) if telling else self.index.language(declared)
        situation = Situation(
            chosen_path=path_of(state, message),
            country=message.country,
            language=language,
            text_state=cleaned.state,
            attachment_count=message.attachment_count,
            rule_hits=self.urgency.find(cleaned.text),
            signals=find_signals(written, cleaned),
            asks_for_person=asks_for_person(cleaned.text),
            redirect_count=state.redirect_count,
            human_joined=state.human_joined,
            waiting_for_human=state.waiting_for_human,
            click=click,
            # An edit changes what was said before the question was asked.
            question=None if place.edition else question_of(state, message.occurred_at),
        )
        # What somebody hid is shown to the model, which judges it like all else; nobody answers to it.
        hidden = in_tags(message.text)
        shown = f"{cleaned.text}\n[hidden text: {hidden[:max_chars]}]" if hidden else cleaned.text
        redacted = redact(shown, language=language, country=message.country)
        return Reading(cleaned, redacted.text, language, situation)
