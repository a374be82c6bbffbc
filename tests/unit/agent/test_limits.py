"""Limits over all users: what fits, what does not, and that a limit holds before the backend is asked."""

from __future__ import annotations

from typing import Any

import pytest
from agent.acting import Actions
from agent.adapters.ledger_blobs import BlobLedger
from agent.domain.calls import CallOutcome, CallResult
from agent.domain.ledger import DAY_LIMIT, TOO_FAST, USER_LIMIT, Entry, refusal
from agent.domain.limits import Limits
from floodgate.events import Escalation
from keyflow import Effect, PendingEffect
from keyflow.errors import RetryableError
from support.memory_blobs import MemoryBlobs

LIMITS = Limits.model_validate(
    {
        "per_user_per_day": {"count": 2, "amount_cents": 10_000},
        "per_day": {"count": 5, "amount_cents": 30_000},
        "velocity": {"count": 3, "within_minutes": 10},
    }
)
MINUTE_MS = 60_000
NOON_MS = 1_795_780_800_000


def entry(key: str, user: str = "a", amount_cents: int = 1_000, at_ms: int = NOON_MS) -> Entry:
    return Entry(key=key, user=user, amount_cents=amount_cents, at_ms=at_ms)


def hourly(count: int, **changes: Any) -> list[Entry]:
    return [entry(f"k{n}", **({"user": f"u{n}"} | changes), at_ms=NOON_MS - (n + 1) * 3_600_000) for n in range(count)]


@pytest.mark.parametrize(
    ("done", "wanted", "code"),
    [
        ([], entry("k"), None),
        (hourly(1, user="a"), entry("k"), None),
        (hourly(2, user="a"), entry("k"), USER_LIMIT),
        (hourly(1, user="a"), entry("k", amount_cents=9_001), USER_LIMIT),
        (hourly(1, user="a"), entry("k", amount_cents=9_000), None),
        (hourly(5), entry("k"), DAY_LIMIT),
        (hourly(3, amount_cents=9_000), entry("k", amount_cents=3_001), DAY_LIMIT),
        ([entry(f"k{n}", f"u{n}") for n in range(3)], entry("k"), TOO_FAST),
        ([entry(f"k{n}", f"u{n}", at_ms=NOON_MS - 10 * MINUTE_MS) for n in range(3)], entry("k"), None),
        ([entry("k"), *hourly(4)], entry("k"), None),
    ],
)
def test_one_more_action_fits_or_is_refused_with_the_word_of_the_limit(done, wanted, code):
    assert refusal(done, wanted, LIMITS) == code


def pending(key: str, **changes: Any) -> PendingEffect:
    payload = {
        "call": "refund_order",
        "arguments": {},
        "contact_id": "a",
        "amount_cents": 1_000,
        "decided_at_ms": NOON_MS,
        "limits": LIMITS.model_dump(exclude_none=True),
    } | changes
    return PendingEffect(Effect("shop", key, payload), "conversation", False)


class Shop:
    def __init__(self, outcome: str = "done") -> None:
        self.outcome = outcome
        self.asked: list[str] = []

    async def change(self, effect: PendingEffect) -> dict[str, Any]:
        self.asked.append(effect.effect.idempotency_key)
        if self.outcome == "silent":
            raise RetryableError("no answer")
        return {"outcome": self.outcome, "code": "", "value": {}}


@pytest.fixture
def blobs() -> MemoryBlobs:
    return MemoryBlobs()


def actions(shop: Shop, blobs: MemoryBlobs) -> Actions:
    return Actions(shop.change, BlobLedger(lambda: blobs))


async def test_what_is_over_a_limit_never_reaches_the_backend(blobs):
    shop = Shop()
    acting = actions(shop, blobs)
    answers = [await acting.run(pending(f"key-{number}")) for number in range(3)]
    assert [answer["outcome"] for answer in answers] == ["done", "done", "refused"]
    assert answers[2]["code"] == USER_LIMIT
    assert shop.asked == ["key-0", "key-1"]


async def test_a_limit_holds_over_processes_and_restarts(blobs):
    for number in range(2):
        await actions(Shop(), blobs).run(pending(f"key-{number}"))
    shop = Shop()
    assert (await actions(shop, blobs).run(pending("key-2")))["outcome"] == "refused"
    assert shop.asked == []


async def test_a_repeat_of_the_same_action_is_counted_once(blobs):
    shop = Shop("silent")
    acting = actions(shop, blobs)
    for _ in range(4):
        with pytest.raises(RetryableError):
            await acting.run(pending("key-0"))
    shop.outcome = "done"
    assert (await acting.run(pending("key-0")))["outcome"] == "done"
    assert (await acting.run(pending("key-1")))["outcome"] == "done"
    assert (await acting.run(pending("key-2")))["outcome"] == "refused"


async def test_what_the_backend_refused_does_not_count(blobs):
    for number in range(4):
        assert (await actions(Shop("refused"), blobs).run(pending(f"key-{number}")))["code"] == ""
    assert (await actions(Shop(), blobs).run(pending("key-9")))["outcome"] == "done"


async def test_another_process_that_counts_at_the_same_time_is_not_overwritten(blobs):
    acting = actions(Shop(), blobs)
    await acting.run(pending("key-0", contact_id="b"))
    inside = []

    def meanwhile(action: str, name: str) -> None:
        if action == "replace" and not inside:
            inside.append(name)
            other = entry("key-x", "c").model_dump_json()
            body = blobs.kept[name].body.replace(b'"entries":[', b'"entries":[' + other.encode() + b",")
            blobs.write(name, body)

    blobs.before = meanwhile
    await acting.run(pending("key-1"))
    (page,) = (blob.body for blob in blobs.kept.values())
    assert all(key in page for key in (b"key-0", b"key-1", b"key-x"))


async def test_without_the_store_nothing_is_sent(blobs):
    def refuse(action: str, name: str) -> None:
        raise RetryableError("the store does not answer")

    blobs.before = refuse
    shop = Shop()
    with pytest.raises(RetryableError):
        await actions(shop, blobs).run(pending("key-0"))
    assert shop.asked == []


async def test_an_action_without_limits_is_simply_sent(blobs):
    shop = Shop()
    effect = pending("key-0")
    del effect.effect.payload["limits"]  # type: ignore[attr-defined]  # a plain dict behind the Mapping
    await actions(shop, blobs).run(effect)
    assert shop.asked == ["key-0"]
    assert blobs.kept == {}


async def test_an_effect_carries_the_limits_of_its_workflow_and_a_limit_leads_to_a_human(chat, shop):
    talk = chat("refund_order")
    await talk.say("refund please")
    shop.outcomes["refund_order"] = CallResult(CallOutcome.REFUSED, code=USER_LIMIT)
    ended = await talk.click("yes")
    assert isinstance(ended, Escalation)
    assert (ended.reason_code, ended.actions[0].detail) == ("backend_refused", USER_LIMIT)
