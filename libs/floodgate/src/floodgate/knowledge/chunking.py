"""Cuts articles into passages, short enough for a prompt. Pure: the same article gives the same pieces."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from floodgate.catalogue.models import Article

MAX_WORDS: Final = 90

_BLANK_LINES: Final = re.compile(r"\n\s*\n")
_SENTENCE_END: Final = re.compile(r"(?<=[.!?…])\s+")


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of an article, as it is indexed.

    Args:
        chunk_id: `<article>/<language>/<number>`, the number from 1.
        article_id: Id of the article.
        language: ISO 639-1 code.
        title: Title of the article.
        text: Whole sentences, at most `max_words` words unless one sentence is longer.
        category: Category of the article, when it has one.
        countries: Where it holds; empty: everywhere.
    """

    chunk_id: str
    article_id: str
    language: str
    title: str
    text: str
    category: str | None
    countries: tuple[str, ...]


def chunk_articles(articles: Iterable[Article], *, max_words: int = MAX_WORDS) -> list[Chunk]:
    """The pieces of all articles, in order."""
    return [chunk for article in articles for chunk in chunk_article(article, max_words=max_words)]


def chunk_article(article: Article, *, max_words: int = MAX_WORDS) -> list[Chunk]:
    """The pieces of one article; paragraphs stay together where they fit, sentences always do.

    Raises:
        ValueError: `max_words` is below one.
    """
    if max_words < 1:
        raise ValueError(f"max_words is {max_words}: it has to be 1 or more")
    return [
        Chunk(
            chunk_id=f"{article.id}/{article.language}/{number}",
            article_id=article.id,
            language=article.language,
            title=article.title,
            text=text,
            category=article.category,
            countries=article.countries,
        )
        for number, text in enumerate(_pack(_pieces(article.body, max_words), max_words), start=1)
    ]


def _pieces(body: str, max_words: int) -> Iterator[str]:
    """Paragraphs, and the sentences of those that are too long."""
    for paragraph in _BLANK_LINES.split(body):
        text = " ".join(paragraph.split())
        if not text:
            continue
        if _words(text) <= max_words:
            yield text
        else:
            yield from _pack(_SENTENCE_END.split(text), max_words, joint=" ")


def _pack(pieces: Iterable[str], max_words: int, *, joint: str = "\n\n") -> Iterator[str]:
    """Join neighbours as long as they fit."""
    held: list[str] = []
    for piece in pieces:
        if held and sum(map(_words, held)) + _words(piece) > max_words:
            yield joint.join(held)
            held = []
        held.append(piece)
    if held:
        yield joint.join(held)


def _words(text: str) -> int:
    return len(text.split())
