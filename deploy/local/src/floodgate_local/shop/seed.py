"""The shop's invented customers. The same day gives the same data; the README tells the rules."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from floodgate_local.shop.store import rfc3339

CUSTOMERS: Final = 126
SITUATIONS: Final = (
    "refundable",
    "past_deadline",
    "already_refunded",
    "account_frozen",
    "over_limit",
    "subscriber",
    "cancelled_subscription",
    "duplicate_charge",
    "pending_order",
    "past_event",
    "two_orders",
    "cancelled_event",
)
EXTRA_SITUATIONS: Final = {
    121: "nothing",
    122: "frozen_subscription",
    123: "three_orders",
    124: "ended_subscription",
    125: "half_refunded",
    126: "event_tomorrow",
}
LOCALES: Final = (
    ("nl", "NL"),
    ("fr", "FR"),
    ("es", "ES"),
    ("pl", "PL"),
    ("en", "GB"),
    ("de", "DE"),
    ("it", "IT"),
    ("pt", "PT"),
    ("sv", "SE"),
    ("cs", "CZ"),
)
_NAMES: Final = {
    "nl": (("Sanne", "Bram", "Lotte", "Thijs"), ("Verhoeve", "Dijkgraaf", "Molenkamp")),
    "fr": (("Camille", "Théo", "Margaux", "Bastien"), ("Roussel", "Delorme", "Vasseur")),
    "es": (("Lucía", "Álvaro", "Nerea", "Gonzalo"), ("Cebrián", "Luengo", "Arrieta")),
    "pl": (("Zofia", "Kacper", "Hanna", "Igor"), ("Wilczek", "Borowska", "Lisiecki")),
    "en": (("Imogen", "Rowan", "Tamsin", "Alfie"), ("Thornbury", "Hask", "Pellow")),
    "de": (("Frieda", "Jonas", "Leni", "Moritz"), ("Achterberg", "Sielmann", "Voss")),
    "it": (("Ginevra", "Tommaso", "Ilaria", "Nicolò"), ("Marchetti", "Bellandi", "Fontanesi")),
    "pt": (("Beatriz", "Duarte", "Matilde", "Tiago"), ("Sequeira", "Falcão", "Brandão")),
    "sv": (("Elsa", "Viggo", "Tuva", "Melker"), ("Lindmark", "Söderholm", "Åkerblad")),
    "cs": (("Adéla", "Matouš", "Tereza", "Šimon"), ("Havránek", "Doležalová", "Krejčí")),
}
_EVENTS: Final = (
    ("Nightingale Strings: Winter Tour", "Harbour Hall"),
    ("The Paper Lanterns Live", "Old Tram Depot"),
    ("Comedy on the Quay", "Quayside Theatre"),
    ("Northern Lights Ballet", "Opera House"),
    ("City Derby, Row by Row", "East Stadium"),
)
_SEVERAL_DAYS: Final = frozenset({"Comedy on the Quay", "Northern Lights Ballet"})
_OTHER_DAYS: Final = (1, 2, 7)
"""After the day of the order."""
_MONTHLY: Final = ("Stage Stream Monthly", 1_199)
_YEARLY: Final = ("Stage Stream Yearly", 11_900)


@dataclass(frozen=True)
class _OrderPlan:
    event_in_days: int = 30
    amount_cents: int = 0
    """0: the ordinary price, between 45.00 and 115.00."""
    refunded_cents: int = 0
    status: str = "confirmed"
    charged_twice: bool = False


@dataclass(frozen=True)
class _Plan:
    """What a situation means for one customer."""

    orders: tuple[_OrderPlan, ...] = (_OrderPlan(),)
    account_status: str = "active"
    subscription_status: str | None = "active"
    yearly: bool = False
    renews_in_days: int | None = 9
    ends_in_days: int | None = None


_ORDER: Final = _OrderPlan()
_PLANS: Final[dict[str, _Plan]] = {
    "refundable": _Plan(),
    "past_deadline": _Plan(orders=(replace(_ORDER, event_in_days=3),)),
    "already_refunded": _Plan(orders=(replace(_ORDER, status="refunded"),)),
    "account_frozen": _Plan(account_status="frozen"),
    "over_limit": _Plan(orders=(replace(_ORDER, event_in_days=45, amount_cents=64_000),)),
    "subscriber": _Plan(orders=(replace(_ORDER, event_in_days=20),), yearly=True, renews_in_days=12),
    "cancelled_subscription": _Plan(subscription_status="cancelled", renews_in_days=None, ends_in_days=8),
    "duplicate_charge": _Plan(orders=(replace(_ORDER, charged_twice=True),)),
    "pending_order": _Plan(orders=(replace(_ORDER, status="pending"),)),
    "past_event": _Plan(orders=(replace(_ORDER, event_in_days=-5),)),
    "two_orders": _Plan(orders=(replace(_ORDER, event_in_days=25), replace(_ORDER, event_in_days=60))),
    "cancelled_event": _Plan(
        orders=(replace(_ORDER, status="cancelled"),), subscription_status="paused", renews_in_days=None
    ),
    "nothing": _Plan(orders=(), subscription_status=None),
    "frozen_subscription": _Plan(subscription_status="frozen", renews_in_days=None),
    "three_orders": _Plan(orders=tuple(replace(_ORDER, event_in_days=days) for days in (25, 40, 60))),
    "ended_subscription": _Plan(subscription_status="cancelled", renews_in_days=None, ends_in_days=-3),
    "half_refunded": _Plan(orders=(replace(_ORDER, amount_cents=9_000, refunded_cents=4_500),)),
    "event_tomorrow": _Plan(orders=(replace(_ORDER, event_in_days=1),)),
}


def situation_of(n: int) -> str:
    """The situation of customer n (1 to 126)."""
    return EXTRA_SITUATIONS.get(n) or SITUATIONS[(n - 1) % len(SITUATIONS)]


def locale_of(n: int) -> tuple[str, str]:
    """Language and country of customer n; those beyond the table are British."""
    return ("en", "GB") if n in EXTRA_SITUATIONS else LOCALES[(n - 1) // len(SITUATIONS)]


def seed(connection: sqlite3.Connection, today: date) -> None:
    """Writes all the customers and what is theirs, relative to a day."""
    for n in range(1, CUSTOMERS + 1):
        _Seeder(connection, today, n).write()
    midnight = datetime.combine(today, time(), UTC)
    for code, percent_off, days in (("SPRING20", 20, 60), ("WELCOME10", 10, 365), ("SUMMER25", 25, -30)):
        valid_until = rfc3339(midnight + timedelta(days=days))
        connection.execute("INSERT INTO promo_codes VALUES (?, ?, ?)", (code, percent_off, valid_until))


@dataclass
class _Seeder:
    connection: sqlite3.Connection
    today: date
    n: int
    payments: int = 0
    invoices: int = 0
    plan: _Plan = field(init=False)

    def __post_init__(self) -> None:
        self.plan = _PLANS[situation_of(self.n)]
        self.language, country = locale_of(self.n)
        self.country = country
        self.currency = "GBP" if country == "GB" else "EUR"
        self.contact_id = f"cust-{self.n:04d}"

    def write(self) -> None:
        first_names, last_names = _NAMES[self.language]
        name = f"{first_names[self.n % len(first_names)]} {last_names[self.n // 4 % len(last_names)]}"
        self._insert(
            "customers",
            self.contact_id,
            name,
            f"{self.contact_id}@example.org",
            self.language,
            self.country,
            self.plan.account_status,
        )
        for index, order in enumerate(self.plan.orders):
            self._write_order(index, order)
        if self.plan.subscription_status is not None:
            self._write_subscription(self.plan.subscription_status)

    def _write_order(self, index: int, order: _OrderPlan) -> None:
        number = f"TK-{40_000 + index * 10_000 + self.n}"
        event, venue = _EVENTS[(self.n + index) % len(_EVENTS)]
        seat_row = "ABCDEFGH"[(self.n + index) % 8]
        seats = [f"{seat_row}-{10 + self.n % 20}", f"{seat_row}-{11 + self.n % 20}"][: 1 + self.n % 2]
        amount_cents = order.amount_cents or 4_500 + (self.n * 500 + index * 1_000) % 7_500
        refunded_cents = amount_cents if order.status == "refunded" else order.refunded_cents
        # Bought in this order, so that "the newest purchase first" is the last one written.
        purchased_at = self._moment(-21 + index - 10 * (order.event_in_days < 0), hour=11)
        self._insert(
            "orders",
            number,
            self.contact_id,
            event,
            venue,
            self._moment(order.event_in_days, hour=19),
            json.dumps(seats),
            json.dumps([f"{seat_row}-{seat}" for seat in (2, 4, 6)]),
            amount_cents,
            refunded_cents,
            self.currency,
            order.status,
            purchased_at,
            f"{self.contact_id}@example.org",
            int(order.status != "pending"),
            json.dumps(
                [self._moment(order.event_in_days + days, hour=19) for days in _OTHER_DAYS if event in _SEVERAL_DAYS]
            ),
        )
        self._write_charges(number, order, amount_cents, purchased_at)

    def _write_charges(self, number: str, order: _OrderPlan, amount_cents: int, purchased_at: str) -> None:
        status = {"pending": "pending", "refunded": "refunded", "cancelled": "refunded"}.get(order.status, "settled")
        first = self._write_payment(number, None, amount_cents, status=status, paid_at=purchased_at)
        if order.charged_twice:
            again = rfc3339(datetime.fromisoformat(purchased_at) + timedelta(minutes=3))
            self._write_payment(number, None, amount_cents, status=status, paid_at=again, duplicate_of=first)
        if status != "pending":
            self._write_invoice(number, None, amount_cents, purchased_at)

    def _write_subscription(self, status: str) -> None:
        subscription_id = f"SUB-{20_000 + self.n}"
        plan, price_cents = _YEARLY if self.plan.yearly else _MONTHLY
        renews_in_days, ends_in_days = self.plan.renews_in_days, self.plan.ends_in_days
        self._insert(
            "subscriptions",
            subscription_id,
            self.contact_id,
            plan,
            status,
            None if renews_in_days is None else self._moment(renews_in_days, hour=6),
            None if ends_in_days is None else self._moment(ends_in_days, hour=6),
            price_cents,
            self.currency,
            None,
        )
        paid_at = self._moment(-(353 if self.plan.yearly else 21), hour=6)
        self._write_payment(None, subscription_id, price_cents, status="settled", paid_at=paid_at)
        self._write_invoice(None, subscription_id, price_cents, paid_at)

    def _write_payment(
        self,
        order: str | None,
        subscription: str | None,
        amount_cents: int,
        *,
        status: str,
        paid_at: str,
        duplicate_of: str | None = None,
    ) -> str:
        self.payments += 1
        payment_id = f"PAY-{self.n:04d}-{self.payments}"
        self._insert(
            "payments",
            payment_id,
            self.contact_id,
            order,
            subscription,
            amount_cents,
            self.currency,
            status,
            paid_at,
            duplicate_of,
        )
        return payment_id

    def _write_invoice(self, order: str | None, subscription: str | None, amount: int, issued_at: str) -> None:
        self.invoices += 1
        number = f"INV-{self.n:04d}-{self.invoices}"
        self._insert("invoices", number, self.contact_id, order, subscription, amount, self.currency, issued_at)

    def _moment(self, days: int, *, hour: int) -> str:
        return rfc3339(datetime.combine(self.today + timedelta(days=days), time(hour), UTC))

    def _insert(self, table: str, *values: object) -> None:
        marks = ", ".join("?" * len(values))
        self.connection.execute(f"INSERT INTO {table} VALUES ({marks})", values)  # noqa: S608 - table names are literals
