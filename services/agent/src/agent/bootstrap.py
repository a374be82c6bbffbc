"""The only place where the agent is wired."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib.metadata import version
from typing import Final

from floodgate.bedrock import BedrockModel, BedrockSettings, ModelClient
from floodgate.catalogue import Catalogue, load_catalogue
from floodgate.events import Pseudonyms
from floodgate.events.serde import AvroSerde
from floodgate.events.times import now_ms
from floodgate.knowledge import DegradingRetriever, FakeRetriever, OpenSearchRetriever, Retriever, make_client
from floodgate.knowledge.opensearch import RetrievalLimits
from floodgate.service import Service, make_processor
from floodgate.settings import CatalogueSettings, OpenSearchSettings, PrivacySettings, RegistrySettings, load
from keyflow.errors import FatalError

from agent.adapters.bedrock_slots import BedrockSlotReader
from agent.adapters.shop_http import ShopHttp
from agent.domain.library import Library
from agent.domain.model import WorkflowError
from agent.domain.state import AgentState
from agent.handlers import SHOP, AgentHandler
from agent.knowledge import Knowledge
from agent.ports import SlotReader
from agent.settings import AgentSettings, ShopSettings
from agent.writing import Writer

NAME: Final = "agent"


def build() -> Service:
    """The service with its settings from the environment.

    Raises:
        FatalError: A setting is missing or wrong, or the catalogue or a workflow does not hold together.
    """
    return bootstrap(load(AgentSettings))


def bootstrap(
    settings: AgentSettings,
    *,
    catalogue: Catalogue | None = None,
    shop: ShopHttp | None = None,
    model: ModelClient | None = None,
    reader: SlotReader | None = None,
    retriever: Retriever | None = None,
    serde: AvroSerde | None = None,
) -> Service:
    """The service; whatever is passed takes the place of the real thing.

    Raises:
        FatalError: A setting is missing or wrong, or the catalogue or a workflow does not hold together.
    """
    library = open_library(catalogue or load_catalogue(load(CatalogueSettings).dir))
    shop = shop or ShopHttp(load(ShopSettings), pseudonyms(load(PrivacySettings)))
    on_stop: list[Callable[[], Awaitable[None]]] = [shop.aclose]
    prompt = ""
    model = model or BedrockModel(load(BedrockSettings))
    if reader is None:
        bedrock = BedrockSlotReader(model)
        reader, prompt = bedrock, bedrock.prompt
    if retriever is None:
        index = search_index(library.catalogue, model, settings)
        on_stop.append(index.close)
        retriever = DegradingRetriever(index, FakeRetriever(library.catalogue))
    knowledge = Knowledge(retriever, library, settings.retrieval_seconds)
    writer = Writer(library, settings.reply_ttl_seconds, version("floodgate-agent"), prompt)
    handler = AgentHandler(library, shop, reader, settings, knowledge=knowledge, writer=writer, now_ms=now_ms)
    processor = make_processor(
        NAME,
        ("support.verdicts", "support.messages"),
        handler,
        serde or AvroSerde(load(RegistrySettings).url),
        # Before it acts, it knows whether a human has taken over or the conversation is closed.
        followed=("support.messages",),
        state_model=AgentState,
        state_ttl_seconds=settings.state_ttl_seconds,
        effects={SHOP: shop.change},
        fallback=handler.fallback,
        on_poison=handler.on_poison,
        budget_seconds=settings.budget_seconds,
        versions={"catalogue": library.catalogue.version, "prompt": prompt},
    )
    return Service(name=NAME, processors=(processor,), on_stop=tuple(on_stop))


def search_index(catalogue: Catalogue, model: ModelClient, settings: AgentSettings) -> OpenSearchRetriever:
    """The index of the knowledge; it answers soon enough for the search in memory to take its place in time."""
    return OpenSearchRetriever(
        make_client(load(OpenSearchSettings)),
        model.embed,
        default_language=catalogue.default_language,
        limits=RetrievalLimits(timeout_seconds=settings.retrieval_seconds * 2 / 3),
    )


def open_library(catalogue: Catalogue) -> Library:
    """The workflows of a catalogue.

    Raises:
        FatalError: One cannot be used; names file and step of every fault.
    """
    try:
        return Library(catalogue)
    except WorkflowError as error:
        raise FatalError(f"workflows: {error}") from error


def pseudonyms(settings: PrivacySettings) -> Pseudonyms:
    """Makes contact ids and takes them back.

    Raises:
        FatalError: The key cannot be used.
    """
    try:
        return Pseudonyms(settings.pseudonym_key.get_secret_value().encode())
    except ValueError as error:
        raise FatalError(str(error)) from error
