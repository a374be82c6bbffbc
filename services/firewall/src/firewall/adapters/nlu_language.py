"""Language identification by the local models' lingua detector, restricted to the served languages."""

from __future__ import annotations

from collections.abc import Sequence

from floodgate_nlu.language import identify


class NluLanguageIdentifier:
    """Loads lingua once per process (low-accuracy mode, 25 MB; function words make up for short texts).

    Args:
        served: Languages of the catalogue.
        default: What a text counts as whose language is not served.
    """

    def __init__(self, served: Sequence[str], default: str) -> None:
        self._served = frozenset(served)
        self._default = default

    def warm_up(self) -> None:
        """Loads the models now instead of with the first message."""
        identify("Hello, where are my tickets?")

    def identify(self, text: str, declared: str | None) -> str:
        """ISO 639-1 code; the declared language decides only where the text is too short to tell."""
        found = identify(text, declared)
        if found in self._served:
            return found
        return declared if declared in self._served and declared is not None else self._default
