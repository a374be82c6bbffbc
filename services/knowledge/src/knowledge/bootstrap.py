"""The only place where the knowledge job is wired."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from floodgate.bedrock import BedrockModel, BedrockSettings
from floodgate.catalogue import Catalogue
from floodgate.catalogue.opening import open_catalogue
from floodgate.knowledge import Embed, OpenSearchRetriever, Retriever, make_client
from floodgate.settings import CatalogueSettings, OpenSearchSettings, load

from knowledge.adapters.opensearch_index import Aliases, OpenSearchIndex
from knowledge.adapters.s3_store import S3Store
from knowledge.ports import ContentStore, SearchIndex
from knowledge.settings import KnowledgeSettings
from knowledge.sync import KnowledgeSync


@dataclass(frozen=True, slots=True)
class Knowledge:
    """The job, wired and not yet connected to anything."""

    load_catalogue: Callable[[], Catalogue]
    sync: KnowledgeSync
    store: ContentStore
    index: SearchIndex
    retriever: Retriever
    close: Callable[[], None]


def build() -> Knowledge:
    """The job with its settings from the environment.

    Raises:
        FatalError: A setting is missing or wrong.
    """
    return bootstrap(load(KnowledgeSettings))


def bootstrap(
    settings: KnowledgeSettings,
    *,
    catalogue: Catalogue | None = None,
    bedrock: BedrockSettings | None = None,
    embed: Embed | None = None,
    store: ContentStore | None = None,
    index: SearchIndex | None = None,
    retriever: Retriever | None = None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Knowledge:
    """The job; whatever is passed takes the place of the real thing.

    Raises:
        FatalError: A setting is missing or wrong.
    """
    bedrock = bedrock or load(BedrockSettings)
    model = BedrockModel(bedrock)
    embed = embed or model.embed
    aliases = Aliases(f"{settings.alias_prefix}-knowledge", f"{settings.alias_prefix}-examples")
    if index is None or retriever is None:
        client = make_client(load(OpenSearchSettings), timeout_seconds=settings.index_timeout_seconds)
        index = index or OpenSearchIndex(client, replicas=settings.replicas, aliases=aliases)
        retriever = retriever or OpenSearchRetriever(
            client, embed, knowledge=aliases.knowledge, examples=aliases.examples
        )
    store = store or S3Store(settings.bucket, settings.prefix)
    return Knowledge(
        load_catalogue=(lambda: catalogue)
        if catalogue
        else (lambda: open_catalogue(load(CatalogueSettings)).catalogue),
        sync=KnowledgeSync(
            store,
            index,
            embed,
            embed_model_id=bedrock.embed_model_id,
            now=now,
            keep_versions=settings.keep_versions,
            batch_size=settings.embed_batch_size,
        ),
        store=store,
        index=index,
        retriever=retriever,
        close=model.close,
    )
