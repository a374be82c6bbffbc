"""The only place where delivery is wired."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from floodgate.catalogue import Catalogue
from floodgate.catalogue.serving import serve
from floodgate.events.serde import AvroSerde
from floodgate.intercom import IntercomClient, IntercomSettings
from floodgate.service import Service, make_processor
from floodgate.settings import RegistrySettings, load

from delivery.adapters.intercom_channel import IntercomChannel
from delivery.adapters.webhook_channel import WebhookChannel
from delivery.domain.pace import TokenBucket
from delivery.domain.plan import Planner
from delivery.domain.state import DeliveryState
from delivery.handlers import DELIVER, Deliver, DeliveryHandler
from delivery.ports import Channel
from delivery.settings import DeliverySettings, WebhookSettings

NAME: Final = "delivery"
INTERCOM: Final = "intercom"
INPUTS: Final = ("support.verdicts", "support.replies", "support.escalations", "support.messages")


def build() -> Service:
    """The service with its settings from the environment.

    Raises:
        FatalError: A setting is missing or wrong, or the catalogue does not hold together.
    """
    return bootstrap(load(DeliverySettings))


def bootstrap(
    settings: DeliverySettings,
    *,
    catalogue: Catalogue | None = None,
    channels: Mapping[str, Channel] | None = None,
    webhook: WebhookSettings | None = None,
    serde: AvroSerde | None = None,
) -> Service:
    """The service; whatever is passed takes the place of the real thing.

    Raises:
        FatalError: A setting is missing or wrong, or the catalogue does not hold together.
    """
    on_stop: list[Callable[[], Awaitable[None]]] = []
    channels = channels if channels is not None else _intercom(settings, on_stop)
    default = _webhook(webhook or load(WebhookSettings), on_stop)

    def make_handler(content: Catalogue) -> DeliveryHandler:
        planner = Planner(content, general_team=settings.general_team, close_resolved=settings.close_resolved)
        return DeliveryHandler(planner, channels, default_pushed=default is not None)

    served = serve(NAME, make_handler, catalogue)
    processor = make_processor(
        NAME,
        INPUTS,
        served.handler,
        serde or AvroSerde(load(RegistrySettings)),
        state_model=DeliveryState,
        state_ttl_seconds=settings.state_ttl_seconds,
        effects={DELIVER: Deliver(channels, default)},
        budget_seconds=settings.budget_seconds,
        versions=served.handler.versions,
    )
    return Service(name=NAME, processors=(processor,), tasks=(served.task,), on_stop=tuple(on_stop))


def _intercom(settings: DeliverySettings, on_stop: list[Callable[[], Awaitable[None]]]) -> Mapping[str, Channel]:
    """Intercom, when this site has it."""
    if "FLOODGATE_INTERCOM_TOKEN" not in os.environ:
        return {}
    intercom = load(IntercomSettings)
    client = IntercomClient(intercom)
    on_stop.append(client.aclose)
    bucket = TokenBucket(settings.intercom_calls_per_minute, settings.intercom_burst)
    return {INTERCOM: IntercomChannel(client, bucket, request_timeout_seconds=intercom.timeout_seconds)}


def _webhook(settings: WebhookSettings, on_stop: list[Callable[[], Awaitable[None]]]) -> Channel | None:
    if settings.url is None or settings.signing_secret is None:
        return None
    secret = settings.signing_secret.get_secret_value().encode()
    channel = WebhookChannel(settings.url, secret, timeout_seconds=settings.timeout_seconds)
    on_stop.append(channel.aclose)
    return channel
