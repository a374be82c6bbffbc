"""Look-ups show a customer what is theirs and nothing else; the seed is what the README says."""

from pathlib import Path

import pytest
from floodgate_local.shop.seed import CUSTOMERS, LOCALES, SITUATIONS, locale_of, seed, situation_of
from floodgate_local.shop.store import ShopStore


async def test_someone_elses_order_answers_exactly_like_one_that_does_not_exist(shop):
    theirs = await shop.get("/v1/customers/cust-0001/orders/TK-40002")
    nobodys = await shop.get("/v1/customers/cust-0001/orders/TK-99999")
    assert (theirs.status_code, theirs.json()) == (nobodys.status_code, nobodys.json())
    assert theirs.status_code == 404


@pytest.mark.parametrize("rest", ["", "/orders", "/subscriptions", "/payments", "/invoices", "/orders/TK-40001"])
async def test_an_unknown_customer_is_not_found_everywhere(shop, rest):
    assert (await shop.get(f"/v1/customers/cust-9999{rest}")).status_code == 404


async def test_lookups_need_the_token(shop):
    answer = await shop.get("/v1/customers/cust-0001", headers={"Authorization": ""})
    assert answer.status_code == 401


async def test_two_orders_come_newest_purchase_first(shop):
    orders = (await shop.get("/v1/customers/cust-0011/orders")).json()["orders"]
    assert [order["number"] for order in orders] == ["TK-50011", "TK-40011"]
    assert all(order["status"] == "confirmed" for order in orders)


async def test_a_double_charge_names_the_first_payment(shop):
    payments = (await shop.get("/v1/customers/cust-0008/payments")).json()["payments"]
    assert {p["id"]: p["duplicate_of"] for p in payments}["PAY-0008-2"] == "PAY-0008-1"


async def test_every_language_has_every_situation_once():
    seen = {(locale_of(n), situation_of(n)) for n in range(1, 121)}
    assert seen == {(locale, situation) for locale in LOCALES for situation in SITUATIONS}
    assert CUSTOMERS >= 120


async def test_the_frozen_account_can_still_be_looked_up(shop):
    customer = (await shop.get("/v1/customers/cust-0004")).json()
    assert customer["account_status"] == "frozen"
    assert (await shop.get("/v1/customers/cust-0004/orders")).status_code == 200


async def test_refund_windows_follow_the_shops_day(shop):
    order = (await shop.get("/v1/customers/cust-0002/orders/TK-40002")).json()
    assert order["event_starts_at"] == "2026-11-25T19:00:00Z"
    assert order["refundable_until"] == "2026-11-18T19:00:00Z"


async def test_reset_brings_the_seed_back(shop, change):
    before = (await shop.get("/v1/customers/cust-0001/orders")).json()
    await change(1, "orders/TK-40001/refund", {"amount_cents": 1_000, "reason": "x"})
    assert (await shop.get("/v1/customers/cust-0001/orders")).json() != before
    await shop.post("/_local/reset")
    assert (await shop.get("/v1/customers/cust-0001/orders")).json() == before
    assert (await shop.get("/_local/actions")).json()["actions"] == []


async def test_what_was_done_survives_a_restart(store: ShopStore, shop, change, tmp_path: Path):
    await change(1, "subscriptions/SUB-20001/cancel", key="before-restart")
    again = ShopStore(tmp_path / "shop.sqlite", today=None, seeder=seed)
    again.open()
    row = again.one("SELECT status FROM subscriptions WHERE id = 'SUB-20001'")
    assert row is not None
    assert row["status"] == "cancelled"
    assert again.journal()["totals"]["done"] == 1
    again.close()


async def test_the_api_describes_itself(shop):
    paths = (await shop.get("/openapi.json")).json()["paths"]
    assert "/v1/orders/{number}/refund" in paths
    assert "/v1/customers/{contact_id}/orders/{number}" in paths
