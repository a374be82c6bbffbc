"""Every change of the shop, its refusals, and that it happens once per idempotency key."""

import httpx
import pytest


def code(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


async def test_a_refund_in_whole_sets_the_order_and_its_payment_to_refunded(shop, change):
    order = (await shop.get("/v1/customers/cust-0001/orders/TK-40001")).json()
    answer = await change(1, "orders/TK-40001/refund", {"amount_cents": order["amount_cents"], "reason": "ill"})
    assert answer.status_code == 200
    assert answer.json()["result"]["status"] == "refunded"
    assert answer.json()["result"]["refunded_cents"] == order["amount_cents"]
    payments = (await shop.get("/v1/customers/cust-0001/payments")).json()["payments"]
    assert [p["status"] for p in payments if p["order_number"] == "TK-40001"] == ["refunded"]


async def test_a_refund_in_part_leaves_the_order_confirmed_and_limits_the_rest(change):
    answer = await change(125, "orders/TK-40125/refund", {"amount_cents": 1_000, "reason": "part"})
    assert answer.json()["result"] | {"status": "confirmed", "refunded_cents": 5_500} == answer.json()["result"]
    refused = await change(125, "orders/TK-40125/refund", {"amount_cents": 3_501, "reason": "too much"})
    assert code(refused) == (422, "amount_exceeds_paid")


@pytest.mark.parametrize(
    ("n", "path", "body", "expected"),
    [
        (2, "orders/TK-40002/refund", {"amount_cents": 100, "reason": "x"}, (422, "past_deadline")),
        (3, "orders/TK-40003/refund", {"amount_cents": 100, "reason": "x"}, (409, "already_refunded")),
        (4, "orders/TK-40004/refund", {"amount_cents": 100, "reason": "x"}, (423, "account_frozen")),
        (5, "orders/TK-40005/refund", {"amount_cents": 64_000, "reason": "x"}, (422, "amount_over_limit")),
        (9, "orders/TK-40009/refund", {"amount_cents": 100, "reason": "x"}, (409, "order_pending")),
        (10, "orders/TK-40010/refund", {"amount_cents": 100, "reason": "x"}, (422, "past_deadline")),
        (12, "orders/TK-40012/refund", {"amount_cents": 100, "reason": "x"}, (409, "order_cancelled")),
        (1, "orders/TK-40002/refund", {"amount_cents": 100, "reason": "x"}, (404, "not_found")),
        (1, "orders/TK-99999/refund", {"amount_cents": 100, "reason": "x"}, (404, "not_found")),
        (1, "orders/TK-40001/refund", {"amount_cents": 0, "reason": "x"}, (400, "invalid_request")),
        (1, "orders/TK-40001/refund", {"amount_cents": "100", "reason": "x"}, (400, "invalid_request")),
        (1, "orders/TK-40001/refund", {"amount_cents": 100}, (400, "invalid_request")),
        (3, "orders/TK-40003/resend-tickets", None, (409, "already_refunded")),
        (4, "orders/TK-40004/resend-tickets", None, (423, "account_frozen")),
        (9, "orders/TK-40009/resend-tickets", None, (409, "tickets_not_issued")),
        (10, "orders/TK-40010/resend-tickets", None, (422, "event_over")),
        (12, "orders/TK-40012/resend-tickets", None, (409, "order_cancelled")),
        (126, "orders/TK-40126/change-seat", {"from_seat": "A-1", "to_seat": "A-2"}, (422, "past_deadline")),
        (1, "orders/TK-40001/change-seat", {"from_seat": "Z-1", "to_seat": "B-2"}, (422, "seat_not_theirs")),
        (1, "orders/TK-40001/change-seat", {"from_seat": "B-11", "to_seat": "Z-9"}, (409, "seat_taken")),
        (1, "orders/TK-40001/change-date", {"day": "2026-12-24"}, (409, "date_not_available")),
        (1, "orders/TK-40001/change-date", {"day": "tomorrow"}, (400, "invalid_request")),
        (1, "orders/TK-40002/change-date", {"day": "2026-12-24"}, (404, "not_found")),
        (126, "orders/TK-40126/change-date", {"day": "2026-12-24"}, (422, "past_deadline")),
        (4, "subscriptions/SUB-20004/cancel", None, (423, "account_frozen")),
        (7, "subscriptions/SUB-20007/cancel", None, (409, "already_cancelled")),
        (122, "subscriptions/SUB-20122/cancel", None, (423, "subscription_frozen")),
        (121, "subscriptions/SUB-20121/cancel", None, (404, "not_found")),
        (1, "subscriptions/SUB-20001/resume", None, (409, "not_cancelled")),
        (124, "subscriptions/SUB-20124/resume", None, (422, "subscription_ended")),
        (1, "subscriptions/SUB-20001/apply-promo", {"code": "SUMMER25"}, (422, "promo_expired")),
        (1, "subscriptions/SUB-20001/apply-promo", {"code": "NOSUCH"}, (422, "promo_unknown")),
        (8, "payments/PAY-0008-1/refund-duplicate", None, (409, "not_a_duplicate")),
        (1, "payments/PAY-0008-2/refund-duplicate", None, (404, "not_found")),
        (1, "invoices/INV-0002-1/send", None, (404, "not_found")),
        (1, "customers/cust-0002/change-email", {"email": "new@example.org"}, (404, "not_found")),
        (1, "customers/cust-0001/change-email", {"email": "cust-0001@example.org"}, (409, "same_email")),
        (1, "customers/cust-0001/change-email", {"email": "CUST-0002@example.org"}, (409, "email_not_usable")),
        (1, "customers/cust-0002/reset-sign-in", None, (404, "not_found")),
        (
            1,
            "customers/cust-0001/lost-items",
            {"order_number": "TK-40001", "description": "scarf"},
            (422, "event_not_over"),
        ),
        (
            1,
            "customers/cust-0001/lost-items",
            {"order_number": "TK-40010", "description": "scarf"},
            (404, "not_found"),
        ),
    ],
)
async def test_what_a_real_backend_refuses_is_refused_and_does_nothing(shop, change, n, path, body, expected):
    assert code(await change(n, path, body)) == expected
    assert (await shop.get("/_local/actions")).json()["totals"]["done"] == 0


@pytest.mark.parametrize(
    ("n", "path", "body", "result"),
    [
        (1, "orders/TK-40001/resend-tickets", None, {"number": "TK-40001"}),
        (1, "orders/TK-40001/resend-tickets", {}, {"delivery_email": "cust-0001@example.org"}),
        (1, "orders/TK-40001/change-seat", {"from_seat": "B-11", "to_seat": "B-2"}, {"seats": ["B-2", "B-12"]}),
        (6, "subscriptions/SUB-20006/cancel", {"reason": "moving"}, {"status": "cancelled", "renews_at": None}),
        (7, "subscriptions/SUB-20007/resume", None, {"status": "active", "ends_at": None}),
        (12, "subscriptions/SUB-20012/resume", None, {"status": "active"}),
        (12, "subscriptions/SUB-20012/cancel", None, {"status": "cancelled"}),
        (1, "subscriptions/SUB-20001/apply-promo", {"code": "spring20"}, {"promo_code": "SPRING20"}),
        (8, "payments/PAY-0008-2/refund-duplicate", None, {"status": "refunded"}),
        (1, "invoices/INV-0001-1/send", None, {"number": "INV-0001-1"}),
        (1, "customers/cust-0001/change-email", {"email": "new@example.org"}, {"email": "new@example.org"}),
        (1, "customers/cust-0001/reset-sign-in", None, {"contact_id": "cust-0001"}),
        (
            10,
            "customers/cust-0010/lost-items",
            {"order_number": "TK-40010", "description": "a red scarf"},
            {"status": "reported"},
        ),
    ],
)
async def test_what_is_allowed_is_done_once_and_journalled(shop, change, n, path, body, result):
    answer = await change(n, path, body)
    assert answer.status_code == 200, answer.text
    assert answer.json()["result"] | result == answer.json()["result"]
    journal = (await shop.get("/_local/actions")).json()
    assert [(a["times_requested"], a["times_done"], a["outcome"]) for a in journal["actions"]] == [(1, 1, "done")]


async def test_an_order_is_moved_to_another_day_of_its_event_and_back(shop, change):
    before = (await shop.get("/v1/customers/cust-0007/orders/TK-40007/dates")).json()
    assert len(before["dates"]) == 3
    wanted = before["dates"][0]
    moved = (await change(7, "orders/TK-40007/change-date", {"day": wanted["day"]})).json()["result"]
    assert moved["event_starts_at"] == wanted["starts_at"]
    now = (await shop.get("/v1/customers/cust-0007/orders/TK-40007/dates")).json()
    assert now["day"] == wanted["day"]
    assert before["day"] in [date["day"] for date in now["dates"]]
    await change(7, "orders/TK-40007/change-date", {"day": before["day"]})
    assert (await shop.get("/v1/customers/cust-0007/orders/TK-40007/dates")).json() == before


async def test_the_days_of_somebody_elses_order_are_not_found(shop):
    answer = await shop.get("/v1/customers/cust-0001/orders/TK-40007/dates")
    assert code(answer) == (404, "not_found")


async def test_a_cancelled_subscription_can_be_resumed_until_it_ends(change):
    cancelled = (await change(1, "subscriptions/SUB-20001/cancel")).json()["result"]
    resumed = (await change(1, "subscriptions/SUB-20001/resume")).json()["result"]
    assert resumed["renews_at"] == cancelled["ends_at"]
    assert resumed["status"] == "active"


async def test_the_same_key_repeats_the_answer_and_does_nothing_again(shop, change):
    body = {"amount_cents": 1_000, "reason": "x"}
    first = await change(1, "orders/TK-40001/refund", body, key="the-same-key")
    again = await change(1, "orders/TK-40001/refund", body, key="the-same-key")
    assert again.json() == first.json()
    assert "Idempotent-Replay" not in first.headers
    assert again.headers["Idempotent-Replay"] == "true"
    (action,) = (await shop.get("/_local/actions")).json()["actions"]
    assert (action["times_requested"], action["times_done"]) == (2, 1)


async def test_a_refusal_is_repeated_under_its_key_as_well(change):
    first = await change(3, "orders/TK-40003/resend-tickets", key="refused-key")
    again = await change(3, "orders/TK-40003/resend-tickets", key="refused-key")
    assert code(first) == code(again) == (409, "already_refunded")
    assert again.headers["Idempotent-Replay"] == "true"


@pytest.mark.parametrize(
    ("n", "path", "amount_cents"),
    [(1, "orders/TK-40001/refund", 999), (11, "orders/TK-40011/refund", 1_000), (1, "orders/TK-40013/refund", 1_000)],
)
async def test_a_key_cannot_be_used_for_another_request(change, n, path, amount_cents):
    await change(1, "orders/TK-40001/refund", {"amount_cents": 1_000, "reason": "x"}, key="reused-key")
    other = await change(n, path, {"amount_cents": amount_cents, "reason": "x"}, key="reused-key")
    assert code(other) == (409, "idempotency_key_reused")


async def test_a_change_needs_a_key_a_contact_and_the_token(shop):
    path = "/v1/orders/TK-40001/resend-tickets"
    no_key = await shop.post(path, headers={"X-Contact-Id": "cust-0001"})
    assert code(no_key) == (400, "missing_idempotency_key")
    no_contact = await shop.post(path, headers={"Idempotency-Key": "key-00000001"})
    assert code(no_contact) == (400, "missing_contact")
    no_token = await shop.post(path, headers={"Authorization": "Bearer wrong"})
    assert code(no_token) == (401, "unauthorized")


async def test_the_journal_names_an_action_that_was_done_twice_by_different_keys(shop, change):
    await change(1, "orders/TK-40001/resend-tickets", key="one-key-0001")
    await change(1, "orders/TK-40001/resend-tickets", key="two-key-0002")
    totals = (await shop.get("/_local/actions")).json()["totals"]
    assert totals["done_twice"] == [{"action": "resend_tickets", "target": "TK-40001", "times_done": 2}]
    assert totals["keys_done_twice"] == []


async def test_invalid_requests_are_refused_without_repeating_what_was_sent(change):
    refused = await change(1, "customers/cust-0001/change-email", {"email": "not an address"})
    assert code(refused) == (400, "invalid_request")
    assert "not an address" not in refused.text
