"""The record of one version in S3, and what changed between two of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from pydantic import BaseModel, ConfigDict

from knowledge.domain.corpus import Corpus


class Manifest(BaseModel):
    """What a version holds; written last, so that a version without one was never finished."""

    model_config = ConfigDict(frozen=True)

    version: str
    catalogue_version: str
    embed_model_id: str
    made_at: datetime
    passages: int
    articles: dict[str, str]
    examples: tuple[str, ...]


class Changes(BaseModel):
    """What a new version brings, by `<language>/<article>`; examples are counted."""

    model_config = ConfigDict(frozen=True)

    articles_added: tuple[str, ...] = ()
    articles_changed: tuple[str, ...] = ()
    articles_removed: tuple[str, ...] = ()
    examples_added: int = 0
    examples_removed: int = 0


def make_manifest(corpus: Corpus, made_at: datetime) -> Manifest:
    """The manifest of a corpus."""
    return Manifest(
        version=corpus.version,
        catalogue_version=corpus.catalogue_version,
        embed_model_id=corpus.embed_model_id,
        made_at=made_at,
        passages=len(corpus.chunks),
        articles=corpus.article_hashes,
        examples=tuple(example.example_id for example in corpus.examples),
    )


def compare(before: Manifest | None, after: Manifest) -> Changes:
    """What changed; everything is new when there was nothing before."""
    old: Mapping[str, str] = before.articles if before else {}
    old_examples = set(before.examples) if before else set[str]()
    new, new_examples = after.articles, set(after.examples)
    return Changes(
        articles_added=tuple(sorted(new.keys() - old.keys())),
        articles_changed=tuple(sorted(name for name in new.keys() & old.keys() if new[name] != old[name])),
        articles_removed=tuple(sorted(old.keys() - new.keys())),
        examples_added=len(new_examples - old_examples),
        examples_removed=len(old_examples - new_examples),
    )
