"""The only place where the agent is wired."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import cache, partial
from importlib.metadata import version
from typing import Final, cast

from floodgate.bedrock import BedrockModel, BedrockSettings, ModelClient
from floodgate.catalogue import Automation, Catalogue
from floodgate.catalogue.location import open_blobs
from floodgate.catalogue.serving import serve
from floodgate.events import Pseudonyms
from floodgate.events.serde import AvroSerde
from floodgate.events.times import now_ms
from floodgate.knowledge import DegradingRetriever, FakeRetriever, OpenSearchRetriever, Retriever, make_client
from floodgate.knowledge.opensearch import RetrievalLimits
from floodgate.mode_switch import ModeSwitch, follow_modes
from floodgate.service import BackgroundTask, EventProducer, Service, make_processor
from floodgate.settings import (
    CatalogueSettings,
    KafkaSettings,
    OpenSearchSettings,
    PrivacySettings,
    RegistrySettings,
    load,
)
from floodgate.tailing import KafkaTail
from keyflow.errors import FatalError

from agent.acting import Actions, Ledger
from agent.adapters.bedrock_slots import BedrockSlotReader
from agent.adapters.ledger_blobs import BlobLedger
from agent.adapters.shop_http import ShopHttp
from agent.approving import SHOP
from agent.bar_watch import TOPICS, BarWatch
from agent.domain.library import Library
from agent.domain.model import WorkflowError
from agent.domain.state import AgentState
from agent.expiring import PROPOSALS, ApprovalExpiry
from agent.handlers import AgentHandler
from agent.knowledge import Knowledge
from agent.ports import SlotReader
from agent.queues import TOPICS as QUEUE_TOPICS
from agent.queues import Queues
from agent.settings import AgentSettings, BucketSettings, FirstInstance, ShopSettings
from agent.versions import Versions
from agent.writing import Writer

NAME: Final = "agent"
_QUEUE_DAYS: Final = 3
"""What nobody took in this time is no longer counted as waiting."""


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
    ledger: Ledger | None = None,
    modes: ModeSwitch | None = None,
) -> Service:
    """The service; whatever is passed takes the place of the real thing.

    Raises:
        FatalError: A setting is missing or wrong, or the catalogue or a workflow does not hold together.
    """
    serde = serde or AvroSerde(load(RegistrySettings))
    switch = modes or follow_modes(serde)
    shop = shop or ShopHttp(load(ShopSettings), pseudonyms(load(PrivacySettings)))
    on_stop: list[Callable[[], Awaitable[None]]] = [shop.aclose]
    prompt = ""
    model = model or BedrockModel(load(BedrockSettings))
    if reader is None:
        bedrock = BedrockSlotReader(model)
        reader, prompt = bedrock, bedrock.prompt
    find = _retrievers(model, settings, on_stop) if retriever is None else lambda _: retriever

    def make_handler(content: Catalogue) -> AgentHandler:
        library = open_library(content)
        return AgentHandler(
            library,
            shop,
            reader,
            settings,
            knowledge=Knowledge(find(content), library, settings.retrieval_seconds),
            writer=Writer(
                library, settings.reply_ttl_seconds, version("floodgate-agent"), prompt, waiting=queues.waiting
            ),
            now_ms=now_ms,
            earlier=versions.earlier,
            level=level,
        )

    def level(workflow_id: str) -> Automation:
        # By the catalogue of now, also for a conversation that finishes on an earlier one.
        return cast(AgentHandler, live.active).library.level(workflow_id, switch.modes)

    queues = Queues(partial(follow_queues, serde))
    versions = Versions(make_handler, load(CatalogueSettings).store)
    actions = Actions(shop.change, ledger or open_ledger(settings), level)
    served = serve(NAME, versions.of, catalogue)
    live = served.handler
    processor = make_processor(
        NAME,
        ("support.verdicts", "support.messages", "support.approvals"),
        live,
        serde,
        # Before it acts, it knows whether a human has taken over or the conversation is closed.
        followed=("support.messages",),
        state_model=AgentState,
        state_ttl_seconds=settings.state_ttl_seconds,
        effects={SHOP: actions.run},
        fallback=live.fallback,
        on_poison=live.on_poison,
        budget_seconds=settings.budget_seconds,
        versions=partial(live.versions, prompt=prompt),
    )

    expiry = ApprovalExpiry(partial(follow_proposals, serde, settings), partial(open_producer, serde), now_ms)

    async def close() -> None:
        # Asked for at the end: a version with another default language has an index of its own.
        for closing in on_stop:
            await closing()

    tasks: list[BackgroundTask] = [served.task, switch, expiry, queues]
    if settings.bar_seconds > 0 and load(FirstInstance).kafka_instance == "0":
        tasks.append(
            BarWatch(
                lambda: cast(AgentHandler, live.active).library.catalogue,
                lambda: switch.modes,
                partial(follow_evidence, serde, served.catalogue),
                partial(open_producer, serde),
                now_ms=now_ms,
                every_seconds=settings.bar_seconds,
            )
        )
    return Service(
        name=NAME,
        processors=(processor,),
        tasks=tasks,
        on_start=(switch.start,),
        on_stop=(close,),
    )


def follow_proposals(serde: AvroSerde, settings: AgentSettings) -> KafkaTail:
    """The proposals that can still be pending."""
    since_ms = now_ms() - int(2 * settings.approval_ttl_seconds * 1000)
    return KafkaTail(load(KafkaSettings), serde, (PROPOSALS,), since_ms=since_ms)


def follow_evidence(serde: AvroSerde, catalogue: Catalogue) -> KafkaTail:
    """What happened in the widest window of the bars, and what happens from now on."""
    days = max((category.bar.window_days for category in catalogue.categories), default=0)
    return KafkaTail(load(KafkaSettings), serde, TOPICS, since_ms=now_ms() - days * 86_400_000)


def follow_queues(serde: AvroSerde) -> KafkaTail:
    """Hand-overs of the last days, and who took them."""
    return KafkaTail(load(KafkaSettings), serde, QUEUE_TOPICS, since_ms=now_ms() - _QUEUE_DAYS * 86_400_000)


def open_producer(serde: AvroSerde) -> EventProducer:
    """Writes what is no answer to a record."""
    return EventProducer(load(KafkaSettings), serde)


def limits_location(settings: AgentSettings) -> str:
    """Where actions are counted; empty when nothing says so."""
    bucket = load(BucketSettings).s3_bucket
    return settings.limits_store or (f"s3://{bucket}/agent" if bucket else "")


def open_ledger(settings: AgentSettings) -> Ledger:
    """Where actions are counted; connects with the first one.

    Raises:
        FatalError: Nothing says where.
    """
    location = limits_location(settings)
    if not location:
        raise FatalError("agent: set FLOODGATE_AGENT_LIMITS_STORE: where actions are counted against their limits")
    return BlobLedger(partial(open_blobs, location))


def check_catalogue(catalogue: Catalogue) -> None:
    """Whether the agent can run by a catalogue: asked before one is published.

    Raises:
        KeyflowError: It cannot; names file and step of every fault.
    """
    open_library(catalogue)


def _retrievers(
    model: ModelClient, settings: AgentSettings, on_stop: list[Callable[[], Awaitable[None]]]
) -> Callable[[Catalogue], Retriever]:
    """One index with its connections for all versions; what takes its place searches the version itself."""

    @cache
    def index(default_language: str) -> OpenSearchRetriever:
        made = search_index(default_language, model, settings)
        on_stop.append(made.close)
        return made

    return lambda catalogue: DegradingRetriever(index(catalogue.default_language), FakeRetriever(catalogue))


def search_index(default_language: str, model: ModelClient, settings: AgentSettings) -> OpenSearchRetriever:
    """The index of the knowledge; it answers soon enough for the search in memory to take its place in time."""
    return OpenSearchRetriever(
        make_client(load(OpenSearchSettings)),
        model.embed,
        default_language=default_language,
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
