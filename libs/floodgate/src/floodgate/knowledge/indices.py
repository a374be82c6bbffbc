"""How knowledge and examples are indexed: one text field per language, one vector, exact fields to filter by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from floodgate.knowledge.chunking import Chunk

KNOWLEDGE_ALIAS: Final = "floodgate-knowledge"
EXAMPLES_ALIAS: Final = "floodgate-examples"
VECTOR_DIMENSIONS: Final = 256

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


def content_field(language: str) -> str:
    """The field that holds text of a language; languages without an analyzer of their own share one."""
    return f"content.{language if language in ANALYZERS else _OTHER}"


def index_name(alias: str, version: str) -> str:
    """The index behind an alias for one version of what it holds."""
    return f"{alias}-{version}"


def knowledge_index(*, replicas: int = 0) -> Document:
    """Settings and mappings of the index of passages."""
    exact = ("article_id", "chunk_id", "category", "countries")
    return _index(exact, stored=("title", "text"), replicas=replicas)


def examples_index(*, replicas: int = 0) -> Document:
    """Settings and mappings of the index of examples."""
    return _index(("category",), stored=("text",), replicas=replicas)


def _index(exact: Sequence[str], *, stored: Sequence[str], replicas: int) -> Document:
    properties: Document = {name: {"type": "keyword"} for name in ("language", *exact)}
    properties |= {name: {"type": "text", "index": False} for name in stored}
    analyzers = {**ANALYZERS, _OTHER: "standard"}
    properties["content"] = {
        "properties": {language: {"type": "text", "analyzer": analyzer} for language, analyzer in analyzers.items()}
    }
    properties["vector"] = _vector()
    return {
        "settings": {"index": {"knn": True, "number_of_shards": 1, "number_of_replicas": replicas}},
        "mappings": {
            "dynamic": "strict",
            # What is searched in is a copy of title and text, and vectors are never read back.
            "_source": {"excludes": ["content", "vector"]},
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


def passage_document(chunk: Chunk, vector: Sequence[float]) -> Document:
    """A passage as it is indexed, under its chunk_id."""
    language = content_field(chunk.language).partition(".")[2]
    return {
        "article_id": chunk.article_id,
        "chunk_id": chunk.chunk_id,
        "language": chunk.language,
        "category": chunk.category,
        "countries": list(chunk.countries),
        "title": chunk.title,
        "text": chunk.text,
        "content": {language: passage_text(chunk)},
        "vector": list(vector),
    }


def example_document(category: str, language: str, text: str, vector: Sequence[float]) -> Document:
    """An example as it is indexed."""
    field = content_field(language).partition(".")[2]
    return {
        "category": category,
        "language": language,
        "text": text,
        "content": {field: text},
        "vector": list(vector),
    }
