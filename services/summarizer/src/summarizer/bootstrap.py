"""The only place where the summarizer is wired."""

from __future__ import annotations

import asyncio
from importlib.metadata import version
from typing import Final

from floodgate.bedrock import BedrockModel, BedrockSettings, ModelClient
from floodgate.catalogue import Catalogue, load_catalogue
from floodgate.events.serde import AvroSerde
from floodgate.service import Service, make_processor
from floodgate.settings import CatalogueSettings, RegistrySettings, load

from summarizer.adapters.nlu_language import NluLanguages
from summarizer.adapters.sagemaker_feature_store import SageMakerFeatureStore
from summarizer.domain.state import InteractionState
from summarizer.handlers import FeatureStore, Languages, StoreHandler, SummarizerHandler
from summarizer.settings import FeatureStoreSettings, SummarizerSettings

NAME: Final = "summarizer"
STORE_NAME: Final = "summarizer-store"


def build() -> Service:
    """The service with its settings from the environment.

    Raises:
        FatalError: A setting is missing or wrong, or the catalogue does not hold together.
    """
    return bootstrap(load(SummarizerSettings))


def bootstrap(
    settings: SummarizerSettings,
    *,
    store_settings: FeatureStoreSettings | None = None,
    catalogue: Catalogue | None = None,
    model: ModelClient | None = None,
    languages: Languages | None = None,
    store: FeatureStore | None = None,
    serde: AvroSerde | None = None,
) -> Service:
    """The service; whatever is passed takes the place of the real thing.

    Raises:
        FatalError: A setting is missing or wrong, or the catalogue does not hold together.
    """
    catalogue = catalogue or load_catalogue(load(CatalogueSettings).dir)
    store_settings = store_settings or load(FeatureStoreSettings)
    model = model or BedrockModel(load(BedrockSettings))
    languages = languages or NluLanguages(catalogue.languages, catalogue.default_language)
    store = store or SageMakerFeatureStore(store_settings)
    serde = serde or AvroSerde(load(RegistrySettings).url)
    handler = SummarizerHandler(
        catalogue=catalogue,
        model=model,
        languages=languages,
        settings=settings,
        service_version=version("floodgate-summarizer"),
    )
    versions = {"catalogue": catalogue.version, "prompt": handler.versions.prompt}
    summarizing = make_processor(
        NAME,
        ("support.interactions",),
        handler,
        serde,
        state_model=InteractionState,
        state_ttl_seconds=settings.state_ttl_seconds,
        budget_seconds=settings.budget_seconds,
        versions=versions,
    )
    storing = make_processor(
        STORE_NAME,
        ("support.summaries",),
        StoreHandler(store),
        serde,
        budget_seconds=store_settings.budget_seconds,
        writes_outside=True,
    )

    async def warm_up() -> None:
        if isinstance(languages, NluLanguages):
            await asyncio.to_thread(languages.warm_up)

    on_stop = (store.close,) if isinstance(store, SageMakerFeatureStore) else ()
    return Service(name=NAME, processors=(summarizing, storing), on_start=(warm_up,), on_stop=on_stop)
