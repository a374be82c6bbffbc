"""The only place where the summarizer is wired."""

from __future__ import annotations

import asyncio
from functools import partial
from importlib.metadata import version
from typing import Final

from floodgate.bedrock import BedrockModel, BedrockSettings, ModelClient, PriceTable
from floodgate.catalogue import Catalogue
from floodgate.catalogue.serving import serve
from floodgate.events.serde import AvroSerde
from floodgate.service import Service, make_processor
from floodgate.settings import RegistrySettings, load
from floodgate.telemetry import get_logger
from keyflow.errors import FatalError

from summarizer.adapters.bedrock_answers import BedrockAnswers
from summarizer.adapters.nlu_language import NluLanguages
from summarizer.adapters.sagemaker_feature_store import SageMakerFeatureStore
from summarizer.asking import Languages
from summarizer.domain.extraction import summarize_prompt
from summarizer.domain.modes import ModePolicy
from summarizer.domain.state import InteractionState
from summarizer.handlers import ANSWERED, FeatureStore, StoreHandler, SummarizerHandler
from summarizer.settings import BatchSettings, FeatureStoreSettings, SummarizerSettings

log = get_logger(__name__)

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
    store_settings = store_settings or load(FeatureStoreSettings)
    bedrock = load(BedrockSettings)
    prices = PriceTable.load(bedrock.price_file)
    model = model or BedrockModel(bedrock, prices)
    after_hours = settings.batch_after_hours
    if (after_hours, settings.online_usd_per_day) != (None, None) and load(BatchSettings).s3_uri is None:
        raise FatalError("nothing runs batch inference: set FLOODGATE_SUMMARIZER_BATCH_S3_URI and run summarizer-batch")
    # One for all versions of the catalogue: a day's budget outlives a reload.
    modes = ModePolicy(None if after_hours is None else after_hours * 3600, settings.online_usd_per_day)
    store = store or SageMakerFeatureStore(store_settings)
    serde = serde or AvroSerde(load(RegistrySettings))

    def make_handler(content: Catalogue) -> SummarizerHandler:
        return SummarizerHandler(
            catalogue=content,
            model=model,
            languages=languages or NluLanguages(content.languages, content.default_language),
            settings=settings,
            service_version=version("floodgate-summarizer"),
            answers=BedrockAnswers(model, prices) if isinstance(model, BedrockModel) else None,
            modes=modes,
        )

    served = serve(NAME, make_handler, catalogue)
    summarizing = make_processor(
        NAME,
        ("support.interactions", ANSWERED),
        served.handler,
        serde,
        state_model=InteractionState,
        state_ttl_seconds=settings.state_ttl_seconds,
        budget_seconds=settings.budget_seconds,
        versions=partial(served.handler.versions, prompt=served.first.versions.prompt),
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
        if languages is None:
            known = served.catalogue
            await asyncio.to_thread(NluLanguages(known.languages, known.default_language).warm_up)

    on_stop = (store.close,) if isinstance(store, SageMakerFeatureStore) else ()
    return Service(
        name=NAME,
        processors=(summarizing, storing),
        tasks=(served.task,),
        on_start=(warm_up,),
        on_stop=on_stop,
    )


def check_catalogue(catalogue: Catalogue) -> None:
    """Whether the summarizer can run by a catalogue: asked before one is published.

    Raises:
        KeyflowError: It cannot.
    """
    summarize_prompt(catalogue)
