"""Whatever is asked of the shop, in whatever order and however often, its books stay right."""

from collections import Counter
from datetime import UTC, date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from floodgate_local.shop.actions import ACTIONS
from floodgate_local.shop.errors import ShopError
from floodgate_local.shop.seed import seed
from floodgate_local.shop.store import Answer, Change, ShopStore
from hypothesis import given, settings
from hypothesis import strategies as st

KEYS = st.integers(0, 7).map(lambda n: f"key-{n:08d}")
CONTACTS = st.sampled_from(["cust-0001", "cust-0008", "cust-0011", "cust-0125", "cust-9999"])
ORDERS = st.sampled_from(["TK-40001", "TK-40008", "TK-40011", "TK-50011", "TK-40125"])
REFUNDS = st.builds(
    lambda target, contact, key, cents: Change(
        "refund_order", target, contact, key, {"amount_cents": cents, "reason": "x"}
    ),
    ORDERS,
    CONTACTS,
    KEYS,
    st.integers(1, 12_000),
)
RESENDS = st.builds(lambda t, c, k: Change("resend_tickets", t, c, k, {}), ORDERS, CONTACTS, KEYS)
SUBSCRIPTIONS = st.builds(
    lambda action, target, contact, key: Change(action, target, contact, key, {}),
    st.sampled_from(["cancel_subscription", "resume_subscription"]),
    st.sampled_from(["SUB-20001", "SUB-20008"]),
    CONTACTS,
    KEYS,
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(REFUNDS, RESENDS, SUBSCRIPTIONS), max_size=40))
def test_no_key_acts_twice_no_order_is_overpaid_and_nobody_touches_what_is_not_theirs(changes):
    with TemporaryDirectory() as folder:
        now = datetime(2026, 11, 22, 12, tzinfo=UTC)
        store = ShopStore(Path(folder) / "shop.sqlite", today=date(2026, 11, 22), seeder=seed, clock=lambda: now)
        store.open()
        answers: dict[str, object] = {}
        for change in changes:
            answer = ask(store, change)
            if answer is None:
                continue
            assert answers.setdefault(change.idempotency_key, answer.body) == answer.body
        check_books(store)
        store.close()


def ask(store: ShopStore, change: Change) -> Answer | None:
    """The shop's answer; None when the key belongs to another request."""
    try:
        return store.do_once(change, ACTIONS[change.action])
    except ShopError as refusal:
        if refusal.code == "idempotency_key_reused":
            return None
        raise


def check_books(store: ShopStore) -> None:
    assert all(row["refunded_cents"] <= row["amount_cents"] for row in store.all("SELECT * FROM orders"))
    for order in store.all("SELECT * FROM orders WHERE status = 'refunded'"):
        assert order["refunded_cents"] == order["amount_cents"]
    owners = {row["number"]: row["contact_id"] for row in store.all("SELECT number, contact_id FROM orders")}
    owners |= {row["id"]: row["contact_id"] for row in store.all("SELECT id, contact_id FROM subscriptions")}
    effects = Counter(row["idempotency_key"] for row in store.all("SELECT idempotency_key FROM effects"))
    for action in store.journal()["actions"]:
        assert effects[action["idempotency_key"]] == (action["outcome"] == "done")
        if action["outcome"] == "done":
            assert owners[action["target"]] == action["contact_id"]
