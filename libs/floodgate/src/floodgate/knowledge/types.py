"""What retrieval gives, and the port that gives it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

Embed = Callable[[Sequence[str]], Awaitable[list[list[float]]]]


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of an article.

    Args:
        article_id: Id of the article in the catalogue.
        chunk_id: Id of the piece, unique over all languages.
        title: Title of the article, in the language of the piece.
        language: ISO 639-1 code of the piece.
        text: What it says.
        score: Higher is better; comparable only within one answer.
    """

    article_id: str
    chunk_id: str
    title: str
    language: str
    text: str
    score: float


@dataclass(frozen=True, slots=True)
class Example:
    """A text that customers could have written, and the category to which it belongs.

    Args:
        category: Id of the category in the catalogue.
        text: The example.
        language: ISO 639-1 code.
        score: Higher is better; comparable only within one answer.
    """

    category: str
    text: str
    language: str
    score: float


class Retriever(Protocol):
    """Finds what is near to a text. Texts in the language asked for come first; the default language fills up."""

    async def passages(self, query: str, *, language: str, country: str | None, limit: int = 3) -> list[Passage]:
        """The best pieces of knowledge for a text, best first; empty when nothing is near.

        Args:
            query: The text, without personal data.
            language: ISO 639-1 code.
            country: ISO 3166-1 alpha-2 code; None: articles for certain countries stay out.
            limit: How many at most.

        Raises:
            RetryableError: The index was slow or busy.
            OutageError: The index cannot be reached or was never filled.
        """
        ...

    async def examples(self, query: str, *, language: str, limit: int = 8) -> list[Example]:
        """The nearest examples, best first.

        Raises:
            RetryableError: The index was slow or busy.
            OutageError: The index cannot be reached or was never filled.
        """
        ...
