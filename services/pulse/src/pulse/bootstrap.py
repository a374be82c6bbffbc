"""The only place where pulse is wired."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from floodgate.events.serde import AvroSerde
from floodgate.events.times import now_ms
from floodgate.service import Service, make_processor
from floodgate.settings import KafkaSettings, RegistrySettings, load
from floodgate.telemetry import gauge
from keyflow import Processor
from keyflow.status import Status

from pulse.adapters.faust_pipeline import FaustPipeline, Topics
from pulse.adapters.kafka_ends import KafkaEnds
from pulse.adapters.notifiers import PagerDuty, SlackWebhook, SmtpMail
from pulse.domain.metrics import METRICS
from pulse.domain.windows import Store, Windows
from pulse.handlers import Counting, Folding
from pulse.notifying import Notifier, NotifyHandler, Told
from pulse.running import PipelineTask
from pulse.settings import NotifySettings, PulseSettings

NAME: Final = "pulse"
_budget = gauge("floodgate_pulse_budget_usd", "What a day of model calls may cost; 0: no limit is set.")
_TOLD_SECONDS: Final = 7 * 86_400.0
INPUTS: Final = tuple(
    f"support.{name}" for name in ("verdicts", "replies", "escalations", "interactions", "summaries", "dead-letters")
)


def build() -> Service:
    """The service with its settings from the environment.

    Raises:
        FatalError: A setting is missing or wrong.
    """
    return bootstrap(load(PulseSettings), load(KafkaSettings))


def bootstrap(
    settings: PulseSettings,
    kafka: KafkaSettings,
    *,
    serde: AvroSerde | None = None,
    topics: Topics | None = None,
    notifiers: Sequence[Notifier] | None = None,
) -> Service:
    """The service; whatever is passed takes the place of the real thing.

    Raises:
        FatalError: A setting is missing or wrong.
    """
    serde = serde or AvroSerde(load(RegistrySettings))
    topics = topics or Topics({name: name for name in INPUTS})

    def make_folding(store: Store) -> Folding:
        windows = Windows(store, int(settings.grace_seconds * 1000), int(settings.gap_minutes * 60_000))
        return Folding(windows, now_ms)

    _budget.set(settings.budget_usd_per_day)
    pipeline = FaustPipeline(
        kafka, topics, Counting(serde, topics.inputs), make_folding, lambda metric: serde.encode(METRICS, metric)
    )
    status = Status(NAME)
    task = PipelineTask(
        pipeline,
        KafkaEnds(kafka),
        counts=topics.counts,
        instance=kafka.instance,
        status=status,
        stall_seconds=settings.stall_seconds,
        recovery_seconds=settings.recovery_seconds,
    )
    told = load(NotifySettings)
    channels = _notifiers(told) if notifiers is None else notifiers
    processors = tuple(_notifying(channel, topics.metrics, serde, told.budget_seconds) for channel in channels)
    return Service(name=NAME, processors=processors, tasks=(task,), statuses=(status,))


def _notifying(channel: Notifier, metrics: str, serde: AvroSerde, budget_seconds: float) -> Processor[Told]:
    return make_processor(
        f"{NAME}-{channel.name}",
        [metrics],
        NotifyHandler(channel),
        serde,
        state_model=Told,
        state_ttl_seconds=_TOLD_SECONDS,
        budget_seconds=budget_seconds,
        decode=lambda _, data: serde.decode(METRICS, data),
        writes_outside=True,
    )


def _notifiers(settings: NotifySettings) -> list[Notifier]:
    """The channels that are set up."""
    found: list[Notifier] = []
    if settings.webhook_url is not None:
        found.append(SlackWebhook(settings.webhook_url, settings.timeout_seconds))
    if settings.pagerduty_routing_key is not None:
        found.append(PagerDuty(settings.pagerduty_url, settings.pagerduty_routing_key, settings.timeout_seconds))
    if settings.smtp_host is not None:
        found.append(SmtpMail(settings))
    return found
