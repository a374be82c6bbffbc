"""What a catalogue gives to be found: passages and examples, with a version of their own."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Final

from floodgate.catalogue import Catalogue, CatalogueIndex
from floodgate.knowledge import Chunk, chunk_articles
from floodgate.knowledge.indices import (
    DOCUMENTS_VERSION,
    VECTOR_DIMENSIONS,
    examples_index,
    knowledge_index,
    passage_text,
)

_VERSION_LENGTH: Final = 12
_KEY_LENGTH: Final = 16


@dataclass(frozen=True, slots=True)
class IndexedExample:
    """An example with the id under which it is indexed."""

    example_id: str
    category: str
    language: str
    text: str


@dataclass(frozen=True)
class Corpus:
    """Everything that is indexed for one catalogue and one embedding model.

    Args:
        catalogue_version: Version of the catalogue that it was made from.
        embed_model_id: The model whose vectors are stored; another model means another version.
        chunks: Passages of the articles.
        examples: Examples of the categories.
    """

    catalogue_version: str
    embed_model_id: str
    chunks: tuple[Chunk, ...]
    examples: tuple[IndexedExample, ...]

    @cached_property
    def version(self) -> str:
        """The same content, mappings and model have the same version; thresholds and replies do not count."""
        parts = [
            [self.embed_model_id, VECTOR_DIMENSIONS, DOCUMENTS_VERSION, knowledge_index(), examples_index()],
            [asdict(chunk) for chunk in self.chunks],
            [asdict(example) for example in self.examples],
        ]
        return _digest(parts)[:_VERSION_LENGTH]

    @cached_property
    def texts(self) -> tuple[str, ...]:
        """Every text that needs a vector, once."""
        found = [*map(passage_text, self.chunks), *(example.text for example in self.examples)]
        return tuple(dict.fromkeys(found))

    @cached_property
    def questions(self) -> dict[str, dict[str, list[str]]]:
        """How customers ask, by category and language."""
        found: dict[str, dict[str, list[str]]] = {}
        for example in self.examples:
            found.setdefault(example.category, {}).setdefault(example.language, []).append(example.text)
        return found

    @cached_property
    def languages(self) -> dict[str, tuple[str, ...]]:
        """By article, the languages in which it is there."""
        found: dict[str, set[str]] = {}
        for chunk in self.chunks:
            found.setdefault(chunk.article_id, set()).add(chunk.language)
        return {article: tuple(sorted(languages)) for article, languages in found.items()}

    @cached_property
    def article_hashes(self) -> dict[str, str]:
        """By `<language>/<article>`: a hash of what its passages say and where they hold."""
        found: dict[str, list[dict[str, Any]]] = {}
        for chunk in self.chunks:
            found.setdefault(f"{chunk.language}/{chunk.article_id}", []).append(asdict(chunk))
        return {name: _digest(chunks)[:_KEY_LENGTH] for name, chunks in found.items()}


def make_corpus(catalogue: Catalogue, embed_model_id: str) -> Corpus:
    """What a catalogue gives to be found."""
    examples = (
        IndexedExample(_example_id(category.id, language, text), category.id, language, text)
        for category, language, text in CatalogueIndex(catalogue).examples()
    )
    return Corpus(
        catalogue_version=catalogue.version,
        embed_model_id=embed_model_id,
        chunks=tuple(chunk_articles(catalogue.articles)),
        examples=tuple(_unique(examples)),
    )


def text_key(text: str) -> str:
    """Under which a text's vector is kept."""
    return hashlib.sha256(text.encode()).hexdigest()


def _example_id(category: str, language: str, text: str) -> str:
    return f"{category}/{language}/{_digest(text)[:_KEY_LENGTH]}"


def _unique(examples: Iterable[IndexedExample]) -> Iterable[IndexedExample]:
    """The same words twice in one category are one example."""
    by_id: Mapping[str, IndexedExample] = {example.example_id: example for example in examples}
    return by_id.values()


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, ensure_ascii=False, sort_keys=True).encode()).hexdigest()
