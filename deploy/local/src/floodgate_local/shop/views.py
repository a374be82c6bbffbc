"""From the shop's rows to what its calls answer."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, Final

from floodgate_local.shop.models import (
    Customer,
    EventDate,
    EventDates,
    Invoice,
    Order,
    Payment,
    PromoCode,
    Subscription,
)
from floodgate_local.shop.store import Row, days_before, parse_rfc3339

REFUND_DEADLINE_DAYS: Final = 7
CHANGE_DEADLINE_DAYS: Final = 2


def customer(row: Row) -> Customer:
    return Customer.model_validate(dict(row))


def order(row: Row) -> Order:
    fields: dict[str, Any] = dict(row)
    fields.update(
        seats=json.loads(row["seats"]),
        free_seats=json.loads(row["free_seats"]),
        tickets_issued=bool(row["tickets_issued"]),
        refundable_until=days_before(row["event_starts_at"], REFUND_DEADLINE_DAYS),
        changeable_until=days_before(row["event_starts_at"], CHANGE_DEADLINE_DAYS),
    )
    return Order.model_validate(fields)


def event_dates(row: Row, now: datetime) -> EventDates:
    """The day of the order, and the others that are still to come."""
    moments: list[str] = json.loads(row["other_dates"])
    dates = [EventDate(day=_day(moment), starts_at=moment) for moment in moments if parse_rfc3339(moment) > now]
    return EventDates(day=_day(row["event_starts_at"]), dates=dates)


def _day(moment: str) -> str:
    return moment[: len("2026-12-24")]


def subscription(row: Row) -> Subscription:
    return Subscription.model_validate(dict(row))


def payment(row: Row) -> Payment:
    return Payment.model_validate(dict(row))


def invoice(row: Row) -> Invoice:
    return Invoice.model_validate(dict(row))


def promo_code(row: Row) -> PromoCode:
    return PromoCode.model_validate(dict(row))
