"""The real workflows and texts on an invented shop; a conversation that drives the handler as the engine would."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import pytest
import yaml
from agent.domain.calls import CallOutcome, CallResult
from agent.domain.exchange import ModelReading
from agent.domain.library import Library
from agent.domain.state import AgentState
from agent.handlers import AgentHandler
from agent.knowledge import Knowledge
from agent.settings import AgentSettings
from agent.writing import Writer
from floodgate.catalogue import load_catalogue
from floodgate.catalogue.models import Automation, Catalogue, Category, Team, Template
from floodgate.catalogue.models import Path as ButtonPath
from floodgate.events import (
    Approval,
    Decision,
    Escalation,
    Message,
    MessageKind,
    Misuse,
    ModelUsage,
    Proposal,
    Reply,
    Verdict,
)
from floodgate.knowledge import Example, FakeRetriever, Passage
from keyflow import KEEP, Effect, EffectResult, Outcome, Record, Tools
from keyflow.errors import KeyflowError

ROOT = Path(__file__).resolve().parents[3]
CATALOGUE = ROOT / "catalogue"
LANGUAGES = ("nl", "fr", "es", "pl", "en", "de", "it", "pt", "sv", "cs")
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
NAMESPACE = UUID("7f1dd5c1-4a8e-4d52-9f7e-8a3f4a8c2b10")
KEY = "intercom:1"
CONTACT = "pseudonym-of-cust-0001"
WORKFLOW_CATEGORIES = {
    "resend_tickets": ("resend_tickets", "tickets"),
    "cancel_subscription": ("cancel_subscription", "billing"),
    "refund_order": ("refund_tickets", "tickets"),
    "order_status": ("order_status", "tickets"),
    "change_email": ("change_email", "accounts"),
    "reset_sign_in": ("sign_in", "accounts"),
    "apply_promo": ("promo_code", "billing"),
    "change_seat": ("change_booking", "tickets"),
    "invoice_copy": ("invoice_copy", "billing"),
    "refund_duplicate": ("duplicate_charge", "billing"),
    "playback_help": ("playback_problem", "streaming"),
    "report_lost_item": ("lost_item", "tickets"),
}
TEAMS = ("tickets", "billing", "accounts", "streaming")


def in_days(days: float) -> str:
    return (NOW + timedelta(days=days)).isoformat().replace("+00:00", "Z")


def order(number: str = "TK-40001", **changes: Any) -> dict[str, Any]:
    return {
        "number": number,
        "event": "Nightingale Strings",
        "venue": "Harbour Hall",
        "event_starts_at": in_days(30),
        "amount_cents": 8_950,
        "refunded_cents": 0,
        "currency": "EUR",
        "status": "confirmed",
        "purchased_at": in_days(-10),
        "refundable_until": in_days(23),
        "changeable_until": in_days(28),
        "seats": ["B-12"],
        "free_seats": ["C-4", "C-6"],
    } | changes


def subscription(number: str = "SUB-20001", **changes: Any) -> dict[str, Any]:
    return {
        "id": number,
        "plan": "Stage Stream Monthly",
        "status": "active",
        "renews_at": in_days(9),
        "ends_at": None,
        "price_cents": 1_199,
        "currency": "EUR",
    } | changes


def load_real_catalogue(**raw_workflows: Any) -> Catalogue:
    """The workflows and templates as they stand in catalogue/, with the least of everything else."""
    content = yaml.safe_load((CATALOGUE / "templates" / "workflows.yaml").read_text(encoding="utf-8"))
    owned = {"owner": content["owner"], "review_by": content["review_by"]}
    labels = dict.fromkeys(LANGUAGES, "x")
    return Catalogue(
        version="0123456789ab",
        company="Example",
        languages=LANGUAGES,
        countries=("NL",),
        paths=tuple(ButtonPath(id=path, label=labels) for path in TEAMS),
        categories=tuple(
            Category(
                id=category,
                title=labels,
                path=team,
                team=team,
                automation=Automation.ON,
                workflow=workflow,
                examples={"en": ("x",)},
                **owned,
            )
            for workflow, (category, team) in WORKFLOW_CATEGORIES.items()
        ),
        urgency=(),
        teams=tuple(Team(id=team, title=team, intercom_team_id="1", **owned) for team in TEAMS),
        templates=tuple(Template(**owned, **entry) for entry in content["templates"]),
        articles=(),
        topics=("tickets",),
        intents=("get_tickets",),
        workflows={
            path.stem: yaml.safe_load(path.read_text(encoding="utf-8"))
            for path in sorted((CATALOGUE / "workflows").glob("*.yaml"))
        }
        | raw_workflows,
    )


@dataclass
class FakeShop:
    """Orders and subscriptions of one customer; any call can be given another outcome."""

    orders: list[dict[str, Any]] = field(default_factory=lambda: [order()])
    subscriptions: list[dict[str, Any]] = field(default_factory=lambda: [subscription()])
    outcomes: dict[str, CallResult | KeyflowError] = field(default_factory=dict)
    looked_up: list[tuple[str, dict[str, str | int]]] = field(default_factory=list)
    done: list[tuple[str, dict[str, str | int], str]] = field(default_factory=list)

    async def look_up(self, call: str, arguments: Mapping[str, str | int], contact_id: str) -> CallResult:
        self.looked_up.append((call, dict(arguments)))
        planned = self.outcomes.get(call)
        if isinstance(planned, KeyflowError):
            raise planned
        if planned is not None:
            return planned
        if call == "list_orders":
            return CallResult(CallOutcome.DONE, {"orders": self.orders})
        if call == "list_subscriptions":
            return CallResult(CallOutcome.DONE, {"subscriptions": self.subscriptions})
        for found in self.orders:
            if found["number"] == arguments["order_number"]:
                return CallResult(CallOutcome.DONE, found)
        return CallResult(CallOutcome.NOT_FOUND, code="not_found")

    def change(self, effect: Effect) -> EffectResult:
        call, arguments = effect.payload["call"], dict(effect.payload["arguments"])
        self.done.append((call, arguments, effect.idempotency_key))
        planned = self.outcomes.get(call)
        if isinstance(planned, CallResult):
            if planned.outcome is CallOutcome.FAILED:
                return EffectResult(effect, "expired")
            if planned.outcome is CallOutcome.UNKNOWN:
                return EffectResult(effect, "failed", {"error": "shop: ReadTimeout"})
            value = {"outcome": str(planned.outcome), "code": planned.code, "value": dict(planned.value)}
            return EffectResult(effect, "done", value)
        answer = {"ends_at": in_days(9)} if call == "cancel_subscription" else {"number": "TK-40001"}
        return EffectResult(effect, "done", {"outcome": "done", "code": "", "value": answer})


@dataclass
class FakeReader:
    """A model that answers what the test wants it to."""

    reading: ModelReading = field(default_factory=ModelReading)
    error: KeyflowError | None = None
    asked: list[str] = field(default_factory=list)

    async def read(self, request: Any) -> tuple[ModelReading, ModelUsage]:
        self.asked.append(request.slot)
        if self.error is not None:
            raise self.error
        return self.reading, ModelUsage(calls=1)


@dataclass
class FakeKnowledge:
    """The articles as they stand in the catalogue, found by words in common; or what the test wants."""

    articles: FakeRetriever
    error: Exception | None = None
    found: list[Passage] | None = None
    asked: list[str] = field(default_factory=list)

    async def passages(self, query: str, *, language: str, country: str | None, limit: int = 3) -> list[Passage]:
        self.asked.append(query)
        if self.error is not None:
            raise self.error
        if self.found is not None:
            return self.found
        return await self.articles.passages(query, language=language, country=country, limit=limit)

    async def examples(self, query: str, *, language: str, limit: int = 8) -> list[Example]:
        return []


@dataclass
class Conversation:
    """Drives the handler: verdicts in, effects run, state carried along."""

    handler: AgentHandler
    shop: FakeShop
    reader: FakeReader
    knowledge: FakeKnowledge
    workflow: str
    language: str = "en"
    state: AgentState | None = None
    records: list[Reply | Escalation | Proposal] = field(default_factory=list)
    count: int = 0
    remaining_seconds: float | None = 5.0

    @property
    def tools(self) -> Tools:
        return Tools(now_ms=lambda: int(NOW.timestamp() * 1000), remaining_seconds=lambda: self.remaining_seconds)

    @property
    def last(self) -> Reply | Escalation:
        return next(record for record in reversed(self.records) if not isinstance(record, Proposal))

    @property
    def proposals(self) -> list[Proposal]:
        return [record for record in self.records if isinstance(record, Proposal)]

    @property
    def text(self) -> str:
        reply = self.last.reply
        assert reply is not None
        return reply.text

    @property
    def actions(self) -> list[str]:
        return [call for call, _, _ in self.shop.done]

    async def say(self, text: str, **changes: Any) -> Reply | Escalation | None:
        return await self.receive(self.verdict(text, **changes))

    async def click(self, value: str) -> Reply | Escalation | None:
        assert isinstance(self.last, Reply)
        option = next(option for option in self.last.reply.options if option.value == value)
        return await self.say(option.label, clicked_option=str(option.option_id))

    async def receive(self, value: Verdict | Message | Approval) -> Reply | Escalation | None:
        outcome = await self.handler.handle(Record("support.verdicts", 0, 0, KEY, value), self.state, self.tools)
        before = len(self.records)
        self._take(outcome)
        while outcome.effect is not None:
            result = self.shop.change(outcome.effect)
            outcome = await self.handler.resume(result, KEY, self.state, self.tools)
            self._take(outcome)
        said = [record for record in self.records[before:] if not isinstance(record, Proposal)]
        return said[-1] if said else None

    def _take(self, outcome: Outcome[AgentState]) -> None:
        self.records.extend(emit.value for emit in outcome.events)
        if outcome.state is not KEEP:
            self.state = outcome.state  # type: ignore[assignment]  # KEEP is excluded above
            if self.state is not None:  # what is kept survives the changelog
                self.state = AgentState.model_validate_json(self.state.model_dump_json(exclude_defaults=True))

    def verdict(self, text: str, *, decision: Decision = Decision.AUTOMATE, mode: str = "", **changes: Any) -> Verdict:
        self.count += 1
        message = self.message(text=text, **changes)
        return Verdict(
            event_id=uuid5(NAMESPACE, f"verdict {self.count}"),
            occurred_at=NOW,
            conversation_id=KEY,
            decision=decision,
            message=message,
            category=WORKFLOW_CATEGORIES[self.workflow][0],
            misuse=Misuse.NONE,
            urgent=False,
            urgency=0.1,
            workflow=self.workflow,
            wants="The customer wants something.",
            confidence=0.9,
            explanation="A test.",
            mode=mode,
            language=self.language,
        )

    def message(self, kind: MessageKind = MessageKind.USER_MESSAGE, **changes: Any) -> Message:
        self.count += 1
        return Message(
            **{
                "event_id": uuid5(NAMESPACE, f"message {self.count}"),
                "occurred_at": NOW,
                "conversation_id": KEY,
                "kind": kind,
                "channel": "intercom",
                "contact_id": CONTACT,
                "contact_verified": True,
            }
            | changes
        )


@pytest.fixture(scope="session")
def real_catalogue() -> Callable[..., Catalogue]:
    return load_real_catalogue


@pytest.fixture(scope="session")
def library() -> Library:
    return Library(load_real_catalogue())


@pytest.fixture
def shop() -> FakeShop:
    return FakeShop()


@pytest.fixture(scope="session")
def articles() -> FakeRetriever:
    return FakeRetriever(load_catalogue(CATALOGUE))


@pytest.fixture
def knowledge(articles: FakeRetriever) -> FakeKnowledge:
    return FakeKnowledge(articles)


@pytest.fixture(scope="session")
def whole_library() -> Library:
    """With the articles and the examples of the categories."""
    return Library(load_catalogue(CATALOGUE))


@pytest.fixture
def chat(whole_library: Library, shop: FakeShop, knowledge: FakeKnowledge) -> Callable[..., Conversation]:
    def start(
        workflow: str, language: str = "en", level: Callable[[str], Automation] | None = None, **changes: Any
    ) -> Conversation:
        settings = AgentSettings()
        reader = FakeReader()
        library = whole_library
        handler = AgentHandler(
            library,
            shop,
            reader,
            settings,
            knowledge=Knowledge(knowledge, library, settings.retrieval_seconds),
            writer=Writer(library, settings.reply_ttl_seconds, "0.1.0"),
            now_ms=lambda: int(NOW.timestamp() * 1000),
            level=level,
        )
        return Conversation(handler, shop, reader, knowledge, workflow, language, **changes)

    return start


@pytest.fixture
def make_order() -> Callable[..., dict[str, Any]]:
    return order


@pytest.fixture
def make_subscription() -> Callable[..., dict[str, Any]]:
    return subscription


@pytest.fixture
def days() -> Callable[[float], str]:
    return in_days


@pytest.fixture
def owner_expiry() -> dict[str, Any]:
    return {"owner": "support", "review_by": date(2027, 1, 1)}
