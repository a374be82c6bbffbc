"""What a person should look at: articles that contradict each other, and stale ones. Pure.

Two clauses contradict each other when they speak of the same thing, by their words, and state other numbers of the same
kind: another amount, another deadline. So do two articles under one title, and two translations of one article. It is
a hint: the words decide, nothing is understood.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import combinations
from math import log, sqrt
from typing import Final

from floodgate.catalogue import Article, KnowledgeSource
from pydantic import BaseModel, ConfigDict

from knowledge.domain.documents import Document
from knowledge.domain.quantities import Quantities, quantities_of

_SAME_MATTER: Final = 0.5
_STEM_CHARS: Final = 6
_SHORTEST_WORD: Final = 3
_RAREST: Final = 8
_COMMON: Final = 60
_SENTENCE: Final = re.compile(r"(?<=[.!?…])\s+|\n\s*\n|\n(?=- )")
_CLAUSE: Final = re.compile(r"(?<=[,;:])\s+")
_FEWEST_STEMS: Final = 6
_SAME_TITLE: Final = 0.65
_WORD: Final = re.compile(r"[^\W\d_]+")
_MAX_EXCERPT: Final = 160

Weights = Mapping[str, float]


class Contradiction(BaseModel):
    """Two sentences that do not go together.

    Args:
        articles: `<language>/<article>` of both.
        kind: What differs: money, percent, or a unit of time.
        values: What each of them says.
        sentences: The sentences.
    """

    model_config = ConfigDict(frozen=True)

    articles: tuple[str, str]
    kind: str
    values: tuple[str, str]
    sentences: tuple[str, str]


class Stale(BaseModel):
    """An article that nobody has looked at for too long.

    Args:
        article: `<language>/<article>`, or the document's address or name.
        reason: Since when, and what was promised.
    """

    model_config = ConfigDict(frozen=True)

    article: str
    reason: str


@dataclass(frozen=True, slots=True)
class _Statement:
    article: Article
    sentence: str
    stems: Counter[str]
    quantities: Quantities

    @property
    def name(self) -> str:
        return f"{self.article.language}/{self.article.id}"


def contradictions(articles: Sequence[Article]) -> list[Contradiction]:
    """Clauses of different articles that state other numbers about the same matter, and so titles and translations."""
    found = [*_within_languages(articles), *_under_one_title(articles), *_between_translations(articles)]
    return sorted(found, key=lambda item: (item.articles, item.kind, item.sentences))


def stale(articles: Iterable[Article], today: date) -> list[Stale]:
    """Curated articles whose date of review has passed."""
    return [
        Stale(
            article=f"{article.language}/{article.id}",
            reason=f"{article.owner} was to review it by {article.review_by.isoformat()}",
        )
        for article in articles
        if article.review_by < today
    ]


def stale_documents(source: KnowledgeSource, documents: Iterable[Document], now: datetime) -> list[Stale]:
    """Documents that were last changed longer ago than their source allows."""
    limit = now - timedelta(days=source.stale_after_days)
    return [
        Stale(article=document.key, reason=f"last changed on {document.updated_at.date().isoformat()}")
        for document in documents
        if document.updated_at is not None and document.updated_at < limit
    ]


def _within_languages(articles: Sequence[Article]) -> Iterator[Contradiction]:
    by_language: dict[str, list[_Statement]] = defaultdict(list)
    for article in articles:
        by_language[article.language] += _statements(article)
    for statements in by_language.values():
        weights = _weights(statements)
        for first, second in _candidates(statements, weights):
            if _can_clash(first.article, second.article) and _nearness(first, second, weights) >= _SAME_MATTER:
                yield from _differences(first, second)


def _under_one_title(articles: Sequence[Article]) -> Iterator[Contradiction]:
    """Two articles that answer the same question have to state the same numbers."""
    titles = [(article, frozenset(_stems(article.title))) for article in articles]
    for (first, ours), (second, theirs) in combinations(titles, 2):
        alike = len(ours & theirs) >= _SAME_TITLE * max(len(ours | theirs), 1)
        if alike and first.language == second.language and _can_clash(first, second):
            yield from _differences(_whole(first), _whole(second))


def _between_translations(articles: Sequence[Article]) -> Iterator[Contradiction]:
    """The same article in two languages has to state the same numbers."""
    by_id: dict[str, list[Article]] = defaultdict(list)
    for article in articles:
        by_id[article.id].append(article)
    for versions in by_id.values():
        for first, second in combinations(versions, 2):
            if first.language != second.language and _both_hold(first, second):
                yield from _differences(_whole(first), _whole(second))


def _whole(article: Article) -> _Statement:
    return _Statement(article, article.body, Counter(), quantities_of(article.body))


def _statements(article: Article) -> Iterator[_Statement]:
    """The clauses that state a number; a short one says too little about its matter, so its sentence stands for it."""
    for sentence in _SENTENCE.split(article.body):
        for clause in _CLAUSE.split(sentence):
            quantities = quantities_of(clause)
            if quantities:
                text = clause if len(_stems(clause)) >= _FEWEST_STEMS else sentence
                yield _Statement(article, " ".join(text.split()), Counter(_stems(text)), quantities)


def _stems(text: str) -> list[str]:
    words = (word.lower() for word in _WORD.findall(text))
    return [word[:_STEM_CHARS] for word in words if len(word) >= _SHORTEST_WORD]


def _weights(statements: Sequence[_Statement]) -> Weights:
    """Rare words say what a sentence is about."""
    counts = Counter(stem for statement in statements for stem in statement.stems)
    return {stem: 1.0 + log((1 + len(statements)) / (1 + count)) for stem, count in counts.items()}


def _candidates(statements: Sequence[_Statement], weights: Weights) -> Iterator[tuple[_Statement, _Statement]]:
    """Pairs that share at least one of their rarest words, so that a large site takes no quadratic time."""
    by_stem: dict[str, list[int]] = defaultdict(list)
    for position, statement in enumerate(statements):
        for stem in sorted(statement.stems, key=lambda name: -weights[name])[:_RAREST]:
            by_stem[stem].append(position)
    pairs = {pair for positions in by_stem.values() if len(positions) <= _COMMON for pair in combinations(positions, 2)}
    for first, second in sorted(pairs):
        yield statements[first], statements[second]


def _nearness(first: _Statement, second: _Statement, weights: Weights) -> float:
    """Cosine of the weighted words."""
    shared = sum(weights[stem] ** 2 for stem in first.stems.keys() & second.stems.keys())
    norms = sqrt(sum(weights[stem] ** 2 for stem in first.stems) * sum(weights[stem] ** 2 for stem in second.stems))
    return shared / norms if norms else 0.0


def _can_clash(first: Article, second: Article) -> bool:
    return first.id != second.id and _both_hold(first, second)


def _both_hold(first: Article, second: Article) -> bool:
    """Whether there is a country in which both hold."""
    return not first.countries or not second.countries or bool(set(first.countries) & set(second.countries))


def _differences(first: _Statement, second: _Statement) -> Iterator[Contradiction]:
    for kind in first.quantities.keys() & second.quantities.keys():
        ours, theirs = first.quantities[kind], second.quantities[kind]
        if not ours & theirs:
            yield Contradiction(
                articles=(first.name, second.name),
                kind=kind,
                values=(_listed(ours), _listed(theirs)),
                sentences=(first.sentence[:_MAX_EXCERPT], second.sentence[:_MAX_EXCERPT]),
            )


def _listed(values: frozenset[float]) -> str:
    return ", ".join(f"{value:g}" for value in sorted(values))
