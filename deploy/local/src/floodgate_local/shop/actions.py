"""What the shop does, and when it refuses: one function per change, each inside the change's transaction."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any, Final

from floodgate_local.shop import views
from floodgate_local.shop.errors import ShopError, not_found
from floodgate_local.shop.models import Order
from floodgate_local.shop.store import Action, Books, Row, parse_rfc3339, rfc3339

REFUND_LIMIT_CENTS: Final = 50_000
"""More than this is never paid back over the API; a person does it in the back office."""


def resend_tickets(books: Books) -> dict[str, Any]:
    _active_customer(books)
    order = views.order(_order(books))
    _refuse_cancelled(order)
    if order.status == "refunded":
        raise ShopError(409, "already_refunded", "The order was paid back, so its tickets are void.")
    if not order.tickets_issued:
        raise ShopError(409, "tickets_not_issued", "The payment is pending; the tickets are not issued yet.")
    if books.now >= parse_rfc3339(order.event_starts_at):
        raise ShopError(422, "event_over", "The event has begun or is over.")
    books.record_effect(seats=len(order.seats))
    return order.model_dump()


def refund_order(books: Books) -> dict[str, Any]:
    _active_customer(books)
    order = views.order(_order(books))
    amount_cents: int = books.change.arguments["amount_cents"]
    _refuse_cancelled(order)
    if order.status == "refunded":
        raise ShopError(409, "already_refunded", "The order was paid back already.")
    if order.status == "pending":
        raise ShopError(409, "order_pending", "The payment is pending; there is nothing to pay back yet.")
    if books.now > parse_rfc3339(order.refundable_until):
        raise ShopError(422, "past_deadline", "The time in which the order could be paid back is over.")
    if amount_cents > order.amount_cents - order.refunded_cents:
        raise ShopError(422, "amount_exceeds_paid", "The amount is more than what was paid and not paid back.")
    if amount_cents > REFUND_LIMIT_CENTS:
        raise ShopError(422, "amount_over_limit", "The amount is over the limit for refunds without a person.")
    refunded_cents = order.refunded_cents + amount_cents
    status = "refunded" if refunded_cents == order.amount_cents else order.status
    books.write(
        "UPDATE orders SET refunded_cents = ?, status = ? WHERE number = ?",
        refunded_cents,
        status,
        order.number,
    )
    if status == "refunded":
        books.write("UPDATE payments SET status = 'refunded' WHERE order_number = ?", order.number)
    books.record_effect(amount_cents=amount_cents)
    return views.order(_order(books)).model_dump()


def change_seat(books: Books) -> dict[str, Any]:
    order = _changeable(books)
    from_seat: str = books.change.arguments["from_seat"]
    to_seat: str = books.change.arguments["to_seat"]
    if from_seat not in order.seats:
        raise ShopError(422, "seat_not_theirs", "The seat to give up is not one of this order.")
    if to_seat not in order.free_seats:
        raise ShopError(409, "seat_taken", "The wanted seat is not free.")
    books.write(
        "UPDATE orders SET seats = ?, free_seats = ? WHERE number = ?",
        json.dumps([to_seat if seat == from_seat else seat for seat in order.seats]),
        json.dumps([from_seat if seat == to_seat else seat for seat in order.free_seats]),
        order.number,
    )
    books.record_effect(from_seat=from_seat, to_seat=to_seat)
    return views.order(_order(books)).model_dump()


def change_date(books: Books) -> dict[str, Any]:
    order = _changeable(books)
    row = _order(books)
    wanted = {date.day: date.starts_at for date in views.event_dates(row, books.now).dates}
    day: str = books.change.arguments["day"]
    if day not in wanted:
        raise ShopError(409, "date_not_available", "The event does not play that day, or is sold out then.")
    others = [order.event_starts_at if at == wanted[day] else at for at in json.loads(row["other_dates"])]
    books.write(
        "UPDATE orders SET event_starts_at = ?, other_dates = ? WHERE number = ?",
        wanted[day],
        json.dumps(sorted(others)),
        order.number,
    )
    books.record_effect(day=day)
    return views.order(_order(books)).model_dump()


def cancel_subscription(books: Books) -> dict[str, Any]:
    _active_customer(books)
    subscription = views.subscription(_subscription(books))
    if subscription.status == "cancelled":
        raise ShopError(409, "already_cancelled", "The subscription is cancelled already.")
    _refuse_frozen_subscription(subscription.status)
    # A paused subscription has no renewal: it ends at once.
    ends_at = subscription.renews_at or rfc3339(books.now)
    books.write(
        "UPDATE subscriptions SET status = 'cancelled', renews_at = NULL, ends_at = ? WHERE id = ?",
        ends_at,
        subscription.id,
    )
    books.record_effect()
    return views.subscription(_subscription(books)).model_dump()


def resume_subscription(books: Books) -> dict[str, Any]:
    _active_customer(books)
    subscription = views.subscription(_subscription(books))
    _refuse_frozen_subscription(subscription.status)
    if subscription.status == "active":
        raise ShopError(409, "not_cancelled", "The subscription is active; there is nothing to resume.")
    ends_at = subscription.ends_at
    if subscription.status == "cancelled" and (ends_at is None or books.now >= parse_rfc3339(ends_at)):
        raise ShopError(422, "subscription_ended", "The subscription has ended; it takes a new one.")
    # What was paid for goes on to its end; a pause has no end, so a new month begins.
    renews_at = ends_at or rfc3339(books.now + timedelta(days=30))
    books.write(
        "UPDATE subscriptions SET status = 'active', renews_at = ?, ends_at = NULL WHERE id = ?",
        renews_at,
        subscription.id,
    )
    books.record_effect()
    return views.subscription(_subscription(books)).model_dump()


def apply_promo(books: Books) -> dict[str, Any]:
    _active_customer(books)
    subscription = views.subscription(_subscription(books))
    code = str(books.change.arguments["code"]).strip().upper()
    _refuse_frozen_subscription(subscription.status)
    if subscription.status == "cancelled":
        raise ShopError(409, "already_cancelled", "The subscription is cancelled; it has no next renewal.")
    if subscription.promo_code is not None:
        raise ShopError(409, "promo_already_applied", "A promo code waits for the next renewal already.")
    promo = books.one("SELECT * FROM promo_codes WHERE code = ?", code)
    if promo is None:
        raise ShopError(422, "promo_unknown", "There is no such promo code.")
    if books.now > parse_rfc3339(promo["valid_until"]):
        raise ShopError(422, "promo_expired", "The promo code has expired.")
    books.write("UPDATE subscriptions SET promo_code = ? WHERE id = ?", code, subscription.id)
    books.record_effect(percent_off=promo["percent_off"])
    return views.subscription(_subscription(books)).model_dump()


def refund_duplicate(books: Books) -> dict[str, Any]:
    _active_customer(books)
    payment = views.payment(_theirs(books, "SELECT * FROM payments WHERE id = ? AND contact_id = ?"))
    if payment.status == "refunded":
        raise ShopError(409, "already_refunded", "The payment was paid back already.")
    if payment.duplicate_of is None:
        raise ShopError(409, "not_a_duplicate", "The payment is not a double charge.")
    books.write("UPDATE payments SET status = 'refunded' WHERE id = ?", payment.id)
    books.record_effect(amount_cents=payment.amount_cents)
    return {**payment.model_dump(), "status": "refunded"}


def send_invoice(books: Books) -> dict[str, Any]:
    _active_customer(books)
    invoice = views.invoice(_theirs(books, "SELECT * FROM invoices WHERE number = ? AND contact_id = ?"))
    books.record_effect()
    return invoice.model_dump()


def change_email(books: Books) -> dict[str, Any]:
    customer = _active_customer(books)
    _refuse_other_account(books)
    email = str(books.change.arguments["email"]).lower()
    if email == customer["email"].lower():
        raise ShopError(409, "same_email", "This is the account's e-mail already.")
    if books.one("SELECT 1 FROM customers WHERE lower(email) = ?", email) is not None:
        raise ShopError(409, "email_not_usable", "The e-mail cannot be used for this account.")
    books.write("UPDATE customers SET email = ? WHERE contact_id = ?", email, customer["contact_id"])
    books.record_effect()
    return views.customer(_active_customer(books)).model_dump()


def reset_sign_in(books: Books) -> dict[str, Any]:
    customer = _active_customer(books)
    _refuse_other_account(books)
    books.record_effect()
    return views.customer(customer).model_dump()


def report_lost_item(books: Books) -> dict[str, Any]:
    customer = _active_customer(books)
    _refuse_other_account(books)
    number = str(books.change.arguments["order_number"])
    row = books.one("SELECT * FROM orders WHERE number = ? AND contact_id = ?", number, customer["contact_id"])
    if row is None:
        raise not_found()
    if books.now < parse_rfc3339(row["event_starts_at"]):
        raise ShopError(422, "event_not_over", "The event has not begun, so nothing can be lost there.")
    books.record_effect(order_number=number)
    return {"order_number": number, "venue": row["venue"], "status": "reported"}


ACTIONS: Final[dict[str, Action]] = {
    "resend_tickets": resend_tickets,
    "refund_order": refund_order,
    "change_seat": change_seat,
    "change_date": change_date,
    "cancel_subscription": cancel_subscription,
    "resume_subscription": resume_subscription,
    "apply_promo": apply_promo,
    "refund_duplicate": refund_duplicate,
    "send_invoice": send_invoice,
    "change_email": change_email,
    "reset_sign_in": reset_sign_in,
    "report_lost_item": report_lost_item,
}


def _active_customer(books: Books) -> Row:
    row = books.one("SELECT * FROM customers WHERE contact_id = ?", books.change.contact_id)
    if row is None:
        raise not_found()
    if row["account_status"] == "frozen":
        raise ShopError(423, "account_frozen", "The account is frozen; nothing can be changed.")
    return row


def _theirs(books: Books, sql: str) -> Row:
    row = books.one(sql, books.change.target, books.change.contact_id)
    if row is None:
        raise not_found()
    return row


def _order(books: Books) -> Row:
    return _theirs(books, "SELECT * FROM orders WHERE number = ? AND contact_id = ?")


def _changeable(books: Books) -> Order:
    """An order whose seat or day can still be exchanged."""
    _active_customer(books)
    order = views.order(_order(books))
    _refuse_cancelled(order)
    if order.status == "refunded":
        raise ShopError(409, "already_refunded", "The order was paid back, so its seats are given away.")
    if order.status == "pending":
        raise ShopError(409, "order_pending", "The payment is pending; no seat is booked yet.")
    if books.now > parse_rfc3339(order.changeable_until):
        raise ShopError(422, "past_deadline", "The time in which seat or day could be changed is over.")
    return order


def _subscription(books: Books) -> Row:
    return _theirs(books, "SELECT * FROM subscriptions WHERE id = ? AND contact_id = ?")


def _refuse_other_account(books: Books) -> None:
    if books.change.target != books.change.contact_id:
        raise not_found()


def _refuse_cancelled(order: Order) -> None:
    if order.status == "cancelled":
        raise ShopError(409, "order_cancelled", "The order was cancelled.")


def _refuse_frozen_subscription(status: str) -> None:
    if status == "frozen":
        raise ShopError(423, "subscription_frozen", "The subscription is frozen until it is paid.")
