"""The shop's look-ups: what belongs to one customer, and nothing of anyone else."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request

from floodgate_local.shop import views
from floodgate_local.shop.errors import not_found
from floodgate_local.shop.models import (
    Customer,
    EventDates,
    Invoices,
    Order,
    Orders,
    Payments,
    PromoCode,
    Subscription,
    Subscriptions,
)
from floodgate_local.shop.store import Row, ShopStore

router = APIRouter(prefix="/v1", tags=["look-ups"])


def _store(request: Request) -> ShopStore:
    store: ShopStore = request.app.state.store
    return store


Store = Annotated[ShopStore, Depends(_store)]


def _customer(contact_id: str, store: Store) -> Row:
    return _found(store.one("SELECT * FROM customers WHERE contact_id = ?", contact_id))


TheCustomer = Annotated[Row, Depends(_customer)]


def _found(row: Row | None) -> Row:
    if row is None:
        raise not_found()
    return row


@router.get("/customers/{contact_id}")
async def get_customer(customer: TheCustomer) -> Customer:
    return views.customer(customer)


@router.get("/customers/{contact_id}/orders")
async def list_orders(customer: TheCustomer, store: Store) -> Orders:
    rows = store.all(
        "SELECT * FROM orders WHERE contact_id = ? ORDER BY purchased_at DESC, number", customer["contact_id"]
    )
    return Orders(orders=[views.order(row) for row in rows])


@router.get("/customers/{contact_id}/orders/{number}")
async def get_order(number: str, customer: TheCustomer, store: Store) -> Order:
    row = store.one("SELECT * FROM orders WHERE number = ? AND contact_id = ?", number, customer["contact_id"])
    return views.order(_found(row))


@router.get("/customers/{contact_id}/orders/{number}/dates")
async def list_dates(number: str, customer: TheCustomer, store: Store) -> EventDates:
    row = store.one("SELECT * FROM orders WHERE number = ? AND contact_id = ?", number, customer["contact_id"])
    return views.event_dates(_found(row), store.now())


@router.get("/customers/{contact_id}/subscriptions")
async def list_subscriptions(customer: TheCustomer, store: Store) -> Subscriptions:
    rows = store.all("SELECT * FROM subscriptions WHERE contact_id = ? ORDER BY id", customer["contact_id"])
    return Subscriptions(subscriptions=[views.subscription(row) for row in rows])


@router.get("/customers/{contact_id}/subscriptions/{subscription_id}")
async def get_subscription(subscription_id: str, customer: TheCustomer, store: Store) -> Subscription:
    row = store.one(
        "SELECT * FROM subscriptions WHERE id = ? AND contact_id = ?", subscription_id, customer["contact_id"]
    )
    return views.subscription(_found(row))


@router.get("/customers/{contact_id}/payments")
async def list_payments(customer: TheCustomer, store: Store) -> Payments:
    rows = store.all("SELECT * FROM payments WHERE contact_id = ? ORDER BY id", customer["contact_id"])
    return Payments(payments=[views.payment(row) for row in rows])


@router.get("/customers/{contact_id}/invoices")
async def list_invoices(customer: TheCustomer, store: Store) -> Invoices:
    rows = store.all("SELECT * FROM invoices WHERE contact_id = ? ORDER BY number", customer["contact_id"])
    return Invoices(invoices=[views.invoice(row) for row in rows])


@router.get("/promo-codes/{code}")
async def get_promo_code(code: str, store: Store) -> PromoCode:
    return views.promo_code(_found(store.one("SELECT * FROM promo_codes WHERE code = ?", code.upper())))
