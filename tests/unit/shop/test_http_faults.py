"""Faults strike before or after the work, and the journal tells which."""

import pytest


async def set_faults(shop, *rules):
    answer = await shop.put("/_local/faults", json={"rules": list(rules)})
    assert answer.status_code == 200, answer.text


async def done(shop) -> int:
    return (await shop.get("/_local/actions")).json()["totals"]["done"]


async def test_an_error_before_the_work_leaves_it_undone(shop, change):
    await set_faults(shop, {"kind": "error", "path": "resend", "times": 1, "retry_after_seconds": 2})
    answer = await change(1, "orders/TK-40001/resend-tickets", key="key-before")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
    assert await done(shop) == 0
    assert (await change(1, "orders/TK-40001/resend-tickets", key="key-before")).status_code == 200
    assert await done(shop) == 1


@pytest.mark.parametrize("kind", ["error_after", "lost"])
async def test_work_that_was_done_but_not_answered_is_not_done_again_under_its_key(shop, change, kind):
    await set_faults(shop, {"kind": kind, "path": "refund", "times": 1})
    body = {"amount_cents": 1_000, "reason": "x"}
    if kind == "lost":
        with pytest.raises(ConnectionResetError):
            await change(1, "orders/TK-40001/refund", body, key="key-lost-1")
    else:
        assert (await change(1, "orders/TK-40001/refund", body, key="key-lost-1")).status_code == 503
    assert await done(shop) == 1
    again = await change(1, "orders/TK-40001/refund", body, key="key-lost-1")
    assert again.headers["Idempotent-Replay"] == "true"
    assert again.json()["result"]["refunded_cents"] == 1_000
    assert await done(shop) == 1


async def test_a_dropped_connection_leaves_the_work_undone(shop, change):
    await set_faults(shop, {"kind": "drop", "method": "POST", "times": 1})
    with pytest.raises(ConnectionResetError):
        await change(1, "orders/TK-40001/resend-tickets")
    assert await done(shop) == 0


@pytest.mark.parametrize("kind", ["stall", "stall_after"])
async def test_a_stall_answers_in_the_end(shop, change, kind):
    await set_faults(shop, {"kind": kind, "times": 1, "seconds": 0})
    assert (await change(1, "orders/TK-40001/resend-tickets")).status_code == 200
    assert await done(shop) == 1


async def test_a_probability_strikes_the_same_requests_for_the_same_seed(shop):
    async def strikes() -> list[int]:
        await set_faults(shop, {"kind": "error", "probability": 0.5, "seed": 7})
        return [(await shop.get("/v1/customers/cust-0001")).status_code for _ in range(20)]

    first = await strikes()
    assert set(first) == {200, 503}
    assert await strikes() == first


@pytest.mark.parametrize(
    "rule",
    [{"kind": "fire"}, {"kind": "error", "path": "("}, {"kind": "error", "status": 200}, {"kind": "error", "x": 1}],
)
async def test_a_rule_that_means_nothing_is_refused(shop, rule):
    assert (await shop.put("/_local/faults", json={"rules": [rule]})).status_code == 400


async def test_faults_never_strike_the_servers_own_calls_and_can_be_cleared(shop):
    await set_faults(shop, {"kind": "error"})
    assert (await shop.get("/healthz")).status_code == 200
    assert (await shop.get("/v1/customers/cust-0001")).status_code == 503
    assert (await shop.get("/_local/faults")).json()["rules"][0]["struck"] == 1
    await shop.delete("/_local/faults")
    assert (await shop.get("/v1/customers/cust-0001")).status_code == 200
