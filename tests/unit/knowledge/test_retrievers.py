"""The retriever in memory, falling back on it, and what the OpenSearch one makes of answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from floodgate.catalogue import Catalogue
from floodgate.knowledge import DegradingRetriever, FakeRetriever, OpenSearchRetriever
from floodgate.knowledge.errors import opensearch_errors, status_error
from floodgate.knowledge.indices import ANALYZERS, examples_index, knowledge_index
from floodgate.knowledge.opensearch import fill_up, hybrid_searches
from keyflow.errors import FatalError, OutageError, PoisonMessageError, RetryableError
from opensearchpy import exceptions
from prometheus_client import REGISTRY

from tests.unit.knowledge.conftest import FakeModel


def counted(kind: str, language: str, outcome: str) -> float:
    labels = {"kind": kind, "language": language, "outcome": outcome}
    return REGISTRY.get_sample_value("floodgate_knowledge_retrievals_total", labels) or 0.0


async def test_memory_finds_an_article_by_its_own_words_and_by_those_of_customers(catalogue: Catalogue) -> None:
    retriever = FakeRetriever(catalogue)

    by_text = await retriever.passages("are guide dogs welcome", language="en", country=None)
    by_example = await retriever.passages("mag mijn hond mee", language="nl", country="NL")

    assert by_text[0].article_id == "dogs"
    assert [(found.article_id, found.language) for found in by_example] == [("dogs", "en")]


async def test_memory_does_not_give_what_is_there_in_the_language_in_another_one_too(catalogue: Catalogue) -> None:
    found = await FakeRetriever(catalogue).passages("geld terug graag", language="nl", country=None)

    assert [(passage.article_id, passage.language) for passage in found] == [("refunds", "nl")]


async def test_memory_keeps_articles_of_a_country_in_that_country(catalogue: Catalogue) -> None:
    retriever = FakeRetriever(catalogue)

    found = [
        [passage.article_id for passage in await retriever.passages("pay with ideal", language="en", country=country)]
        for country in ("NL", "GB", None)
    ]

    assert found == [["ideal"], [], []]


async def test_memory_puts_examples_of_the_language_first(catalogue: Catalogue) -> None:
    found = await FakeRetriever(catalogue).examples("geld terug, refund me", language="nl")

    assert [(example.category, example.language) for example in found] == [("refunds", "nl"), ("refunds", "en")]


async def test_finding_nothing_is_counted_without_the_text(catalogue: Catalogue) -> None:
    before = counted("passages", "en", "no_hit")

    assert await FakeRetriever(catalogue).passages("zzz qqq", language="en", country=None) == []
    assert counted("passages", "en", "no_hit") == before + 1


class Broken:
    """Fails in one way."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    async def passages(self, query: str, **_: Any) -> Any:
        raise self.error

    async def examples(self, query: str, **_: Any) -> Any:
        raise self.error


async def test_an_index_that_cannot_be_asked_is_replaced_by_memory_and_counted(catalogue: Catalogue) -> None:
    retriever = DegradingRetriever(Broken(OutageError("down")), FakeRetriever(catalogue))
    before = counted("examples", "en", "degraded")

    assert (await retriever.examples("refund me", language="en"))[0].category == "refunds"
    assert (await retriever.passages("guide dogs", language="en", country=None))[0].article_id == "dogs"
    assert counted("examples", "en", "degraded") == before + 1


async def test_refused_credentials_are_not_hidden_by_the_fallback(catalogue: Catalogue) -> None:
    retriever = DegradingRetriever(Broken(FatalError("401")), FakeRetriever(catalogue))

    with pytest.raises(FatalError):
        await retriever.examples("refund", language="en")


class FakeClient:
    """Answers a multi-search; remembers it."""

    def __init__(self, *responses: Mapping[str, Any]) -> None:
        self.responses = responses
        self.body: list[Any] = []

    def msearch(self, *, body: list[Any], request_timeout: float) -> Mapping[str, Any]:
        self.body = body
        return {"responses": list(self.responses)}


def hits(*entries: tuple[str, str, float]) -> Mapping[str, Any]:
    return {
        "hits": {
            "hits": [
                {
                    "_id": f"{key}/{language}/1",
                    "_score": score,
                    "_source": {
                        "article_id": key,
                        "chunk_id": f"{key}/{language}/1",
                        "title": key,
                        "language": language,
                        "text": "…",
                    },
                }
                for key, language, score in entries
            ]
        }
    }


async def test_text_and_vector_are_fused_and_far_vectors_dropped() -> None:
    client = FakeClient(
        hits(("a", "nl", 9.0), ("b", "nl", 8.0)),
        hits(("b", "nl", 0.9), ("far", "nl", 0.55)),
        hits(),
        hits(),
    )
    retriever = OpenSearchRetriever(client, FakeModel().embed)  # type: ignore[arg-type]  # only msearch is used

    found = await retriever.passages("x", language="nl", country="NL")

    assert [passage.article_id for passage in found] == ["b", "a"]
    assert found[0].score > found[1].score


async def test_one_round_trip_asks_both_languages_in_both_ways() -> None:
    client = FakeClient(*[hits()] * 4)
    retriever = OpenSearchRetriever(client, FakeModel().embed)  # type: ignore[arg-type]  # only msearch is used

    assert await retriever.passages("x", language="nl", country=None) == []
    assert len(client.body) == 8
    assert {line["index"] for line in client.body[::2]} == {"floodgate-knowledge"}


async def test_an_empty_text_asks_nothing() -> None:
    model, client = FakeModel(), FakeClient()
    retriever = OpenSearchRetriever(client, model.embed)  # type: ignore[arg-type]  # only msearch is used

    assert await retriever.examples("  \n", language="nl") == []
    assert (model.asked, client.body) == ([], [])


async def test_a_very_long_text_is_shortened_before_it_is_searched() -> None:
    model = FakeModel()
    retriever = OpenSearchRetriever(FakeClient(hits(), hits()), model.embed)  # type: ignore[arg-type]  # only msearch

    await retriever.examples("word " * 5000, language="en")

    assert [len(text.split()) for text in model.asked] == [120]


async def test_an_error_inside_the_answer_is_translated() -> None:
    missing = {"status": 404, "error": {"type": "index_not_found_exception"}}
    retriever = OpenSearchRetriever(FakeClient(missing, missing), FakeModel().embed)  # type: ignore[arg-type]  # msearch

    with pytest.raises(OutageError, match="floodgate knowledge sync"):
        await retriever.examples("x", language="en")


def test_articles_there_in_the_asked_language_are_not_searched_in_the_default_one() -> None:
    by_text, by_vector = hybrid_searches("x", [0.1], language="en", asked="sv", fields=["text"], filters=[])

    translated = [{"term": {"translated_into": "sv"}}]
    assert by_text["query"]["bool"]["must_not"] == translated
    assert by_vector["query"]["knn"]["vector"]["filter"]["bool"]["must_not"] == translated
    assert "questions.sv" in by_text["query"]["bool"]["must"]["multi_match"]["fields"]


def test_filling_up_keeps_the_first_group_first_and_repeats_nothing() -> None:
    assert fill_up([["a", "b"], ["b", "c"]], 5, key=str) == ["a", "b", "c"]
    assert fill_up([["a", "b"], ["c"]], 1, key=str) == ["a"]


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (exceptions.ConnectionTimeout("TIMEOUT", "x", OSError()), RetryableError),
        (exceptions.ConnectionError("N/A", "x", OSError()), OutageError),
        (exceptions.SSLError("N/A", "x", OSError()), FatalError),
        (exceptions.TransportError(429, "rejected", {}), RetryableError),
        (exceptions.TransportError(503, "unavailable", {}), RetryableError),
        (exceptions.NotFoundError(404, "index_not_found_exception", {}), OutageError),
        (exceptions.AuthenticationException(401, "", {}), FatalError),
        (exceptions.AuthorizationException(403, "", {}), FatalError),
        (exceptions.RequestError(400, "too_many_clauses", {}), PoisonMessageError),
        (exceptions.SerializationError("x"), RetryableError),
        (exceptions.ImproperlyConfigured("x"), FatalError),
    ],
)
def test_every_failure_of_the_client_has_its_class(raised: Exception, expected: type[Exception]) -> None:
    with pytest.raises(expected, match="searching"), opensearch_errors("searching"):
        raise raised


def test_an_explanation_that_may_repeat_the_query_is_not_passed_on() -> None:
    error = exceptions.RequestError(400, "failed to parse [my secret text]", {})

    with pytest.raises(PoisonMessageError) as caught, opensearch_errors("searching"):
        raise error

    assert "secret" not in str(caught.value)
    assert isinstance(status_error("x", 408, ""), RetryableError)


@pytest.mark.parametrize("definition", [knowledge_index(), examples_index()])
def test_vectors_never_use_the_default_engine_and_every_language_has_an_analyzer(definition: Any) -> None:
    properties = definition["mappings"]["properties"]

    assert properties["vector"]["method"]["engine"] == "lucene"
    assert properties["vector"]["dimension"] == 256
    assert definition["settings"]["index"]["knn"] is True
    assert set(properties["content"]["properties"]) == {*ANALYZERS, "other"}
