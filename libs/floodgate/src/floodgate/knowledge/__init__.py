"""Curated knowledge and examples: cut into passages, indexed, and found again."""

from floodgate.knowledge.chunking import Chunk, chunk_article, chunk_articles
from floodgate.knowledge.client import make_client
from floodgate.knowledge.degraded import DegradingRetriever
from floodgate.knowledge.fusion import reciprocal_rank_fusion
from floodgate.knowledge.memory import FakeRetriever
from floodgate.knowledge.opensearch import OpenSearchRetriever
from floodgate.knowledge.types import Embed, Example, Passage, Retriever

__all__ = [
    "Chunk",
    "DegradingRetriever",
    "Embed",
    "Example",
    "FakeRetriever",
    "OpenSearchRetriever",
    "Passage",
    "Retriever",
    "chunk_article",
    "chunk_articles",
    "make_client",
    "reciprocal_rank_fusion",
]
