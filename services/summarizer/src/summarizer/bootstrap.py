"""The only place where the summarizer is wired."""

from __future__ import annotations

import asyncio
from functools import partial
from importlib.metadata import version
from typing import Final

from floodgate.bedrock import BedrockModel, BedrockSettings, ModelClient, PriceTable
from floodgate.catalogue import Catalogue
from floodgate.catalogue.opening import open_catalogue
from floodgate.catalogue.serving import serve
from floodgate.catalogue.watch import CatalogueWatcher
from floodgate.committed import CommittedRecords
from floodgate.events.serde import AvroSerde
from floodgate.events.times import now_ms
from floodgate.service import EventProducer, Service, make_processor
from floodgate.settings import CatalogueSettings, KafkaSettings, RegistrySettings, load
from floodgate.telemetry import get_logger
from keyflow.errors import FatalError

from summarizer.adapters.bedrock_answers import BedrockAnswers
from summarizer.adapters.bedrock_jobs import BedrockJobs
from summarizer.adapters.kafka_answers import KafkaAnswers
from summarizer.adapters.kafka_batch_topic import KafkaBatchTopic
from summarizer.adapters.nlu_language import NluLanguages
from summarizer.adapters.s3_batches import S3Batches
from summarizer.adapters.sagemaker_feature_store import SageMakerFeatureStore
from summarizer.asking import Asker, Languages
from summarizer.batching import Collector, JobWatch
from summarizer.domain.batches import Limits
from summarizer.domain.extraction import summarize_prompt
from summarizer.domain.ledger import Grace
from summarizer.domain.modes import ModePolicy
from summarizer.domain.state import InteractionState
from summarizer.handlers import ANSWERED, FeatureStore, StoreHandler, SummarizerHandler
from summarizer.ledger_watch import LedgerWatch, objects_since
from summarizer.settings import BatchSettings, FeatureStoreSettings, LedgerSettings, SummarizerSettings
from summarizer.sources import REMEDY

log = get_logger(__name__)

NAME: Final = "summarizer"
STORE_NAME: Final = "summarizer-store"
BATCHER_NAME: Final = "summarizer-batch"
LEDGER_NAME: Final = "summarizer-ledger"


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
    serde = serde or AvroSerde(load(RegistrySettings).url)

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


def build_batcher() -> Service:
    """The batcher with its settings from the environment: a process of its own.

    Raises:
        FatalError: A setting is missing or wrong, or the catalogue does not hold together.
    """
    settings, bedrock = load(BatchSettings), load(BedrockSettings)
    if settings.s3_uri is None:
        log.warning("batch.off", reason="FLOODGATE_SUMMARIZER_BATCH_S3_URI is not set")
        return Service(name=BATCHER_NAME)
    summarizer, kafka = load(SummarizerSettings), load(KafkaSettings)
    catalogues = load(CatalogueSettings)
    opened = open_catalogue(catalogues)
    serde = AvroSerde(load(RegistrySettings).url)
    topic = KafkaBatchTopic(kafka, serde)
    store = S3Batches(settings.s3_uri, topic.topic_id)
    sink = KafkaAnswers(EventProducer(kafka, serde), NAME)

    def make_asker(content: Catalogue) -> Asker:
        languages = NluLanguages(content.languages, content.default_language)
        return Asker(
            catalogue=content, languages=languages, settings=summarizer, service_version=version("floodgate-summarizer")
        )

    askers = [make_asker(opened.catalogue)]
    watcher = CatalogueWatcher(
        BATCHER_NAME, opened.catalogue.version, opened.published, build=make_asker,
        take=lambda _, asker: askers.__setitem__(0, asker), poll_seconds=catalogues.poll_seconds,
    )  # fmt: skip
    collector = Collector(
        topic, store, sink, lambda: askers[0],
        model_id=bedrock.model_id,
        price=PriceTable.load(bedrock.price_file).price(bedrock.model_id),
        limits=Limits(settings.min_records, settings.max_records, settings.max_bytes, settings.max_wait_seconds),
        now_ms=now_ms,
    )  # fmt: skip
    jobs = BedrockJobs(settings.role_arn, bedrock.region, settings.timeout_hours)
    watch = JobWatch(topic, store, jobs, sink, poll_seconds=settings.poll_seconds)
    return Service(name=BATCHER_NAME, tasks=(watcher, collector, watch), on_stop=(sink.close,))


def build_ledger() -> Service:
    """The watcher of completeness: a process of its own, so that it sees a summarizer that stands still.

    Raises:
        FatalError: A setting is missing or wrong.
    """
    settings = load(LedgerSettings)
    watch = LedgerWatch(
        CommittedRecords(REMEDY, "ledger"),
        hours=settings.hours,
        grace=Grace(settings.grace_seconds, settings.batch_grace_hours * 3600),
        look_seconds=settings.look_seconds,
        drops=objects_since(settings.drops_uri),
    )
    return Service(name=LEDGER_NAME, tasks=(watch,))


def check_catalogue(catalogue: Catalogue) -> None:
    """Whether the summarizer can run by a catalogue: asked before one is published.

    Raises:
        KeyflowError: It cannot.
    """
    summarize_prompt(catalogue)
