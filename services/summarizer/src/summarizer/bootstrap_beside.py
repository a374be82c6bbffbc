"""Wires the processes beside the summarizer: the batcher, and the watcher of completeness."""

from __future__ import annotations

from importlib.metadata import version
from typing import Final

from floodgate.bedrock import BedrockSettings, PriceTable
from floodgate.catalogue import Catalogue
from floodgate.catalogue.opening import open_catalogue
from floodgate.catalogue.watch import CatalogueWatcher
from floodgate.committed import CommittedRecords
from floodgate.events.serde import AvroSerde
from floodgate.events.times import now_ms
from floodgate.service import EventProducer, Service
from floodgate.settings import CatalogueSettings, KafkaSettings, RegistrySettings, load
from floodgate.telemetry import get_logger

from summarizer.adapters.bedrock_jobs import BedrockJobs
from summarizer.adapters.kafka_answers import KafkaAnswers
from summarizer.adapters.kafka_batch_topic import KafkaBatchTopic
from summarizer.adapters.nlu_language import NluLanguages
from summarizer.adapters.s3_batches import S3Batches
from summarizer.asking import Asker
from summarizer.batching import Collector, JobWatch
from summarizer.bootstrap import NAME
from summarizer.domain.batches import Limits
from summarizer.domain.ledger import Grace
from summarizer.ledger_watch import LedgerWatch, objects_since
from summarizer.settings import BatchSettings, LedgerSettings, SummarizerSettings
from summarizer.sources import REMEDY

log = get_logger(__name__)

BATCHER_NAME: Final = "summarizer-batch"
LEDGER_NAME: Final = "summarizer-ledger"


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
    serde = AvroSerde(load(RegistrySettings))
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
