"""A source in S3, from its objects to what is searched, on the local stack."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any, cast
from uuid import uuid4

import boto3
import pytest
from floodgate.catalogue import Catalogue, Category, KnowledgeSource, Path, SourceKind, Team
from floodgate.knowledge import OpenSearchRetriever, make_client
from floodgate.settings import OpenSearchSettings, load
from knowledge.bootstrap import bootstrap
from knowledge.settings import KnowledgeSettings

pytestmark = pytest.mark.integration

OWNED: dict[str, Any] = {"owner": "x", "review_by": date(2030, 1, 1)}
SEATS = "# Booster seats\n\nBooster seats for children are free and lie at the cloakroom of every theatre."
BAGS = "# Bags\n\nBags larger than a sheet of paper stay at the cloakroom, where a place costs 2 euros."


@pytest.fixture
def settings(stack_env: dict[str, str]) -> Iterator[KnowledgeSettings]:
    """Aliases and folders of this test alone, removed afterwards."""
    mine = f"test-{uuid4().hex[:8]}"
    yield KnowledgeSettings(bucket=stack_env["FLOODGATE_S3_BUCKET"], prefix=mine, alias_prefix=mine)
    make_client(load(OpenSearchSettings)).indices.delete(index=f"{mine}-*")


def catalogue_with(source: KnowledgeSource) -> Catalogue:
    return Catalogue(
        version="v",
        company="Anyco",
        languages=("en",),
        countries=("GB",),
        paths=(Path(id="dogs", label={"en": "Dogs"}, category="dogs"),),
        categories=(
            Category(
                id="dogs", title={"en": "Dogs"}, path="dogs", team="a", examples={"en": ("may my dog come",)}, **OWNED
            ),
        ),
        urgency=(),
        teams=(Team(id="a", title="A", intercom_team_id="1", **OWNED),),
        templates=(),
        articles=(),
        sources=(source,),
        topics=("other",),
        intents=("other",),
    )


async def test_an_object_is_searched_and_gone_when_it_vanished(settings: KnowledgeSettings) -> None:
    s3, folder = boto3.client("s3"), f"{settings.prefix}-wiki/"
    for name, text in (("seats.md", SEATS), ("bags.md", BAGS), ("private/x.md", SEATS), ("photo.png", "x")):
        s3.put_object(Bucket=settings.bucket, Key=f"{folder}{name}", Body=text.encode())
    source = KnowledgeSource(
        id="wiki", kind=SourceKind.S3, location=f"s3://{settings.bucket}/{folder}", language="en",
        deny=("private/",), **OWNED,
    )  # fmt: skip
    catalogue, job = catalogue_with(source), bootstrap(settings)

    async def sync() -> Any:
        pull = job.puller.pull(catalogue.sources)
        return pull.reports[0], await job.sync.run(pull.into(catalogue), lambda *_: None)

    async def found() -> list[str]:
        passages = await job.retriever.passages("booster seat for my child", language="en", country="GB")
        return [passage.title for passage in passages]

    report, synced = await sync()
    assert (report.documents, len(synced.changes.articles_added)) == (2, 2)
    assert report.refused == {"not on the list": 1, "not a text, Markdown or HTML file": 1}
    assert (await found())[0] == "Booster seats"

    s3.delete_object(Bucket=settings.bucket, Key=f"{folder}seats.md")
    _, synced = await sync()
    assert len(synced.changes.articles_removed) == 1
    assert "Booster seats" not in await found()
    assert [article.title for article in job.puller.last(catalogue.sources).articles] == ["Bags"]

    await cast("OpenSearchRetriever", job.retriever).close()
    job.close()
