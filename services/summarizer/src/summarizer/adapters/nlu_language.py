"""Language identification by the local models' lingua detector, restricted to the served languages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from floodgate_nlu.language import identify, identify_conversation, language_scores

_MIN_WORDS: Final = 6
# Scores are confidences of 0 to 1 plus function words; by less than this a summary full of names can be misread.
_SURE_MARGIN: Final = 0.5


class NluLanguages:
    """Loads lingua once per process.

    Args:
        served: Languages of the catalogue.
        default: What a text counts as whose language is not served.
    """

    def __init__(self, served: Sequence[str], default: str) -> None:
        self._served = frozenset(served)
        self._default = default

    def warm_up(self) -> None:
        """Loads the models now instead of with the first interaction."""
        identify("Hello, where are my tickets?")

    def identify(self, text: str, declared: str | None, others: str = "") -> str:
        """ISO 639-1 code; the others' turns and the declared language help only where the text is too short to tell."""
        found = identify_conversation(text, others, declared)
        if found in self._served:
            return found
        return declared if declared is not None and declared in self._served else self._default

    def is_other(self, text: str, language: str) -> bool:
        """Whether a text is surely not in a language."""
        if len(text.split()) < _MIN_WORDS:
            return False
        scores = language_scores(text)
        if language not in scores:
            return False
        return max(scores.values()) - scores[language] > _SURE_MARGIN
