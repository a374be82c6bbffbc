"""What the local models know of a text: its language among the served ones, and its turning points."""

from __future__ import annotations

from typing import Final

from floodgate_nlu.dialogue import cues
from floodgate_nlu.language import identify_conversation, language_scores
from floodgate_nlu.sentiment import polarity
from floodgate_nlu.served import ServedLanguages

_MIN_WORDS: Final = 6
# Scores are confidences of 0 to 1 plus function words; by less than this a summary full of names can be misread.
_SURE_MARGIN: Final = 0.5
_MOOD_WEIGHT: Final = 0.5


class NluLanguages(ServedLanguages):
    """The language of an interaction, and of what was written about it."""

    def identify(self, text: str, declared: str | None, others: str = "") -> str:
        """ISO 639-1 code; the others' turns and the declared language help only where the text is too short to tell."""
        return self.settled(identify_conversation(text, others, declared), declared)

    def is_other(self, text: str, language: str) -> bool:
        """Whether a text is surely not in a language."""
        if len(text.split()) < _MIN_WORDS:
            return False
        scores = language_scores(text)
        if language not in scores:
            return False
        return max(scores.values()) - scores[language] > _SURE_MARGIN

    def weight(self, text: str) -> float:
        """How much a turn changes the case: what it says of the outcome, and how strongly it feels."""
        language = identify_conversation(text, "", None)
        return float(sum(cues(text, language).values())) + _MOOD_WEIGHT * abs(polarity(text, language))
