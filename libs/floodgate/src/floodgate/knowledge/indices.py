"""How knowledge and examples are indexed: one text field per language, one vector, exact fields to filter by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from floodgate.knowledge.chunking import Chunk

KNOWLEDGE_ALIAS: Final = "floodgate-knowledge"
EXAMPLES_ALIAS: Final = "floodgate-examples"
VECTOR_DIMENSIONS: Final = 256
DOCUMENTS_VERSION: Final = 1
"""Raised when the same content is to be indexed as other documents, so that it is indexed anew."""

# Names of OpenSearch's own analyzers; `polish` comes with the analysis-stempel plugin.
ANALYZERS: Final[Mapping[str, str]] = {
    "nl": "dutch",
    "fr": "french",
    "es": "spanish",
    "pl": "polish",
    "en": "english",
    "de": "german",
    "it": "italian",
    "pt": "portuguese",
    "sv": "swedish",
    "cs": "czech",
}
_OTHER: Final = "other"

Document = dict[str, Any]


def _analyzed(language: str) -> str:
    return language if language in ANALYZERS else _OTHER


def content_field(language: str) -> str:
    """The field that holds text of a language; languages without an analyzer of their own share one."""
    return f"content.{_analyzed(language)}"


def questions_field(language: str) -> str:
    """The field that holds what customers ask, in their own words, beside what an article answers."""
    return f"questions.{_analyzed(language)}"


def index_name(alias: str, version: str) -> str:
    """The index behind an alias for one version of what it holds."""
    return f"{alias}-{version}"


def knowledge_index(*, replicas: int = 0) -> Document:
    """Settings and mappings of the index of passages."""
    exact = ("article_id", "chunk_id", "category", "countries", "translated_into")
    return _index(exact, stored=("title", "text"), searched=("content", "questions"), replicas=replicas)


def examples_index(*, replicas: int = 0) -> Document:
    """Settings and mappings of the index of examples."""
    return _index(("category",), stored=("text",), searched=("content",), replicas=replicas)


def _index(exact: Sequence[str], *, stored: Sequence[str], searched: Sequence[str], replicas: int) -> Document:
    properties: Document = {name: {"type": "keyword"} for name in ("language", *exact)}
    properties |= {name: {"type": "text", "index": False} for name in stored}
    analyzers = {**ANALYZERS, _OTHER: "standard"}
    fields = {language: {"type": "text", "analyzer": analyzer} for language, analyzer in analyzers.items()}
    properties |= {name: {"properties": fields} for name in searched}
    properties["vector"] = _vector()
    return {
        "settings": {"index": {"knn": True, "number_of_shards": 1, "number_of_replicas": replicas}},
        "mappings": {
            "dynamic": "strict",
            # What is searched in is a copy of title and text, and vectors are never read back.
            "_source": {"excludes": [*searched, "vector"]},
            "properties": properties,
        },
    }


def _vector() -> Document:
    """HNSW in Lucene's engine, named outright: the default engine needs a native library."""
    return {
        "type": "knn_vector",
        "dimension": VECTOR_DIMENSIONS,
        "method": {
            "name": "hnsw",
            "engine": "lucene",
            "space_type": "cosinesimil",
            "parameters": {"m": 16, "ef_construction": 128},
        },
    }


def passage_text(chunk: Chunk) -> str:
    """What is embedded and searched of a passage."""
    return f"{chunk.title}\n{chunk.text}"


def passage_document(
    chunk: Chunk,
    vector: Sequence[float],
    *,
    questions: Mapping[str, Sequence[str]] | None = None,
    translated_into: Sequence[str] = (),
) -> Document:
    """A passage as it is indexed, under its chunk_id.

    Args:
        chunk: The passage.
        vector: Of `passage_text`.
        questions: By language, how customers ask for it: the examples of its category. They word it as no
            article does, and let an article be found in languages into which nobody has translated it.
        translated_into: Other languages in which the article is there.
    """
    asked: dict[str, list[str]] = {}
    for language, texts in (questions or {}).items():
        asked.setdefault(_analyzed(language), []).extend(texts)
    return {
        "article_id": chunk.article_id,
        "chunk_id": chunk.chunk_id,
        "language": chunk.language,
        "translated_into": list(translated_into),
        "category": chunk.category,
        "countries": list(chunk.countries),
        "title": chunk.title,
        "text": chunk.text,
        "content": {_analyzed(chunk.language): passage_text(chunk)},
        "questions": asked,
        "vector": list(vector),
    }


def example_document(category: str, language: str, text: str, vector: Sequence[float]) -> Document:
    """An example as it is indexed."""
    return {
        "category": category,
        "language": language,
        "text": text,
        "content": {_analyzed(language): text},
        "vector": list(vector),
    }
