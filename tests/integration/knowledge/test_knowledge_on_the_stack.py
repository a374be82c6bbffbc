"""The knowledge job on the real OpenSearch, S3 and Bedrock Runtime of the local stack."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import boto3
import pytest
import yaml
from console.adapters.opensearch_projection import OpenSearchProjection
from console.adapters.opensearch_syncs import OpenSearchSyncs
from floodgate.bedrock import BedrockModel, BedrockSettings
from floodgate.catalogue import Article, Catalogue, load_catalogue
from floodgate.knowledge import OpenSearchRetriever, chunk_article, make_client
from floodgate.settings import OpenSearchSettings, load
from keyflow.errors import FatalError, OutageError
from knowledge.bootstrap import Knowledge, bootstrap
from knowledge.domain.manifest import Changes
from knowledge.domain.noted import failed, finished
from knowledge.settings import KnowledgeSettings
from opensearchpy import OpenSearch

pytestmark = pytest.mark.integration

LEFT_OUT = {"nl", "es", "pl", "de", "it", "pt", "sv", "cs"}
DIRECTORY = Path(__file__).resolve().parents[3] / "catalogue"


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    """The repository's own, with fewer examples in three languages to be quick."""
    whole = load_catalogue(DIRECTORY)
    kept = ("en", "nl", "sv")
    categories = tuple(
        category.model_copy(update={"examples": {spoken: category.examples[spoken][:8] for spoken in kept}})
        for category in whole.categories
    )
    return whole.model_copy(update={"categories": categories})


@pytest.fixture(scope="module")
def names(stack_env: dict[str, str]) -> Iterator[KnowledgeSettings]:
    """Aliases and a folder of this module alone, removed afterwards."""
    mine = f"test-{uuid4().hex[:8]}"
    settings = KnowledgeSettings(
        bucket=stack_env["FLOODGATE_S3_BUCKET"], prefix=mine, alias_prefix=mine, keep_versions=2
    )
    yield settings
    make_client(load(OpenSearchSettings)).indices.delete(index=f"{mine}-*")


@pytest.fixture
async def job(names: KnowledgeSettings) -> AsyncIterator[Knowledge]:
    wired = bootstrap(names)
    yield wired
    await cast("OpenSearchRetriever", wired.retriever).close()
    wired.close()


@pytest.fixture
def opensearch(stack_env: dict[str, str]) -> OpenSearch:
    return make_client(load(OpenSearchSettings), timeout_seconds=10)


def quiet(*_: Any) -> None:
    """No progress."""


async def test_content_goes_to_s3_and_can_be_searched_and_again_is_nothing_to_do(
    job: Knowledge, names: KnowledgeSettings, catalogue: Catalogue, opensearch: OpenSearch
) -> None:
    report = await job.sync.run(catalogue, quiet)
    again = await job.sync.run(catalogue, quiet)

    assert (report.outcome, again.outcome) == ("synced", "unchanged")
    assert opensearch.count(index=f"{names.alias_prefix}-knowledge")["count"] == report.passages
    assert opensearch.count(index=f"{names.alias_prefix}-examples")["count"] == report.examples
    stored = boto3.client("s3").get_object(
        Bucket=names.bucket, Key=f"{names.prefix}/{report.version}/articles/nl/ticket_refunds.json"
    )
    assert json.loads(stored["Body"].read())[0]["article_id"] == "ticket_refunds"


@pytest.mark.parametrize(
    ("language", "country", "query", "expected"),
    [
        ("en", "GB", "how do I stop auto renewal", "cancel_subscription/en"),
        ("nl", "NL", "waar blijven mijn kaartjes", "ticket_delivery/nl"),
        ("de", "DE", "abo loswerden", "cancel_subscription/de"),
        ("pl", "PL", "chcę zwrot za koncert", "ticket_refunds/pl"),
        ("nl", "NL", "betalen met ideal", "paying_with_ideal/nl"),
        # Nobody has translated these two; how Swedes ask for them leads to the English ones.
        ("sv", "SE", "jag vill ha kvitto", "invoices/en"),
        ("sv", "SE", "får ledarhund följa med in", "accessibility/en"),
    ],
)
async def test_questions_find_their_article_in_the_language_or_else_in_english(
    job: Knowledge, language: str, country: str, query: str, expected: str
) -> None:
    found = await job.retriever.passages(query, language=language, country=country, limit=3)

    assert expected in {f"{passage.article_id}/{passage.language}" for passage in found}


async def test_articles_of_other_countries_and_translated_ones_stay_out(job: Knowledge) -> None:
    abroad = await job.retriever.passages("pay with iDEAL or Bancontact", language="en", country="SE", limit=10)
    dutch = await job.retriever.passages("tickets terugbetaald", language="nl", country="NL", limit=20)

    assert "paying_with_ideal" not in {passage.article_id for passage in abroad}
    translated = {passage.article_id for passage in dutch if passage.language == "nl"}
    assert translated
    assert not translated & {passage.article_id for passage in dutch if passage.language == "en"}


async def test_examples_come_in_the_language_first(job: Knowledge) -> None:
    found = await job.retriever.examples("ik wil mijn abonnement stopzetten", language="nl", limit=5)

    assert found[0].category == "cancel_subscription"
    assert found[0].language == "nl"
    assert len(found) == 5


async def test_what_vanished_is_gone_without_a_moment_without_an_index(
    job: Knowledge, names: KnowledgeSettings, catalogue: Catalogue, opensearch: OpenSearch
) -> None:
    before = await job.sync.run(catalogue, quiet)
    smaller = catalogue.model_copy(
        update={"articles": tuple(article for article in catalogue.articles if article.id != "lost_property")}
    )

    report = await job.sync.run(smaller, quiet)

    found = await job.retriever.passages("lost property desk umbrella", language="en", country=None, limit=20)
    assert report.changes.articles_removed == ("en/lost_property",)
    assert (report.embedded, report.changes.examples_removed) == (0, 0)
    assert "lost_property" not in {passage.article_id for passage in found}
    assert sorted(opensearch.indices.get(index=f"{names.alias_prefix}-*")) == [
        f"{names.alias_prefix}-examples-{report.version}",
        f"{names.alias_prefix}-knowledge-{report.version}",
    ]
    assert before.version != report.version


async def test_what_a_broken_run_left_half_done_is_replaced(
    job: Knowledge, names: KnowledgeSettings, catalogue: Catalogue, opensearch: OpenSearch
) -> None:
    first = catalogue.articles[0]
    changed = catalogue.model_copy(
        update={"articles": (first.model_copy(update={"title": f"{first.title}!"}), *catalogue.articles[1:])}
    )
    await job.sync.run(catalogue, quiet)
    planned = await job.sync.run(changed, quiet, dry_run=True)
    opensearch.indices.create(index=f"{names.alias_prefix}-knowledge-{planned.version}")

    report = await job.sync.run(changed, quiet)

    assert (report.outcome, report.version) == ("synced", planned.version)
    assert report.embedded == len(chunk_article(first))
    assert (await job.sync.run(changed, quiet)).outcome == "unchanged"


async def test_only_the_newest_versions_stay_in_s3(
    job: Knowledge, names: KnowledgeSettings, catalogue: Catalogue
) -> None:
    for number in range(3):
        note = Article(
            id="note",
            language="en",
            title=f"Note {number}",
            body="A short note about the shop.",
            owner=catalogue.articles[0].owner,
            review_by=catalogue.articles[0].review_by,
        )
        last = await job.sync.run(catalogue.model_copy(update={"articles": (*catalogue.articles, note)}), quiet)

    pages = boto3.client("s3").list_objects_v2(Bucket=names.bucket, Prefix=f"{names.prefix}/", Delimiter="/")
    versions = {entry["Prefix"].split("/")[-2] for entry in pages["CommonPrefixes"]}
    assert last.version in versions
    assert len(versions) == names.keep_versions


async def test_an_index_that_was_never_filled_says_what_to_run(stack_env: dict[str, str]) -> None:
    async def embed(texts: Any) -> list[list[float]]:
        return [[0.1] * 256 for _ in texts]

    retriever = OpenSearchRetriever(stack_env["FLOODGATE_OPENSEARCH_URL"], embed, knowledge="never-filled")

    with pytest.raises(OutageError, match="floodgate knowledge sync"):
        await retriever.passages("x", language="en", country=None)
    await retriever.close()


async def test_an_opensearch_that_is_not_there_is_an_outage() -> None:
    async def embed(texts: Any) -> list[list[float]]:
        return [[0.1] * 256 for _ in texts]

    retriever = OpenSearchRetriever("http://127.0.0.1:9", embed)

    with pytest.raises(OutageError, match="cannot be reached"):
        await retriever.examples("x", language="en")
    await retriever.close()


async def test_a_bucket_that_is_not_there_is_named(names: KnowledgeSettings, catalogue: Catalogue) -> None:
    wired = bootstrap(names.model_copy(update={"bucket": "no-such-bucket-here"}))

    with pytest.raises(FatalError, match="no-such-bucket-here"):
        await wired.sync.run(catalogue, quiet)
    wired.close()


def small_catalogue(directory: Path) -> Path:
    """The repository's own in two languages, so that a process of its own is quick with it."""
    shutil.copytree(DIRECTORY, directory, ignore=lambda _, names: [name for name in names if name in LEFT_OUT])
    settings = directory / "catalogue.yaml"
    described = yaml.safe_load(settings.read_text())
    settings.write_text(yaml.safe_dump({**described, "languages": ["en", "fr"]}))
    for file in directory.glob("categories/*.yaml"):
        category = yaml.safe_load(file.read_text())
        category["examples"] = {spoken: category["examples"][spoken][:5] for spoken in ("en", "fr")}
        file.write_text(yaml.safe_dump(category, allow_unicode=True))
    return directory


def test_people_can_sync_search_and_look_at_the_state(stack_env: dict[str, str], tmp_path: Path) -> None:
    mine = f"test-{uuid4().hex[:8]}"
    env = {
        **os.environ,
        "FLOODGATE_KNOWLEDGE_PREFIX": mine,
        "FLOODGATE_KNOWLEDGE_ALIAS_PREFIX": mine,
        "FLOODGATE_CATALOGUE_DIR": str(small_catalogue(tmp_path / "catalogue")),
    }

    def knowledge(*arguments: str) -> str:
        command = [sys.executable, "-m", "knowledge", *arguments]
        return subprocess.run(command, env=env, check=True, capture_output=True, text=True, timeout=120).stdout

    try:
        before = json.loads(knowledge("status", "--json"))
        synced = json.loads(knowledge("sync", "--json"))
        after = json.loads(knowledge("status", "--json"))
        question = "comment résilier"
        found = json.loads(knowledge("search", question, "--language", "fr", "--json"))
        again = knowledge("sync")
    finally:
        make_client(load(OpenSearchSettings)).indices.delete(index=f"{mine}-*")

    assert (before["up_to_date"], before["published"]) == (False, None)
    assert synced["outcome"] == "synced"
    assert after["up_to_date"] is True
    assert after["published"]["version"] == synced["version"]
    assert "cancel_subscription" in {passage["article_id"] for passage in found}
    assert "Nothing to do" in again


async def test_vectors_are_of_the_size_that_the_index_holds(stack_env: dict[str, str]) -> None:
    model = BedrockModel(load(BedrockSettings))

    assert [len(vector) for vector in await model.embed(["one", "two"])] == [256, 256]
    model.close()


async def test_the_console_reads_what_became_of_the_runs(job: Knowledge, names: KnowledgeSettings) -> None:
    projection = OpenSearchProjection(load(OpenSearchSettings), names.alias_prefix)
    syncs = OpenSearchSyncs(projection, f"{names.alias_prefix}-syncs")
    report = {"outcome": "synced", "version": "v", "catalogue_version": "c", "passages": 1, "examples": 2}
    job.notes.keep(finished(job.now(), {**report, "contradictions": []}, Changes(articles_added=("en/a",)), []))
    job.notes.keep(failed(job.now(), "the wiki does not answer"))
    found = await syncs.read()
    await projection.aclose()
    assert (found["last"]["outcome"], found["changed"]["added"]) == ("failed", ["en/a"])
