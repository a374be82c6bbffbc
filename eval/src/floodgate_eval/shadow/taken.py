"""What a version did about one record, in words that two versions can be compared by; and what a service is to it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from floodgate.bedrock import ModelClient
from floodgate.events.generated import AvroModel, ModelUsage
from floodgate.privacy import redact
from keyflow import Effect, EffectResult, Processor

from floodgate_eval.shadow.history import Entry
from floodgate_eval.shadow.versions import Version


@dataclass(frozen=True, slots=True)
class Taken:
    """One decision.

    Attributes:
        label: The decision in a word or two: what the matrix counts.
        marks: What is counted as gained or lost: urgent, automated, an action by its name.
        facts: Whatever else somebody would notice. The names may be shown to anybody, the values too.
        said: What was said to whom; shown only unmasked.
        explanation: Why, in words that quote nobody.
        failed: Why no model answered, where none did.
    """

    label: str
    marks: frozenset[str] = frozenset()
    facts: Mapping[str, str] = field(default_factory=dict)
    said: str = ""
    explanation: str = ""
    category: str | None = None
    language: str = ""
    usage: ModelUsage = field(default_factory=ModelUsage)
    failed: str = ""

    def moved(self, other: Taken) -> bool:
        """Whether the other one decided something else, so that the conversation would have gone on in another way."""
        return self.label != other.label or self.marks != other.marks

    def differs(self, other: Taken) -> list[str]:
        """Names of the facts that differ."""
        names = dict.fromkeys((*self.facts, *other.facts))
        found = [name for name in names if self.facts.get(name, "") != other.facts.get(name, "")]
        return [*found, "wording"] if self.said != other.said and not found else found


@dataclass(frozen=True, slots=True)
class About:
    """The record that was decided about.

    Attributes:
        text: What the customer wrote, personal data as placeholders; shown only unmasked.
    """

    conversation_id: str
    event_id: str
    country: str
    path: str
    text: str


class Subject(ABC):
    """A service under comparison.

    Attributes:
        inputs: Its topics; records of the first one are decided about.
        outputs: What it writes.
        first: Its marks, the gravest first.
        actions: Marks of actions, which are shown where one was taken.
        rerun: Whether the live version has to run again for a fair comparison, unless somebody asks for another.
    """

    name: ClassVar[str]
    inputs: ClassVar[tuple[str, ...]]
    outputs: ClassVar[tuple[str, ...]]
    first: ClassVar[tuple[str, ...]]
    actions: ClassVar[tuple[str, ...]] = ()
    rerun: ClassVar[bool] = False

    @abstractmethod
    def processor(self, version: Version, model: ModelClient) -> Processor[Any]:
        """The service's own processor, built as the service builds it, with nothing that writes outside."""

    @abstractmethod
    def decides(self, entry: Entry) -> bool:
        """Whether a decision is due about this record."""

    @abstractmethod
    def taken(self, entry: Entry, made: Sequence[AvroModel], failed: str = "") -> Taken | None:
        """The decision in what was written because of a record; None where none can be read off it."""

    @abstractmethod
    def about(self, entry: Entry) -> About:
        """What is shown of the record."""

    def known_without(self, entry: Entry, state: Any, made: Sequence[AvroModel]) -> tuple[bool, Any]:
        """The state after a record that is not compared, by what was recorded alone, so that no model is asked.

        Returns:
            Whether that is possible, and the state.
        """
        return False, state

    def answered(self, effect: Effect, made: Sequence[AvroModel]) -> EffectResult:
        """What becomes of an effect, which is never run.

        Args:
            effect: What was to be done outside.
            made: What the live version wrote in the conversation.

        Raises:
            NotImplementedError: The service has none.
        """
        raise NotImplementedError(f"{self.name} has no effects")

    async def close(self) -> None:  # noqa: B027 - most services open nothing
        """Closes what was opened."""


def masked_text(text: str, language: str | None, country: str | None) -> str:
    """A customer's words with placeholders for personal data."""
    return redact(text, language=language or None, country=country).text
