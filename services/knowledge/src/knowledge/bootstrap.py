"""The only place where the knowledge job is wired."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from floodgate.bedrock import BedrockModel, BedrockSettings
from floodgate.catalogue import Catalogue, SourceKind
from floodgate.catalogue.opening import open_catalogue
from floodgate.knowledge import Embed, OpenSearchRetriever, Retriever, make_client
from floodgate.settings import CatalogueSettings, OpenSearchSettings, load

from knowledge.adapters.confluence_source import ConfluenceSource
from knowledge.adapters.directory_source import DirectorySource
from knowledge.adapters.opensearch_index import Aliases, OpenSearchIndex
from knowledge.adapters.opensearch_notes import OpenSearchNotes
from knowledge.adapters.s3_source import S3PulledStore, S3Source
from knowledge.adapters.s3_store import S3Store
from knowledge.adapters.web import Web
from knowledge.adapters.web_sources import FeedSource, SitemapSource
from knowledge.ports import ContentStore, RunNotes, SearchIndex
from knowledge.ports_sources import PulledStore, Reader
from knowledge.pulling import Puller
from knowledge.settings import KnowledgeSettings
from knowledge.sync import KnowledgeSync


@dataclass(frozen=True, slots=True)
class Knowledge:
    """The job, wired and not yet connected to anything."""

    load_catalogue: Callable[[], Catalogue]
    puller: Puller
    sync: KnowledgeSync
    store: ContentStore
    index: SearchIndex
    retriever: Retriever
    notes: RunNotes
    now: Callable[[], datetime]
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
    pulled: PulledStore | None = None,
    readers: Mapping[SourceKind, Reader] | None = None,
    notes: RunNotes | None = None,
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
    if index is None or retriever is None or notes is None:
        client = make_client(load(OpenSearchSettings), timeout_seconds=settings.index_timeout_seconds)
        notes = notes or OpenSearchNotes(client, f"{settings.alias_prefix}-syncs")
        index = index or OpenSearchIndex(client, replicas=settings.replicas, aliases=aliases)
        retriever = retriever or OpenSearchRetriever(
            client, embed, knowledge=aliases.knowledge, examples=aliases.examples
        )
    store = store or S3Store(settings.bucket, settings.prefix)
    pulled = pulled or S3PulledStore(settings.bucket, settings.prefix)
    web = Web()
    return Knowledge(
        load_catalogue=(lambda: catalogue)
        if catalogue
        else (lambda: open_catalogue(load(CatalogueSettings)).catalogue),
        puller=Puller(readers or make_readers(web), pulled, now),
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
        notes=notes,
        now=now,
        close=lambda: _close(web, model),
    )


def make_readers(web: Web) -> Mapping[SourceKind, Reader]:
    """The reader of each kind of source."""
    return {
        SourceKind.DIRECTORY: DirectorySource(),
        SourceKind.S3: S3Source(),
        SourceKind.SITEMAP: SitemapSource(web),
        SourceKind.FEED: FeedSource(web),
        SourceKind.CONFLUENCE: ConfluenceSource(),
    }


def _close(web: Web, model: BedrockModel) -> None:
    web.close()
    model.close()
