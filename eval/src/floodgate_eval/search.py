"""The catalogue in memory, searched fast: an evaluation asks thousands of times over thousands of examples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

from floodgate.catalogue import Catalogue
from floodgate.knowledge import Example, FakeRetriever, memory  # its own words, not words like them


class IndexedRetriever(FakeRetriever):
    """Finds what `FakeRetriever` finds, in its order, but looks only at examples that share a word with the query.

    Args:
        catalogue: Whose articles and examples are found.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        super().__init__(catalogue)
        self._default = catalogue.default_language

    async def examples(self, query: str, *, language: str, limit: int = 8) -> list[Example]:
        """See `Retriever.examples`."""
        served = (language, self._default)
        entries = self._examples
        allowed = [entries[number] for number in self._sharing(query) if entries[number].item.language in served]
        ranked = sorted(self._ranked(query, allowed), key=lambda pair: pair[0].item.language != language)
        return [replace(entry.item, score=score) for entry, score in ranked[:limit]]

    def _sharing(self, query: str) -> Sequence[int]:
        # In the catalogue's order, which decides between equal scores.
        return sorted({number for word in memory._words(query) for number in self._by_word.get(word, ())})

    @cached_property
    def _by_word(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for number, entry in enumerate(self._examples):
            for word in entry.words:
                found.setdefault(word, []).append(number)
        return found
