"""The short way: the local classifier answers alone where it is certain. Pure, but for what the watch remembers."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final, Protocol
from uuid import UUID

from floodgate.bedrock import Prompt
from floodgate.catalogue import Cascade, CatalogueIndex
from floodgate.events import Decision, Misuse
from floodgate.intervals import wilson

from firewall.domain.assessment import Assessment, AssessMessage
from firewall.domain.ruling import Ruling
from firewall.domain.situation import UNKNOWN_PATH, Situation

LOCAL_LABEL: Final = "local classifier"
# Beyond these a message is not calm: whoever is sure of a category is not thereby sure of this.
MOST_MISUSE: Final = 0.2
MOST_URGENCY: Final = 0.3
_WATCHED: Final = 500
_FEWEST_TO_JUDGE: Final = 50
_Z_90: Final = 1.2816
_PARTS: Final = 10_000


class LocalClassifier(Protocol):
    """Answers the model's question without a model."""

    def answer(self, prompt: Prompt[AssessMessage], user_text: str) -> AssessMessage | None:
        """The assessment; None where it cannot tell. Takes milliseconds of the processor."""
        ...


@dataclass(frozen=True, slots=True)
class LocalRuling:
    """What the local classifier would decide, and how sure it is of it."""

    ruling: Ruling
    certainty: float


def is_calm(situation: Situation) -> bool:
    """Whether nothing about a message asks for a closer look."""
    pressing = situation.rule_hits or situation.signals or situation.asks_for_person
    return not pressing and situation.question is None


def certainty(assessment: Assessment, situation: Situation, index: CatalogueIndex) -> float:
    """How sure the local classifier is of all that a ruling rests on; 0 for what is suspicious, urgent or unknown."""
    suspicious = assessment.misuse is not Misuse.NONE or (assessment.misuse_probability or 0.0) > MOST_MISUSE
    urgent = bool(assessment.urgency_reasons) or assessment.urgency > MOST_URGENCY
    category = index.categories.get(assessment.category or "")
    if suspicious or urgent or category is None or category.never_automate or not is_calm(situation):
        return 0.0
    sure = min(assessment.confidence, assessment.in_scope_probability or 0.0)
    if situation.chosen_path == UNKNOWN_PATH or index.category_for_path(situation.chosen_path) is None:
        return sure
    belongs = assessment.belongs_probability or 0.0
    on_path = index.belongs(category.id, situation.chosen_path)
    return min(sure, belongs if on_path else 1.0 - belongs)


def may_decide(ruling: Ruling) -> bool:
    """Whether a ruling may come of the local classifier alone: what hands over or sets aside is the model's to say."""
    return ruling.decision in {Decision.PASS, Decision.REDIRECT, Decision.AUTOMATE}


def same_ruling(one: Ruling, other: Ruling) -> bool:
    """Whether two rulings lead to the same place."""
    return (one.decision, one.category, one.team, one.workflow) == (
        other.decision,
        other.category,
        other.team,
        other.workflow,
    )


def is_audited(event_id: UUID, share: float) -> bool:
    """Whether the model is asked all the same: by the message's own id, so that a repeat is treated alike."""
    return event_id.int % _PARTS < share * _PARTS


class CascadeWatch:
    """Compares audited answers, and switches a language off whose error is above the bar.

    It stays off until the catalogue's next version or the next start: somebody has to look.

    Args:
        rules: What the catalogue allows.
    """

    def __init__(self, rules: Cascade) -> None:
        self._rules = rules
        self._errors: dict[str, deque[bool]] = {}
        self._off: set[str] = set()

    def needed(self, language: str) -> float | None:
        """From how sure on the local classifier answers in a language; None where it does not."""
        return None if language in self._off else self._rules.certainty.get(language)

    def is_audited(self, event_id: UUID) -> bool:
        """Whether the model is asked all the same."""
        return is_audited(event_id, self._rules.audit_share)

    def audited(self, language: str, *, agrees: bool) -> bool:
        """Takes one comparison in; True when it switches the language off."""
        errors = self._errors.setdefault(language, deque(maxlen=_WATCHED))
        errors.append(not agrees)
        if language in self._off or len(errors) < _FEWEST_TO_JUDGE:
            return False
        # Its lower end: one unlucky answer does not switch off what works.
        broken = wilson(sum(errors), len(errors), _Z_90)[0] > self._rules.max_error
        if broken:
            self._off.add(language)
        return broken

    def error(self, language: str) -> float | None:
        """The error among the last audited answers; None before the first."""
        errors = self._errors.get(language)
        return sum(errors) / len(errors) if errors else None
