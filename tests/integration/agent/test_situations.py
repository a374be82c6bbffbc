"""Each situation of the shop's seed through each workflow: the handler on the shop's own code, without a socket."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from agent.adapters.shop_http import ShopHttp
from agent.bootstrap import open_library
from agent.domain.calls import NotACustomerError
from agent.domain.exchange import ModelReading
from agent.handlers import AgentHandler
from agent.knowledge import Knowledge
from agent.settings import AgentSettings, ShopSettings
from agent.writing import Writer
from floodgate.catalogue import load_catalogue
from floodgate.events import (
    Decision,
    Message,
    MessageKind,
    Misuse,
    ModelUsage,
    Pseudonyms,
    Verdict,
)
from floodgate.knowledge import FakeRetriever
from floodgate_local.inprocess import serving
from floodgate_local.shop.app import create_app
from floodgate_local.shop.seed import seed
from floodgate_local.shop.store import ShopStore
from floodgate_local.state import repository_root
from keyflow import Effect, EffectResult, PendingEffect, Record, Tools
from keyflow.errors import FatalError, RetryableError

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
PSEUDONYMS = Pseudonyms(b"a key for tests only")
TOKEN = "shop-token-of-tests"


@pytest.fixture(scope="module")
def library():
    return open_library(load_catalogue(repository_root() / "catalogue"))


@pytest.fixture
async def shop_http(tmp_path: Path):
    """The shop's adapter on a freshly seeded shop."""
    store = ShopStore(tmp_path / "shop.sqlite", today=date(2026, 11, 22), seeder=seed, clock=lambda: NOON)
    async with serving(create_app(store, TOKEN)) as transport:
        shop = ShopHttp(ShopSettings(base_url="http://shop.test", token=TOKEN), PSEUDONYMS, transport=transport)
        yield shop
        await shop.aclose()


class SilentReader:
    async def read(self, request: Any) -> tuple[ModelReading, ModelUsage]:
        return ModelReading(), ModelUsage()


class Talk:
    """Says one thing after the other; effects run against the shop."""

    def __init__(self, library: Any, shop: ShopHttp, workflow: str, customer: int) -> None:
        settings = AgentSettings()
        self.handler = AgentHandler(
            library,
            shop,
            SilentReader(),
            settings,
            knowledge=Knowledge(FakeRetriever(library.catalogue), library, settings.retrieval_seconds),
            writer=Writer(library, settings.reply_ttl_seconds, "test"),
            now_ms=lambda: int(NOON.timestamp() * 1000),
        )
        self.shop, self.workflow, self.customer = shop, workflow, customer
        self.state: Any = None
        self.last: Any = None

    async def say(self, text: str) -> Any:
        tools = Tools(now_ms=lambda: int(NOON.timestamp() * 1000), remaining_seconds=lambda: 30.0)
        outcome = await self.handler.handle(
            Record("support.verdicts", 0, 0, "k", self.verdict(text)), self.state, tools
        )
        self.take(outcome)
        while outcome.effect is not None:
            value = await self.shop.change(PendingEffect(outcome.effect, "k"))
            outcome = await self.handler.resume(EffectResult(outcome.effect, "done", value), "k", self.state, tools)
            self.take(outcome)
        return self.last

    def take(self, outcome: Any) -> None:
        self.state = outcome.state
        for emit in outcome.events:
            self.last = emit.value

    def verdict(self, text: str) -> Verdict:
        category = self.handler._library.workflows[self.workflow].category
        message = Message(
            event_id=uuid4(),
            occurred_at=NOON,
            conversation_id="k",
            kind=MessageKind.USER_MESSAGE,
            channel="intercom",
            contact_id=PSEUDONYMS.contact_id("customer", f"cust-{self.customer:04d}"),
            contact_verified=True,
            text=text,
        )
        return Verdict(
            event_id=uuid4(),
            occurred_at=NOON,
            conversation_id="k",
            decision=Decision.AUTOMATE,
            message=message,
            category=category,
            misuse=Misuse.NONE,
            urgent=False,
            urgency=0.0,
            workflow=self.workflow,
            confidence=1.0,
            explanation="test",
            language="en",
        )


def ending(record: Any) -> str:
    if hasattr(record, "reason_code"):
        action = record.actions[-1].detail if record.actions else ""
        return f"{record.reason_code} {action}".strip()
    return "resolved" if record.resolved else f"asks {record.awaits}"


SITUATIONS = {
    # customer: (resend, cancel, refund), each after one "yes"
    49: ("resolved", "resolved", "resolved"),
    50: ("resolved", "resolved", "over_limit"),
    51: ("asks order_number", "resolved", "backend_refused"),
    52: ("backend_refused account_frozen", "backend_refused account_frozen", "backend_refused account_frozen"),
    53: ("resolved", "resolved", "over_limit"),
    54: ("resolved", "resolved", "resolved"),
    55: ("resolved", "resolved", "resolved"),
    56: ("resolved", "resolved", "resolved"),
    57: ("backend_refused tickets_not_issued", "resolved", "backend_refused order_pending"),
    58: ("asks order_number", "resolved", "over_limit"),
    59: ("asks order_number", "resolved", "asks order_number"),
    60: ("asks order_number", "resolved", "backend_refused"),
    121: ("not_verified", "not_verified", "not_verified"),
    122: ("resolved", "backend_refused subscription_frozen", "resolved"),
    123: ("asks order_number", "resolved", "asks order_number"),
    124: ("resolved", "resolved", "resolved"),
    125: ("resolved", "resolved", "resolved"),
    126: ("resolved", "resolved", "over_limit"),
}


@pytest.mark.parametrize("customer", SITUATIONS)
@pytest.mark.parametrize("position", range(3))
async def test_every_situation_ends_as_it_should(library, shop_http, customer, position):
    workflow = ("resend_tickets", "cancel_subscription", "refund_order")[position]
    talk = Talk(library, shop_http, workflow, customer)
    record = await talk.say("please")
    if ending(record) == "asks confirmation":
        record = await talk.say("yes")
    assert ending(record) == SITUATIONS[customer][position]


async def test_an_order_of_another_customer_is_not_there(library, shop_http):
    talk = Talk(library, shop_http, "refund_order", 49)
    theirs = await talk.say("refund TK-40050")
    nobodys = await Talk(library, shop_http, "refund_order", 49).say("refund TK-99999")
    assert theirs.reply.text == nobodys.reply.text
    assert ending(theirs) == "asks order_number"


async def test_the_same_key_gives_the_same_answer_and_does_nothing_more(shop_http):
    contact = PSEUDONYMS.contact_id("customer", "cust-0049")
    payload = {
        "call": "refund_order",
        "arguments": {"order_number": "TK-40049", "amount_cents": 1_000},
        "contact_id": contact,
    }
    pending = PendingEffect(Effect("shop", "event-1:refund", payload), "k")
    first = await shop_http.change(pending)
    assert first["outcome"] == "done"
    assert await shop_http.change(pending) == first
    order = await shop_http.look_up("get_order", {"order_number": "TK-40049"}, contact)
    assert order.value["refunded_cents"] == 1_000
    assert "delivery_email" not in order.value


async def test_only_verified_customers_are_asked_about(shop_http):
    for contact in (PSEUDONYMS.contact_id("rest", "cust-0049"), "not a pseudonym"):
        with pytest.raises(NotACustomerError):
            await shop_http.look_up("list_orders", {}, contact)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (httpx.Response(503, headers={"Retry-After": "4"}), RetryableError),
        (httpx.Response(429), RetryableError),
        (httpx.Response(200, text="<html>"), RetryableError),
        (httpx.Response(401), FatalError),
        (httpx.ReadTimeout("slow"), RetryableError),
        (httpx.ConnectError("refused"), RetryableError),
    ],
)
async def test_what_is_no_answer_is_translated_in_one_place(answer, error):
    def respond(request: httpx.Request) -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        return answer

    shop = ShopHttp(
        ShopSettings(base_url="http://shop.test", token=TOKEN), PSEUDONYMS, transport=httpx.MockTransport(respond)
    )
    with pytest.raises(error) as caught:
        await shop.look_up("list_orders", {}, PSEUDONYMS.contact_id("customer", "cust-0049"))
    assert "cust-0049" not in str(caught.value)
    await shop.aclose()
