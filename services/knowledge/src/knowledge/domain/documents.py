"""Documents of a declared source, and the articles that they give. Pure."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

from floodgate.catalogue import Article, KnowledgeSource
from pydantic import BaseModel, ConfigDict

MIN_WORDS: Final = 8
_SLUG_CHARS: Final = 24
_HASH_CHARS: Final = 8
_NOT_PLAIN: Final = re.compile(r"[^a-z0-9]+")


class Document(BaseModel):
    """One document, cleaned.

    Args:
        key: Its address, or its name relative to the source's location.
        title: Its title.
        text: What it says, as plain text.
        updated_at: When it was last changed; None where the source does not say.
    """

    model_config = ConfigDict(frozen=True)

    key: str
    title: str
    text: str
    updated_at: datetime | None = None


class Refused(BaseModel):
    """A document that was found and not kept.

    Args:
        key: Its address or name.
        reason: Why, in a few words.
    """

    model_config = ConfigDict(frozen=True)

    key: str
    reason: str


class Pulled(BaseModel):
    """What one source gave.

    Args:
        source_id: The source.
        pulled_at: When, UTC.
        documents: What is kept.
        refused: What is not.
    """

    model_config = ConfigDict(frozen=True)

    source_id: str
    pulled_at: datetime
    documents: tuple[Document, ...]
    refused: tuple[Refused, ...] = ()


def allowed(source: KnowledgeSource, key: str) -> bool:
    """Whether a source's own list lets an address or a name in; the longest beginning that fits decides.

    Files need no list: their location is one. Of the web, only what is listed is read.
    """
    if "/../" in f"/{key}/" or "/%2e%2e" in key.lower():
        return False
    best_allowed = max((len(start) for start in source.allow if key.startswith(start)), default=-1)
    best_denied = max((len(start) for start in source.deny if key.startswith(start)), default=-1)
    if not source.allow and not source.on_the_web:
        best_allowed = 0
    return best_allowed > best_denied


def refusal(source: KnowledgeSource, document: Document) -> str | None:
    """Why a cleaned document is not kept; None when it is."""
    if len(document.text.split()) < MIN_WORDS:
        return "it says next to nothing"
    if len(document.text.encode()) > source.max_document_bytes:
        return "too large"
    return None


def articles_of(source: KnowledgeSource, documents: Iterable[Document]) -> list[Article]:
    """The articles that documents give, by their address or name."""
    return [
        Article(
            id=_article_id(source, document.key),
            language=_by_part(source.languages, document.key) or source.language,
            title=document.title,
            countries=source.countries,
            category=_by_part(source.categories, document.key) or source.category,
            body=document.text,
            owner=source.owner,
            review_by=source.review_by,
        )
        for document in documents
    ]


def _article_id(source: KnowledgeSource, key: str) -> str:
    """Readable, and another for every document: the end of its name, and a hash of the whole."""
    plain = unicodedata.normalize("NFKD", key.rstrip("/").rsplit("/", 1)[-1]).encode("ascii", "ignore").decode()
    stem = plain.rsplit(".", 1)[0] if "." in plain else plain
    slug = _NOT_PLAIN.sub("_", stem.lower()).strip("_")[:_SLUG_CHARS].strip("_")
    digest = hashlib.sha256(key.encode()).hexdigest()[:_HASH_CHARS]
    head = source.id.replace("/", "_")[:_SLUG_CHARS]
    return "_".join(part for part in (head, slug, digest) if part)


def _by_part(table: Mapping[str, str], key: str) -> str | None:
    fitting = [part for part in table if part in key]
    return table[max(fitting, key=len)] if fitting else None
