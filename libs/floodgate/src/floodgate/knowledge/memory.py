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
from floodgate.knowledge.fusion import spread
from floodgate.knowledge.types import Example, Passage

_WORD: Final = re.compile(r"[^\W_]+")
_STEM_LENGTH: Final = 5
_MIN_WORD_LENGTH: Final = 3

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Entry(Generic[T]):
    item: T
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
        allowed = [
            entry for entry in self._chunks if self._is_for(entry.item, language) and _holds_in(entry.item, country)
        ]
        ranked = [_passage(entry.item, score) for entry, score in self._ranked(query, allowed)]
        found = spread(ranked, limit, key=lambda passage: passage.article_id)
        record_outcome("passages", language, found=len(found), in_language=_count(found, language))
        return found

    async def examples(self, query: str, *, language: str, limit: int = 8) -> list[Example]:
        """See `Retriever.examples`."""
        served = (language, self._catalogue.default_language)
        allowed = [entry for entry in self._examples if entry.item.language in served]
        ranked = sorted(self._ranked(query, allowed), key=lambda pair: pair[0].item.language != language)
        found = [replace(entry.item, score=score) for entry, score in ranked[:limit]]
        record_outcome("examples", language, found=len(found), in_language=_count(found, language))
        return found

    @cached_property
    def _index(self) -> CatalogueIndex:
        return CatalogueIndex(self._catalogue)

    @cached_property
    def _chunks(self) -> list[_Entry[Chunk]]:
        return [
            _Entry(chunk, _words(" ".join([chunk.title, chunk.text, *self._questions(chunk)])))
            for chunk in chunk_articles(self._catalogue.articles)
        ]

    def _questions(self, chunk: Chunk) -> list[str]:
        """How customers ask for it, in its language and in those into which nobody has translated it."""
        category = self._index.categories.get(chunk.category or "")
        if category is None:
            return []
        others = self._index.articles[chunk.article_id].keys() - {chunk.language}
        return [text for spoken, texts in category.examples.items() if spoken not in others for text in texts]

    def _is_for(self, chunk: Chunk, language: str) -> bool:
        """Whether it is in the language or, where the article is not, in the default language."""
        if chunk.language == language:
            return True
        missing = language not in self._index.articles[chunk.article_id]
        return missing and chunk.language == self._catalogue.default_language

    @cached_property
    def _examples(self) -> list[_Entry[Example]]:
        return [
            _Entry(Example(category.id, text, language, 0.0), _words(text))
            for category, language, text in self._index.examples()
        ]

    @cached_property
    def _weights(self) -> dict[str, float]:
        """Inverse document frequency of every word."""
        texts = [*(entry.words for entry in self._chunks), *(entry.words for entry in self._examples)]
        counts = Counter(word for words in texts for word in words)
        return {word: math.log(1 + len(texts) / count) for word, count in counts.items()}

    def _ranked(self, query: str, entries: Sequence[_Entry[T]]) -> list[tuple[_Entry[T], float]]:
        """What shares a word with the query, best first."""
        asked = _words(query)
        scored = [(entry, self._score(asked, entry.words)) for entry in entries]
        return sorted((pair for pair in scored if pair[1] > 0), key=lambda pair: -pair[1])

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
