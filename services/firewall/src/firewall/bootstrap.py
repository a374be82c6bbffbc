"""The only place where the firewall is wired."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import cache, partial
from importlib.metadata import version
from typing import Final

from floodgate.bedrock import BedrockModel, BedrockSettings, ModelClient
from floodgate.catalogue import Catalogue
from floodgate.catalogue.serving import serve
from floodgate.events.serde import AvroSerde
from floodgate.events.times import now_ms
from floodgate.knowledge import DegradingRetriever, FakeRetriever, OpenSearchRetriever, Retriever, make_client
from floodgate.mode_switch import ModeSwitch, follow_modes
from floodgate.modes import Modes
from floodgate.service import Service, make_processor
from floodgate.settings import OpenSearchSettings, RegistrySettings, load

from firewall.adapters.nlu_classifier import NluClassifier
from firewall.adapters.nlu_language import NluLanguageIdentifier
from firewall.domain.screen import LanguageIdentifier, Screen
from firewall.domain.state import ConversationState
from firewall.handlers import FirewallHandler
from firewall.settings import FirewallSettings

NAME = "firewall"
SERVICE_VERSION: Final = version("floodgate-firewall")
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
    modes: ModeSwitch | None = None,
) -> Service:
    """The service; whatever is passed takes the place of the real thing.

    Raises:
        FatalError: A setting is missing or wrong, or the catalogue does not hold together.
    """
    serde = serde or AvroSerde(load(RegistrySettings))
    switch = modes or follow_modes(serde)
    client = model or BedrockModel(load(BedrockSettings))
    make_handler = _handlers(settings, client, retriever, languages, lambda: switch.modes)
    served = serve(NAME, make_handler, catalogue)
    live = served.handler
    processor = make_processor(
        NAME,
        ("support.messages", *FOLLOWED),
        live,
        serde,
        followed=FOLLOWED,
        state_model=ConversationState,
        state_ttl_seconds=settings.state_ttl_seconds,
        fallback=live.fallback,
        on_poison=live.on_poison,
        budget_seconds=settings.budget_seconds,
        versions=partial(live.versions, prompt=served.first.versions.prompt),
    )

    async def warm_up() -> None:
        if languages is None:
            known = served.catalogue
            await asyncio.to_thread(NluLanguageIdentifier(known.languages, known.default_language).warm_up)

    return Service(name=NAME, processors=(processor,), tasks=(served.task, switch), on_start=(warm_up, switch.start))


def check_catalogue(catalogue: Catalogue) -> None:
    """Whether the firewall can run by a catalogue: asked before one is published.

    Raises:
        KeyflowError: It cannot.
    """
    Screen(catalogue, SERVICE_VERSION)


def _handlers(
    settings: FirewallSettings,
    model: ModelClient,
    retriever: Retriever | None,
    languages: LanguageIdentifier | None,
    modes: Callable[[], Modes],
) -> Callable[[Catalogue], FirewallHandler]:
    """Makes the handler of a version of the catalogue; what no version changes is shared by all."""
    find = _retrievers(model) if retriever is None else lambda _: retriever

    def make(catalogue: Catalogue) -> FirewallHandler:
        screen = Screen(catalogue, SERVICE_VERSION, modes)
        classifier = NluClassifier(catalogue) if catalogue.cascade.certainty else None
        if classifier is not None:
            # Training takes seconds, which no message should wait for.
            classifier.warm_up(screen.prompt)
        return FirewallHandler(
            screen=screen,
            model=model,
            retriever=find(catalogue),
            languages=languages or NluLanguageIdentifier(catalogue.languages, catalogue.default_language),
            settings=settings,
            now_ms=now_ms,
            classifier=classifier,
        )

    return make


def _retrievers(model: ModelClient) -> Callable[[Catalogue], Retriever]:
    """One index with its connections for all versions; what takes its place searches the version itself."""
    client = make_client(load(OpenSearchSettings))

    @cache
    def index(default_language: str) -> OpenSearchRetriever:
        return OpenSearchRetriever(client, model.embed, default_language=default_language)

    return lambda catalogue: DegradingRetriever(index(catalogue.default_language), FakeRetriever(catalogue))
