"""What a text counts as where only some languages are served."""

from __future__ import annotations

from collections.abc import Sequence

from floodgate_nlu.language import identify


class ServedLanguages:
    """The languages of one site. Loads the model once per process.

    Args:
        served: Languages of the catalogue.
        default: What a text counts as whose language is not served.
    """

    def __init__(self, served: Sequence[str], default: str) -> None:
        self._served = frozenset(served)
        self._default = default

    def warm_up(self) -> None:
        """Loads the models now instead of with the first text."""
        identify("Hello, where are my tickets?")

    def settled(self, found: str, declared: str | None) -> str:
        """The language found where it is served, else the declared one, else the default."""
        if found in self._served:
            return found
        return declared if declared is not None and declared in self._served else self._default
