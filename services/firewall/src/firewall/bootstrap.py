"""The only place where the firewall is wired."""

from __future__ import annotations

import asyncio
from importlib.metadata import version

from floodgate.bedrock import BedrockModel, BedrockSettings, ModelClient
from floodgate.catalogue import Catalogue, load_catalogue
from floodgate.events.serde import AvroSerde
from floodgate.events.times import now_ms
from floodgate.knowledge import DegradingRetriever, FakeRetriever, OpenSearchRetriever, Retriever, make_client
from floodgate.service import Service, make_processor
from floodgate.settings import CatalogueSettings, OpenSearchSettings, RegistrySettings, load

from firewall.adapters.nlu_language import NluLanguageIdentifier
from firewall.domain.screen import LanguageIdentifier, Screen
from firewall.domain.state import ConversationState
from firewall.handlers import FirewallHandler
from firewall.settings import FirewallSettings

NAME = "firewall"
FOLLOWED = ("support.replies", "support.escalations")
"""Before a message is screened, it knows what the agent asked: an answer must not overtake its question."""


def build() -> Service:
    """The service with its settings from the environment.

    Raises:
        FatalError: A setting is missing or wrong, or the catalogue does not hold together.
    """
    return bootstrap(load(FirewallSettings))


def bootstrap(
    settings: FirewallSettings,
    *,
    catalogue: Catalogue | None = None,
    model: ModelClient | None = None,
    retriever: Retriever | None = None,
    languages: LanguageIdentifier | None = None,
    serde: AvroSerde | None = None,
) -> Service:
    """The service; whatever is passed takes the place of the real thing.

    Raises:
        FatalError: A setting is missing or wrong, or the catalogue does not hold together.
    """
    catalogue = catalogue or load_catalogue(load(CatalogueSettings).dir)
    model = model or BedrockModel(load(BedrockSettings))
    retriever = retriever or _retriever(catalogue, model)
    identifier = languages or NluLanguageIdentifier(catalogue.languages, catalogue.default_language)
    screen = Screen(catalogue, version("floodgate-firewall"))
    handler = FirewallHandler(
        screen=screen, model=model, retriever=retriever, languages=identifier, settings=settings, now_ms=now_ms
    )
    processor = make_processor(
        NAME,
        ("support.messages", *FOLLOWED),
        handler,
        serde or AvroSerde(load(RegistrySettings).url),
        followed=FOLLOWED,
        state_model=ConversationState,
        state_ttl_seconds=settings.state_ttl_seconds,
        fallback=handler.fallback,
        on_poison=handler.on_poison,
        budget_seconds=settings.budget_seconds,
        versions={"catalogue": catalogue.version, "prompt": screen.versions.prompt},
    )

    async def warm_up() -> None:
        if isinstance(identifier, NluLanguageIdentifier):
            await asyncio.to_thread(identifier.warm_up)

    return Service(name=NAME, processors=(processor,), on_start=(warm_up,))


def _retriever(catalogue: Catalogue, model: ModelClient) -> Retriever:
    index = OpenSearchRetriever(
        make_client(load(OpenSearchSettings)), model.embed, default_language=catalogue.default_language
    )
    return DegradingRetriever(index, FakeRetriever(catalogue))
