"""Wires the service; nothing connects before it runs."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Final

from floodgate.catalogue import Catalogue, CatalogueIndex
from floodgate.catalogue.opening import Opened, open_catalogue
from floodgate.catalogue.watch import CatalogueWatcher
from floodgate.events import Pseudonyms
from floodgate.events.serde import AvroSerde
from floodgate.intercom import IntercomSettings
from floodgate.service import BackgroundTask, EventProducer, HttpApp, Service, make_processor
from floodgate.settings import (
    CatalogueSettings,
    KafkaSettings,
    OpenSearchSettings,
    PrivacySettings,
    RegistrySettings,
    load,
)
from keyflow.errors import FatalError, RetryableError

from ingest.adapters.aws import Threads
from ingest.adapters.intercom_documents import IntercomDocuments
from ingest.adapters.kafka_probe import KafkaProbe
from ingest.adapters.opensearch_timeline import OpenSearchTimeline
from ingest.adapters.s3_objects import S3Objects
from ingest.adapters.sqs_queue import SqsQueue
from ingest.domain.intercom_parts import IntercomRules
from ingest.edge import EdgeWriter
from ingest.handlers import ClosedHandler, RawHandler, TimelineHandler
from ingest.http.app import make_app
from ingest.http.rest import RestApi
from ingest.http.views import LiveNotice, Notice
from ingest.http.webhook import IntercomWebhook
from ingest.inbound import decode_inbound
from ingest.intake import LineIntake
from ingest.ports import (
    APPROVALS,
    DEAD_LETTERS,
    ESCALATIONS,
    FEEDBACK,
    INTERACTIONS,
    INTERCOM_RAW,
    MESSAGES,
    REPLIES,
    VERDICTS,
    Clock,
    EventSink,
    IntercomConversations,
    Timeline,
)
from ingest.settings import IngestSettings
from ingest.tasks.reconciler import Reconciler
from ingest.tasks.s3_poller import S3Poller

WRITTEN_TOPICS = (MESSAGES, INTERACTIONS, FEEDBACK, APPROVALS, DEAD_LETTERS)
NOTICE_TEMPLATE: Final = "automated_notice"
_AWS_THREADS: Final = 16


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Environment:
    """Everything that the environment says.

    Attributes:
        intercom: None where Intercom is not set up: there is no webhook and no reconciler then.
    """

    ingest: IngestSettings
    kafka: KafkaSettings
    registry: RegistrySettings
    opensearch: OpenSearchSettings
    privacy: PrivacySettings
    intercom: IntercomSettings | None

    @classmethod
    def load(cls) -> Environment:
        """Reads the environment.

        Raises:
            FatalError: Something is missing or wrong; names the variables.
        """
        return cls(
            ingest=load(IngestSettings),
            kafka=load(KafkaSettings),
            registry=load(RegistrySettings),
            opensearch=load(OpenSearchSettings),
            privacy=load(PrivacySettings),
            intercom=load(IntercomSettings) if os.environ.get("FLOODGATE_INTERCOM_TOKEN") else None,
        )


@dataclass
class Adapters:
    """What the parts of the service share, connected to nothing yet.

    Attributes:
        bot_admin_ids: Filled by `resolve_bot_admin` before anything is read with the rules.
    """

    serde: AvroSerde
    sink: EventSink
    timeline: Timeline
    conversations: IntercomConversations | None
    pseudonyms: Pseudonyms
    rules: IntercomRules
    bot_admin_ids: set[str]
    threads: Threads
    clock: Clock
    bot_admin: Callable[[], Awaitable[str]] | None
    closers: list[Callable[[], Awaitable[None]]]

    async def prepare(self) -> None:
        """Finds out what must be known before the first event.

        Raises:
            FatalError: A schema is not registered, or Intercom does not say who we are.
        """
        await self.prepare_writing()
        await self.resolve_bot_admin()

    async def prepare_writing(self) -> None:
        """Looks up the schemas of the topics that are written.

        Raises:
            FatalError: One is not registered, or the registry cannot be reached.
        """
        await asyncio.to_thread(self.serde.prepare, list(WRITTEN_TOPICS))

    async def resolve_bot_admin(self) -> None:
        """Our own replies come back as notifications; they must not be taken for a human's.

        Raises:
            FatalError: Intercom does not say who we are.
        """
        if self.bot_admin is None:
            return
        try:
            self.bot_admin_ids.add(await self.bot_admin())
        except RetryableError as error:
            raise FatalError(
                f"{error}: without it Floodgate's own replies would look like a human's; "
                "set FLOODGATE_INTERCOM_BOT_ADMIN_ID to start all the same"
            ) from error

    async def close(self) -> None:
        for close in self.closers:
            await close()


def make_adapters(
    environment: Environment,
    *,
    sink: EventSink | None = None,
    timeline: Timeline | None = None,
    conversations: IntercomConversations | None = None,
    clock: Clock = utc_now,
) -> Adapters:
    """The adapters, or those given in their place.

    Raises:
        FatalError: The pseudonym key is too short.
    """
    closers: list[Callable[[], Awaitable[None]]] = []
    serde = AvroSerde(environment.registry)
    if sink is None:
        producer = EventProducer(environment.kafka, serde)
        closers.append(producer.close)
        sink = producer
    if timeline is None:
        opensearch = OpenSearchTimeline(environment.opensearch)
        closers.append(opensearch.aclose)
        timeline = opensearch
    bot_admin = None
    if conversations is None and environment.intercom is not None:
        documents = IntercomDocuments(environment.intercom)
        closers.append(documents.aclose)
        conversations, bot_admin = documents, documents.bot_admin_id
    threads = Threads(_AWS_THREADS, "aws")
    pseudonyms = _pseudonyms(environment.privacy)
    bot_admin_ids = set(environment.ingest.extra_bot_admin_ids)
    return Adapters(
        serde=serde,
        sink=sink,
        timeline=timeline,
        conversations=conversations,
        pseudonyms=pseudonyms,
        rules=_rules(environment, pseudonyms, bot_admin_ids),
        bot_admin_ids=bot_admin_ids,
        threads=threads,
        clock=clock,
        bot_admin=bot_admin,
        closers=closers,
    )


def _pseudonyms(privacy: PrivacySettings) -> Pseudonyms:
    try:
        return Pseudonyms(privacy.pseudonym_key.get_secret_value().encode())
    except ValueError as error:
        raise FatalError(str(error)) from error


def _rules(environment: Environment, pseudonyms: Pseudonyms, bot_admin_ids: set[str]) -> IntercomRules:
    own = environment.intercom
    return IntercomRules(
        pseudonyms=pseudonyms,
        bot_admin_ids=bot_admin_ids,
        path_attribute=own.path_attribute if own is not None else "floodgate_path",
        language_attribute=environment.ingest.language_attribute,
        country_attribute=environment.ingest.country_attribute,
        button_paths=environment.ingest.button_paths,
    )


def bootstrap(environment: Environment, *, catalogue: Catalogue | None = None, **overrides: object) -> Service:
    """The service, wired.

    Args:
        environment: All settings.
        catalogue: In place of the one that the environment names.
        **overrides: Adapters to use in place of the real ones, as in `make_adapters`.

    Raises:
        FatalError: A setting is wrong, or the catalogue does not hold together.
    """
    catalogue_settings = load(CatalogueSettings)
    opened = Opened(catalogue) if catalogue is not None else open_catalogue(catalogue_settings)
    notice = LiveNotice(make_notice(opened.catalogue))
    watcher = CatalogueWatcher(
        "ingest",
        opened.catalogue.version,
        opened.published,
        build=make_notice,
        take=notice.exchange,
        poll_seconds=catalogue_settings.poll_seconds,
    )
    adapters = make_adapters(environment, **overrides)  # type: ignore[arg-type]  # checked by make_adapters itself
    settings = environment.ingest

    async def connect() -> None:
        # The first webhook shall not wait for connections, and a missing schema is found before it comes.
        if isinstance(adapters.sink, EventProducer):
            adapters.sink.connect()

    async def stop_threads() -> None:
        adapters.threads.close()

    return Service(
        name="ingest",
        processors=(
            make_processor(
                "ingest",
                (INTERCOM_RAW,),
                RawHandler(adapters.rules, adapters.pseudonyms),
                adapters.serde,
                decode=decode_inbound,
            ),
            make_processor(
                "ingest-closed",
                (MESSAGES,),
                ClosedHandler(adapters.conversations, adapters.timeline, adapters.rules),
                adapters.serde,
            ),
            make_processor(
                "ingest-status",
                (MESSAGES, VERDICTS, REPLIES, ESCALATIONS),
                TimelineHandler(adapters.timeline),
                adapters.serde,
                writes_outside=True,
            ),
        ),
        tasks=(*_tasks(environment, adapters), watcher),
        http=HttpApp(make_http(environment, adapters, notice), settings.host, settings.port),
        on_start=(connect, adapters.prepare),
        on_stop=(adapters.close, stop_threads),
    )


def check_catalogue(catalogue: Catalogue) -> None:
    """Whether ingest can run by a catalogue: asked before one is published.

    Raises:
        KeyflowError: It cannot.
    """
    make_notice(catalogue)


def make_notice(catalogue: Catalogue) -> Notice:
    """What tells the user that a reply is automated, by language.

    Raises:
        FatalError: The catalogue has no words for it.
    """
    index = CatalogueIndex(catalogue)
    if NOTICE_TEMPLATE not in index.templates:
        raise FatalError(f"catalogue: there is no template {NOTICE_TEMPLATE}: users have to be told what is automated")
    return partial(index.template, NOTICE_TEMPLATE)


def make_http(environment: Environment, adapters: Adapters, notice: Notice) -> Callable[..., Awaitable[None]]:
    """The HTTP side alone."""
    settings = environment.ingest
    rest = RestApi(
        EdgeWriter(adapters.sink, "rest", timeout_seconds=settings.produce_timeout_seconds),
        adapters.timeline,
        adapters.pseudonyms,
        adapters.clock,
        notice,
    )
    webhook = None
    if environment.intercom is not None:
        webhook = IntercomWebhook(
            environment.intercom.client_secret.get_secret_value().encode(),
            adapters.rules,
            EdgeWriter(adapters.sink, "webhook", timeout_seconds=settings.produce_timeout_seconds),
            adapters.clock,
            max_body_bytes=settings.max_body_bytes,
        )
    return make_app(settings, rest, webhook, KafkaProbe(environment.kafka, WRITTEN_TOPICS).problems)


def make_s3_poller(environment: Environment, adapters: Adapters) -> S3Poller:
    """The S3 poller alone."""
    settings = environment.ingest
    queue = SqsQueue(
        settings.sqs_queue_url,
        adapters.threads,
        wait_seconds=settings.sqs_wait_seconds,
        visibility_seconds=settings.sqs_visibility_seconds,
    )
    writer = EdgeWriter(adapters.sink, "s3")
    intake = LineIntake(writer, adapters.pseudonyms, adapters.clock, source="s3", takes_conversations=False)
    return S3Poller(queue, S3Objects(adapters.threads), intake, writer, adapters.clock, prefix=settings.s3_prefix)


def make_reconciler(environment: Environment, adapters: Adapters) -> Reconciler | None:
    """The reconciler alone; None where Intercom is not set up."""
    if adapters.conversations is None:
        return None
    settings = environment.ingest
    return Reconciler(
        adapters.conversations,
        adapters.timeline,
        EdgeWriter(adapters.sink, "reconciler"),
        adapters.rules,
        adapters.clock,
        interval_seconds=settings.reconcile_interval_seconds,
        lookback_seconds=settings.reconcile_lookback_seconds,
        overlap_seconds=settings.reconcile_overlap_seconds,
        grace_seconds=settings.reconcile_grace_seconds,
    )


def _tasks(environment: Environment, adapters: Adapters) -> tuple[BackgroundTask, ...]:
    tasks: list[BackgroundTask] = []
    if environment.ingest.sqs_queue_url:
        tasks.append(make_s3_poller(environment, adapters))
    reconciler = make_reconciler(environment, adapters)
    if reconciler is not None and environment.ingest.reconcile_interval_seconds > 0:
        tasks.append(reconciler)
    return tuple(tasks)


def build() -> Service:
    """The service as the environment says.

    Raises:
        FatalError: A setting is missing or wrong.
    """
    return bootstrap(Environment.load())
