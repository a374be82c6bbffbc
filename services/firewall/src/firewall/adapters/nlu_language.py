"""Language identification by the local model, restricted to the served languages."""

from __future__ import annotations

from floodgate_nlu.language import identify
from floodgate_nlu.served import ServedLanguages


class NluLanguageIdentifier(ServedLanguages):
    """The language of one message; function words make up for short texts."""

    def identify(self, text: str, declared: str | None) -> str:
        """ISO 639-1 code; the declared language decides only where the text is too short to tell."""
        return self.settled(identify(text, declared), declared)
