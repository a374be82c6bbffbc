"""A small catalogue, builders of records, and a channel that remembers what it was told to do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

import pytest
from delivery.domain.commands import Order
from delivery.domain.plan import Planner
from delivery.domain.state import DeliveryState
from delivery.handlers import Deliver, DeliveryHandler
from delivery.ports import Fate, Receipt
from floodgate.catalogue.models import Catalogue, Category, Team, Template
from floodgate.catalogue.models import Path as ButtonPath
from floodgate.events import (
    Decision,
    Escalation,
    EscalationSource,
    Message,
    MessageKind,
    Misuse,
    OutboundReply,
    Priority,
    Reply,
    ReplyOption,
    Verdict,
)
from keyflow import KEEP, EffectResult, Outcome, PendingEffect, PoisonMessageError, Record, Tools

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
NAMESPACE = UUID("0b9e3f1a-62d5-4f0a-8d4b-0f5f8a4b7c21")
KEY = "intercom:77"
OWNED: dict[str, Any] = {"owner": "support", "review_by": date(2027, 1, 1)}


def event_id(name: str) -> UUID:
    return uuid5(NAMESPACE, name)


def a_message(name: str = "m", **changes: Any) -> Message:
    return Message(
        **{
            "event_id": event_id(name),
            "occurred_at": NOW,
            "conversation_id": KEY,
            "kind": MessageKind.USER_MESSAGE,
            "channel": "intercom",
            "contact_id": "pseudonym",
        }
        | changes
    )


def a_verdict(name: str = "v", **changes: Any) -> Verdict:
    return Verdict(
        **{
            "event_id": event_id(name),
            "occurred_at": NOW,
            "conversation_id": KEY,
            "decision": Decision.PASS,
            "message": a_message(),
            "category": "order_status",
            "misuse": Misuse.NONE,
            "urgent": False,
            "urgency": 0.25,
            "confidence": 0.9,
            "explanation": "x",
            "language": "nl",
            "team": "tickets",
        }
        | changes
    )


def a_reply(name: str = "r", text: str = "Which order is it about?", options: int = 0, **changes: Any) -> Reply:
    buttons = tuple(
        ReplyOption(option_id=event_id(f"{name}-{number}"), label=f"Order {number}", value=str(number))
        for number in range(options)
    )
    return Reply(
        **{
            "event_id": event_id(name),
            "occurred_at": NOW,
            "conversation_id": KEY,
            "channel": "intercom",
            "contact_id": "pseudonym",
            "reply": OutboundReply(text=text, language="en", options=buttons),
            "workflow": "resend_tickets",
            "category": "order_status",
            "expires_at": NOW + timedelta(hours=1),
        }
        | changes
    )


def an_escalation(name: str = "e", **changes: Any) -> Escalation:
    return Escalation(
        **{
            "event_id": event_id(name),
            "occurred_at": NOW,
            "conversation_id": KEY,
            "channel": "intercom",
            "contact_id": "pseudonym",
            "source": EscalationSource.AGENT,
            "reason_code": "over_limit",
            "priority": Priority.NORMAL,
            "category": "order_status",
            "team": "tickets",
            "language": "en",
            "note": "The user wants: a refund\nNext: decide <soon>",
            "reply": OutboundReply(text="A colleague takes over.", language="en"),
            "tags": ("floodgate:handed-over",),
            "expires_at": NOW + timedelta(hours=1),
        }
        | changes
    )


def make_catalogue() -> Catalogue:
    labels = {"en": "x", "nl": "x"}
    return Catalogue(
        version="0123456789ab",
        company="Example",
        languages=("en", "nl"),
        countries=("NL",),
        paths=(ButtonPath(id="tickets", label=labels),),
        categories=(
            Category(id="order_status", title=labels, path="tickets", team="tickets", examples={"en": ("x",)}, **OWNED),
        ),
        urgency=(),
        teams=(
            Team(id="tickets", title="Tickets", intercom_team_id="1001", **OWNED),
            Team(id="general", title="General", intercom_team_id="1006", **OWNED),
        ),
        templates=(
            Template(
                id="automated_notice",
                texts={"en": "This is an automated reply.", "nl": "Dit is een automatisch antwoord."},
                **OWNED,
            ),
        ),
        articles=(),
        topics=("tickets",),
        intents=("get_tickets",),
    )


@dataclass
class FakeChannel:
    """Remembers; any command can be given another end."""

    delivered: list[Order] = field(default_factory=list)
    fates: dict[str, Fate | Exception] = field(default_factory=dict)

    async def deliver(self, order: Order, *, maybe_repeated: bool) -> Receipt:
        planned = self.fates.get(order.command.do, Fate.SENT)
        if isinstance(planned, Exception):
            raise planned
        if planned is Fate.SENT:
            self.delivered.append(order)
        return Receipt(planned, f"part-{len(self.delivered)}")


@dataclass
class Line:
    """Drives the handler and its effects as the engine would."""

    handler: DeliveryHandler
    channel: FakeChannel
    effect: Deliver
    now: datetime = NOW
    state: DeliveryState | None = None
    statuses: list[str] = field(default_factory=list)

    @property
    def done(self) -> list[str]:
        return [order.command.do for order in self.channel.delivered]

    async def receive(self, value: Any, key: str = KEY, timestamp_ms: int = 0) -> None:
        tools = Tools(now_ms=lambda: int(self.now.timestamp() * 1000), remaining_seconds=lambda: 60.0)
        record = Record("t", 0, 0, key, value, timestamp_ms=timestamp_ms)
        outcome = await self.handler.handle(record, self.state, tools)
        self._take(outcome)
        while outcome.effect is not None:
            result = await self._run(PendingEffect(outcome.effect, key))
            self.statuses.append(result.status)
            outcome = await self.handler.resume(result, key, self.state, tools)
            self._take(outcome)

    async def _run(self, pending: PendingEffect) -> EffectResult:
        effect = pending.effect
        if effect.expires_at_ms is not None and self.now.timestamp() * 1000 >= effect.expires_at_ms:
            return EffectResult(effect, "expired")
        try:
            return EffectResult(effect, "done", await self.effect(pending))
        except PoisonMessageError as error:
            return EffectResult(effect, "refused", {"error": error.reason})
        except TimeoutError as error:
            return EffectResult(effect, "failed", {"error": str(error)})

    def _take(self, outcome: Outcome[DeliveryState]) -> None:
        assert not outcome.events
        if outcome.state is not KEEP:
            assert outcome.state is not None
            self.state = DeliveryState.model_validate_json(outcome.state.model_dump_json(exclude_defaults=True))  # type: ignore[union-attr]  # KEEP is excluded above


@pytest.fixture
def catalogue() -> Catalogue:
    return make_catalogue()


@pytest.fixture
def planner(catalogue: Catalogue) -> Planner:
    return Planner(catalogue)


@pytest.fixture
def line(planner: Planner) -> Line:
    channel = FakeChannel()
    return Line(
        DeliveryHandler(planner, {"intercom"}, default_pushed=False), channel, Deliver({"intercom": channel}, None)
    )


@pytest.fixture
def verdict() -> Callable[..., Verdict]:
    return a_verdict


@pytest.fixture
def message() -> Callable[..., Message]:
    return a_message


@pytest.fixture
def reply() -> Callable[..., Reply]:
    return a_reply


@pytest.fixture
def escalation() -> Callable[..., Escalation]:
    return an_escalation
