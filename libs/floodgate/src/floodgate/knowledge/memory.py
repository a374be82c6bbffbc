"""A retriever over a catalogue in memory: words in common. For tests, and for when the index cannot be asked."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final, Generic, TypeVar

from floodgate.catalogue.models import Catalogue
from floodgate.catalogue.queries import CatalogueIndex
from floodgate.knowledge.chunking import Chunk, chunk_articles
from floodgate.knowledge.figures import record_outcome
from floodgate.knowledge.types import Example, Passage

_WORD: Final = re.compile(r"[^\W_]+")
_STEM_LENGTH: Final = 5
_MIN_WORD_LENGTH: Final = 3

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Entry(Generic[T]):
    item: T
    language: str
    words: frozenset[str]


class FakeRetriever:
    """Ranks by words in common, rare words weighing more; no embedding, no index, nothing to start.

    Args:
        catalogue: Whose articles and examples are found.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    async def passages(self, query: str, *, language: str, country: str | None, limit: int = 3) -> list[Passage]:
        """See `Retriever.passages`."""
        allowed = [entry for entry in self._chunks if _holds_in(entry.item, country)]
        ranked = self._ranked(query, allowed, language)
        found = [_passage(entry.item, score) for entry, score in ranked]
        preferred = {passage.article_id for passage in found if passage.language == language}
        kept = [item for item in found if item.language == language or item.article_id not in preferred][:limit]
        record_outcome("passages", language, found=len(kept), in_language=_count(kept, language))
        return kept

    async def examples(self, query: str, *, language: str, limit: int = 8) -> list[Example]:
        """See `Retriever.examples`."""
        ranked = self._ranked(query, self._examples, language)
        found = [replace(entry.item, score=score) for entry, score in ranked[:limit]]
        record_outcome("examples", language, found=len(found), in_language=_count(found, language))
        return found

    @cached_property
    def _chunks(self) -> list[_Entry[Chunk]]:
        return [
            _Entry(chunk, chunk.language, _words(f"{chunk.title} {chunk.text}"))
            for chunk in chunk_articles(self._catalogue.articles)
        ]

    @cached_property
    def _examples(self) -> list[_Entry[Example]]:
        return [
            _Entry(Example(category.id, text, language, 0.0), language, _words(text))
            for category, language, text in CatalogueIndex(self._catalogue).examples()
        ]

    @cached_property
    def _weights(self) -> dict[str, float]:
        """Inverse document frequency of every word."""
        texts = [*(entry.words for entry in self._chunks), *(entry.words for entry in self._examples)]
        counts = Counter(word for words in texts for word in words)
        return {word: math.log(1 + len(texts) / count) for word, count in counts.items()}

    def _ranked(self, query: str, entries: Sequence[_Entry[T]], language: str) -> list[tuple[_Entry[T], float]]:
        """What shares a word with the query: in its language first, then in the default language."""
        asked = _words(query)
        served = (language, self._catalogue.default_language)
        scored = [(entry, self._score(asked, entry.words)) for entry in entries if entry.language in served]
        hits = [(entry, score) for entry, score in scored if score > 0]
        return sorted(hits, key=lambda pair: (pair[0].language != language, -pair[1]))

    def _score(self, asked: frozenset[str], words: frozenset[str]) -> float:
        shared = sum(self._weights[word] for word in asked & words)
        return shared / math.sqrt(len(words)) if shared else 0.0


def _holds_in(chunk: Chunk, country: str | None) -> bool:
    return not chunk.countries or country in chunk.countries


def _passage(chunk: Chunk, score: float) -> Passage:
    return Passage(chunk.article_id, chunk.chunk_id, chunk.title, chunk.language, chunk.text, score)


def _count(found: Sequence[Passage | Example], language: str) -> int:
    return sum(item.language == language for item in found)


def _words(text: str) -> frozenset[str]:
    """Beginnings of the longer words, without case and accents: a stemmer for every language at once."""
    folded = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(char for char in folded if not unicodedata.combining(char))
    return frozenset(word[:_STEM_LENGTH] for word in _WORD.findall(plain) if len(word) >= _MIN_WORD_LENGTH)
