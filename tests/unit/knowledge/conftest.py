"""A small catalogue in memory, and fakes of what the job needs from outside."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import pytest
from floodgate.catalogue import Article, Catalogue, Category, Path, Team
from knowledge.domain.corpus import Corpus
from knowledge.domain.manifest import Manifest

SOON = date(2030, 1, 1)


def article(key: str, language: str, title: str, body: str, **more: Any) -> Article:
    return Article(id=key, language=language, title=title, body=body, owner="x", review_by=SOON, **more)


def make_catalogue(*articles: Article, version: str = "v1", refunds: Sequence[str] = ("refund me",)) -> Catalogue:
    examples = {"en": tuple(refunds), "nl": ("geld terug graag",), "sv": ("pengarna tillbaka",)}
    parts = {
        "refunds": Category(
            id="refunds",
            title={"en": "Refunds"},
            path="refunds",
            team="a",
            examples=examples,
            owner="x",
            review_by=SOON,
        ),
        "dogs": Category(
            id="dogs",
            title={"en": "Dogs"},
            path="dogs",
            team="a",
            examples={"en": ("may my dog come",), "nl": ("mag mijn hond mee",)},
            owner="x",
            review_by=SOON,
        ),
    }
    return Catalogue(
        version=version,
        company="Anyco",
        languages=("en", "nl", "sv"),
        countries=("NL", "GB"),
        paths=tuple(Path(id=key, label={"en": key}, category=key) for key in parts),
        categories=tuple(parts.values()),
        urgency=(),
        teams=(Team(id="a", title="A", intercom_team_id="1", owner="x", review_by=SOON),),
        templates=(),
        articles=articles,
        topics=("other",),
        intents=("other",),
    )


@pytest.fixture
def catalogue() -> Catalogue:
    return make_catalogue(
        article("refunds", "en", "Refunds", "Money comes back within a week.", category="refunds"),
        article("refunds", "nl", "Terugbetaling", "Het bedrag komt binnen een week retour.", category="refunds"),
        article("dogs", "en", "Assistance dogs", "Guide dogs are welcome everywhere.", category="dogs"),
        article("ideal", "en", "Paying with iDEAL", "Pay through your bank with iDEAL.", countries=("NL",)),
    )


class FakeModel:
    """Makes a vector of a text's length; remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        self.asked += texts
        return [[float(len(text))] * 256 for text in texts]


class FakeStore:
    """Keeps versions in memory."""

    def __init__(self) -> None:
        self.manifests: dict[str, Manifest] = {}
        self.kept_vectors: dict[str, dict[str, list[float]]] = {}
        self.newest: Manifest | None = None

    def current(self) -> Manifest | None:
        return self.newest

    def vectors(self, manifest: Manifest) -> dict[str, list[float]]:
        return self.kept_vectors[manifest.version]

    def publish(self, corpus: Corpus, manifest: Manifest, vectors: Any) -> int:
        self.manifests[manifest.version] = manifest
        self.kept_vectors[manifest.version] = {key: list(vector) for key, vector in vectors.items()}
        self.newest = manifest
        return 1

    def prune(self, keep: int) -> list[str]:
        gone = list(self.manifests)[:-keep]
        for version in gone:
            del self.manifests[version]
        return gone


class FakeIndex:
    """Holds one corpus; can break while it is filled."""

    def __init__(self) -> None:
        self.filled: Corpus | None = None
        self.served: Corpus | None = None
        self.breaks_with: Exception | None = None

    def serves(self, corpus: Corpus) -> bool:
        return self.served is not None and self.served.version == corpus.version

    def fill(self, corpus: Corpus, vectors: Any) -> None:
        if self.breaks_with is not None:
            raise self.breaks_with
        self.filled = corpus

    def switch(self, corpus: Corpus) -> list[str]:
        removed = [self.served.version] if self.served else []
        assert self.filled is corpus
        self.served = corpus
        return removed

    def describe(self) -> dict[str, Any]:
        return {}
