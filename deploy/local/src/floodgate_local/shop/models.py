"""What the shop says and takes: the bodies of its calls."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Customer(BaseModel):
    contact_id: str
    name: str
    email: str
    language: str
    country: str
    account_status: Literal["active", "frozen"]


class Order(BaseModel):
    number: str
    event: str
    venue: str
    event_starts_at: str
    seats: list[str]
    free_seats: list[str]
    amount_cents: int
    refunded_cents: int
    currency: str
    status: Literal["confirmed", "refunded", "cancelled", "pending"]
    purchased_at: str
    refundable_until: str
    changeable_until: str
    delivery_email: str
    tickets_issued: bool


class Subscription(BaseModel):
    id: str
    plan: str
    status: Literal["active", "cancelled", "paused", "frozen"]
    renews_at: str | None
    ends_at: str | None
    price_cents: int
    currency: str
    promo_code: str | None


class Payment(BaseModel):
    id: str
    order_number: str | None
    subscription_id: str | None
    amount_cents: int
    currency: str
    status: Literal["settled", "pending", "refunded"]
    paid_at: str
    duplicate_of: str | None


class Invoice(BaseModel):
    number: str
    order_number: str | None
    subscription_id: str | None
    amount_cents: int
    currency: str
    issued_at: str


class PromoCode(BaseModel):
    code: str
    percent_off: int
    valid_until: str


class EventDate(BaseModel):
    day: str
    starts_at: str


class EventDates(BaseModel):
    day: str
    dates: list[EventDate]


class Orders(BaseModel):
    orders: list[Order]


class Subscriptions(BaseModel):
    subscriptions: list[Subscription]


class Payments(BaseModel):
    payments: list[Payment]


class Invoices(BaseModel):
    invoices: list[Invoice]


class ChangeDone(BaseModel):
    """The answer to a change; `result` is the object as it stands now."""

    action_id: str
    action: str
    target: str
    done_at: str
    result: dict[str, Any]


class ErrorDetail(BaseModel):
    code: str
    message: str


class Error(BaseModel):
    error: ErrorDetail


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


ShortText = Annotated[str, Field(min_length=1, max_length=500)]


class NoBody(_Body):
    """A change that needs nothing but its target."""


class RefundBody(_Body):
    amount_cents: Annotated[int, Field(gt=0)]
    reason: ShortText


class ChangeSeatBody(_Body):
    from_seat: Annotated[str, Field(min_length=1, max_length=20)]
    to_seat: Annotated[str, Field(min_length=1, max_length=20)]


class ChangeDateBody(_Body):
    day: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]


class CancelBody(_Body):
    reason: ShortText | None = None


class PromoBody(_Body):
    code: Annotated[str, Field(min_length=1, max_length=40)]


class EmailBody(_Body):
    email: Annotated[str, Field(max_length=254, pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")]


class LostItemBody(_Body):
    order_number: Annotated[str, Field(min_length=1, max_length=40)]
    description: ShortText
