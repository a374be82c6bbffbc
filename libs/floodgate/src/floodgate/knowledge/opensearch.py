"""Hybrid retrieval from OpenSearch: BM25 and k-NN in one round trip, ranks fused here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from opensearchpy import OpenSearch

from floodgate.knowledge.client import make_client
from floodgate.knowledge.errors import opensearch_errors, status_error
from floodgate.knowledge.figures import record_outcome
from floodgate.knowledge.fusion import reciprocal_rank_fusion, spread
from floodgate.knowledge.indices import EXAMPLES_ALIAS, KNOWLEDGE_ALIAS, content_field, questions_field
from floodgate.knowledge.types import Embed, Example, Passage

# Longer texts add nothing to a search, and a clause per word has a limit in OpenSearch.
_MAX_QUERY_WORDS: Final = 120
_CANDIDATES: Final = 20
# What the weaker of the two text fields adds to the better one.
_TIE_BREAKER: Final = 0.3
# Of more than two words, this part has to occur: one common word is no hit.
_WORDS_NEEDED: Final = "34%"
_PASSAGE_FIELDS: Final = ("article_id", "chunk_id", "title", "language", "text")
_EXAMPLE_FIELDS: Final = ("category", "text", "language")

Hit = Mapping[str, Any]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RetrievalLimits:
    """Bounds of one retrieval.

    Args:
        min_similarity: Cosine below which a vector is no hit; else every text would have neighbours.
        timeout_seconds: For one round trip.
        max_concurrency: Round trips at the same time.
    """

    min_similarity: float = 0.3
    timeout_seconds: float = 3.0
    max_concurrency: int = 8


class OpenSearchRetriever:
    """Finds passages and examples; connects with its first question.

    Args:
        client: OpenSearch's client, or the URL for one.
        embed: Turns texts into vectors, such as `BedrockModel.embed`.
        default_language: Fills up what the language asked for does not have.
        limits: Bounds.
        knowledge: Alias or index of the passages.
        examples: Alias or index of the examples.
    """

    def __init__(
        self,
        client: OpenSearch | str,
        embed: Embed,
        *,
        default_language: str = "en",
        limits: RetrievalLimits | None = None,
        knowledge: str = KNOWLEDGE_ALIAS,
        examples: str = EXAMPLES_ALIAS,
    ) -> None:
        self._limits = limits or RetrievalLimits()
        self._client = (
            make_client(client, timeout_seconds=self._limits.timeout_seconds) if isinstance(client, str) else client
        )
        self._embed = embed
        self._default_language = default_language
        self._knowledge = knowledge
        self._examples = examples
        self._threads = ThreadPoolExecutor(self._limits.max_concurrency, thread_name_prefix="opensearch")

    async def passages(self, query: str, *, language: str, country: str | None, limit: int = 3) -> list[Passage]:
        """See `Retriever.passages`."""
        clause = _country_filter(country)
        rankings = await self._search(self._knowledge, query, language, _PASSAGE_FIELDS, clause)
        # Articles that are not there in this language compete on equal terms with those that are.
        fused = _fuse([hits for ranking in rankings for hits in ranking], _passage)
        found = spread(fused, limit, key=lambda passage: passage.article_id)
        record_outcome("passages", language, found=len(found), in_language=_count(found, language))
        return found

    async def examples(self, query: str, *, language: str, limit: int = 8) -> list[Example]:
        """See `Retriever.examples`."""
        rankings = await self._search(self._examples, query, language, _EXAMPLE_FIELDS, [])
        fused = [_fuse(ranking, _example) for ranking in rankings]
        found = fill_up(fused, limit, key=lambda example: example.text)
        record_outcome("examples", language, found=len(found), in_language=_count(found, language))
        return found

    async def close(self) -> None:
        """Let go of the connections."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        await asyncio.to_thread(self._client.close)

    async def _search(
        self,
        index: str,
        query: str,
        language: str,
        fields: Sequence[str],
        filters: Sequence[Mapping[str, Any]],
    ) -> list[list[list[Hit]]]:
        """Per language, the one asked for first: the hits by text and the hits by vector."""
        text = " ".join(query.split()[:_MAX_QUERY_WORDS])
        if not text:
            return []
        languages = list(dict.fromkeys((language, self._default_language)))
        [vector] = await self._embed([text])
        searches = [
            search
            for spoken in languages
            for search in hybrid_searches(text, vector, language=spoken, asked=language, fields=fields, filters=filters)
        ]
        hits = await self._multi_search(index, searches)
        return [[hits[position], self._near(hits[position + 1])] for position in range(0, 2 * len(languages), 2)]

    async def _multi_search(self, index: str, searches: Sequence[Mapping[str, Any]]) -> list[list[Hit]]:
        body = [line for search in searches for line in ({"index": index}, search)]
        loop = asyncio.get_running_loop()
        doing = f"searching {index}"
        with opensearch_errors(doing):
            answer = await loop.run_in_executor(self._threads, self._send, body)
        return [_hits(doing, response) for response in answer["responses"]]

    def _send(self, body: list[Mapping[str, Any]]) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self._client.msearch(body=body, request_timeout=self._limits.timeout_seconds)
        return found

    def _near(self, hits: Sequence[Hit]) -> list[Hit]:
        """Lucene scores cosine similarity as (1 + cosine) / 2."""
        lowest = (1 + self._limits.min_similarity) / 2
        return [hit for hit in hits if hit["_score"] >= lowest]


def hybrid_searches(
    text: str,
    vector: Sequence[float],
    *,
    language: str,
    asked: str,
    fields: Sequence[str],
    filters: Sequence[Mapping[str, Any]],
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The two searches for what is written in one language: by text and by vector.

    Args:
        text: What was asked.
        vector: Of the text.
        language: Language of what is searched.
        asked: Language of the text; where it differs, only what is not there in that language is searched.
        fields: Members of a document that are wanted.
        filters: What else has to hold.
    """
    allowed = {"filter": [{"term": {"language": language}}, *filters]}
    if language != asked:
        allowed["must_not"] = [{"term": {"translated_into": asked}}]
    searched = [content_field(language), questions_field(language), questions_field(asked)]
    words = {
        "query": text,
        "fields": list(dict.fromkeys(searched)),
        "tie_breaker": _TIE_BREAKER,
        "minimum_should_match": _WORDS_NEEDED,
    }
    nearest = {"vector": list(vector), "k": _CANDIDATES, "filter": {"bool": allowed}}
    shape = {"size": _CANDIDATES, "_source": list(fields)}
    return (
        {**shape, "query": {"bool": {"must": {"multi_match": words}, **allowed}}},
        {**shape, "query": {"knn": {"vector": nearest}}},
    )


def fill_up(groups: Sequence[Sequence[T]], limit: int, *, key: Callable[[T], str]) -> list[T]:
    """The first group, then from each next one what none before it had, up to the limit."""
    found: list[T] = []
    for group in groups:
        known = {key(item) for item in found}
        found += [item for item in group if key(item) not in known]
    return found[:limit]


def _country_filter(country: str | None) -> list[Mapping[str, Any]]:
    """Articles for everywhere, and those for this country."""
    everywhere = {"bool": {"must_not": {"exists": {"field": "countries"}}}}
    here = [{"term": {"countries": country}}] if country else []
    return [{"bool": {"should": [everywhere, *here], "minimum_should_match": 1}}]


def _hits(doing: str, response: Mapping[str, Any]) -> list[Hit]:
    if "error" in response:
        raise status_error(doing, response.get("status", 500), str(response["error"].get("type", "")))
    hits: list[Hit] = response["hits"]["hits"]
    return hits


def _fuse(rankings: Sequence[Sequence[Hit]], make: Callable[[Mapping[str, Any], float], T]) -> list[T]:
    sources = {hit["_id"]: hit["_source"] for ranking in rankings for hit in ranking}
    fused = reciprocal_rank_fusion([hit["_id"] for hit in ranking] for ranking in rankings)
    return [make(sources[key], score) for key, score in fused]


def _passage(source: Mapping[str, Any], score: float) -> Passage:
    return Passage(**{name: source[name] for name in _PASSAGE_FIELDS}, score=score)


def _example(source: Mapping[str, Any], score: float) -> Example:
    return Example(**{name: source[name] for name in _EXAMPLE_FIELDS}, score=score)


def _count(found: Sequence[Passage | Example], language: str) -> int:
    return sum(item.language == language for item in found)
