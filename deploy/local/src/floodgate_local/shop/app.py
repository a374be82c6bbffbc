"""The shop's HTTP API."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Header, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel
from starlette.responses import Response
from starlette.types import ASGIApp

from floodgate_local.http_faults import FaultBook, FaultMiddleware
from floodgate_local.shop import lookups
from floodgate_local.shop.actions import ACTIONS
from floodgate_local.shop.errors import ShopError
from floodgate_local.shop.models import (
    CancelBody,
    ChangeDateBody,
    ChangeDone,
    ChangeSeatBody,
    EmailBody,
    Error,
    LostItemBody,
    NoBody,
    PromoBody,
    RefundBody,
)
from floodgate_local.shop.store import Change, ShopStore

_bearer = HTTPBearer(auto_error=False)
_REFUSALS: dict[int | str, dict[str, Any]] = {status: {"model": Error} for status in (400, 401, 404, 409, 422, 423)}


class Changer:
    """Takes the headers that every change needs, and does the change once."""

    def __init__(
        self,
        request: Request,
        idempotency_key: Annotated[str | None, Header(max_length=255)] = None,
        x_contact_id: Annotated[str | None, Header(max_length=64)] = None,
    ) -> None:
        self._store: ShopStore = request.app.state.store
        self._key = idempotency_key
        self._contact_id = x_contact_id

    def do(self, action: str, target: str, body: BaseModel | None = None) -> Response:
        """Answers with the change's result, or with the answer that its key had before.

        Raises:
            ShopError: A header is missing, or the key belongs to another request.
        """
        if not self._contact_id:
            raise ShopError(400, "missing_contact", "The header X-Contact-Id names the customer who asks.")
        if self._key is None or len(self._key) < 8:
            raise ShopError(400, "missing_idempotency_key", "The header Idempotency-Key needs 8 to 255 characters.")
        arguments = {} if body is None else body.model_dump()
        change = Change(action, target, self._contact_id, self._key, arguments)
        answer = self._store.do_once(change, ACTIONS[action])
        headers = {"Idempotent-Replay": "true"} if answer.replayed else {}
        return JSONResponse(answer.body, answer.status, headers)


Changes = Annotated[Changer, Depends()]
router = APIRouter(prefix="/v1", tags=["changes"], responses=_REFUSALS)


@router.post("/orders/{number}/resend-tickets", response_model=ChangeDone)
async def resend_tickets(number: str, changes: Changes, body: NoBody | None = None) -> Response:
    return changes.do("resend_tickets", number, body)


@router.post("/orders/{number}/refund", response_model=ChangeDone)
async def refund_order(number: str, changes: Changes, body: RefundBody) -> Response:
    return changes.do("refund_order", number, body)


@router.post("/orders/{number}/change-seat", response_model=ChangeDone)
async def change_seat(number: str, changes: Changes, body: ChangeSeatBody) -> Response:
    return changes.do("change_seat", number, body)


@router.post("/orders/{number}/change-date", response_model=ChangeDone)
async def change_date(number: str, changes: Changes, body: ChangeDateBody) -> Response:
    return changes.do("change_date", number, body)


@router.post("/subscriptions/{subscription_id}/cancel", response_model=ChangeDone)
async def cancel_subscription(subscription_id: str, changes: Changes, body: CancelBody | None = None) -> Response:
    return changes.do("cancel_subscription", subscription_id, body)


@router.post("/subscriptions/{subscription_id}/resume", response_model=ChangeDone)
async def resume_subscription(subscription_id: str, changes: Changes, body: NoBody | None = None) -> Response:
    return changes.do("resume_subscription", subscription_id, body)


@router.post("/subscriptions/{subscription_id}/apply-promo", response_model=ChangeDone)
async def apply_promo(subscription_id: str, changes: Changes, body: PromoBody) -> Response:
    return changes.do("apply_promo", subscription_id, body)


@router.post("/payments/{payment_id}/refund-duplicate", response_model=ChangeDone)
async def refund_duplicate(payment_id: str, changes: Changes, body: NoBody | None = None) -> Response:
    return changes.do("refund_duplicate", payment_id, body)


@router.post("/invoices/{number}/send", response_model=ChangeDone)
async def send_invoice(number: str, changes: Changes, body: NoBody | None = None) -> Response:
    return changes.do("send_invoice", number, body)


@router.post("/customers/{contact_id}/change-email", response_model=ChangeDone)
async def change_email(contact_id: str, changes: Changes, body: EmailBody) -> Response:
    return changes.do("change_email", contact_id, body)


@router.post("/customers/{contact_id}/reset-sign-in", response_model=ChangeDone)
async def reset_sign_in(contact_id: str, changes: Changes, body: NoBody | None = None) -> Response:
    return changes.do("reset_sign_in", contact_id, body)


@router.post("/customers/{contact_id}/lost-items", response_model=ChangeDone)
async def report_lost_item(contact_id: str, changes: Changes, body: LostItemBody) -> Response:
    return changes.do("report_lost_item", contact_id, body)


local_router = APIRouter(prefix="/_local", tags=["local"])


@local_router.get("/actions")
async def list_actions(request: Request) -> dict[str, Any]:
    store: ShopStore = request.app.state.store
    return store.journal()


@local_router.post("/reset")
async def reset(request: Request) -> dict[str, str]:
    store: ShopStore = request.app.state.store
    book: FaultBook = request.app.state.faults
    store.reset()
    book.rules = []
    return {"status": "reset"}


async def _require_token(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> None:
    given = credentials.credentials if credentials else ""
    if not secrets.compare_digest(given.encode(), request.app.state.token.encode()):
        raise ShopError(401, "unauthorized", "The bearer token is missing or wrong.")


async def _answer_refusal(request: Request, error: Exception) -> Response:
    assert isinstance(error, ShopError)
    return JSONResponse(error.body(), error.status)


async def _answer_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    problems = "; ".join(f"{'.'.join(str(part) for part in e['loc'])}: {e['msg']}" for e in error.errors())
    return JSONResponse(ShopError(400, "invalid_request", problems).body(), 400)


def _injected_error(status: int, retry_after_seconds: float | None) -> Response:
    headers = {} if retry_after_seconds is None else {"Retry-After": f"{retry_after_seconds:g}"}
    body = ShopError(status, "unavailable", "The shop cannot answer at the moment.").body()
    return JSONResponse(body, status, headers)


def create_app(store: ShopStore, token: str) -> ASGIApp:
    """The whole server: the API inside, the faults around it. The store is opened when the server starts."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        store.open()
        yield
        store.close()

    app = FastAPI(title="Shop", version="1", lifespan=lifespan)
    app.state.store = store
    app.state.token = token
    app.state.faults = FaultBook()
    authorised = [Depends(_require_token)]
    app.include_router(lookups.router, dependencies=authorised, responses=_REFUSALS)
    app.include_router(router, dependencies=authorised)
    app.include_router(local_router)
    app.router.routes.extend(app.state.faults.routes())
    app.add_exception_handler(ShopError, _answer_refusal)
    app.add_exception_handler(RequestValidationError, _answer_invalid)

    @app.get("/healthz", tags=["local"])
    async def healthz() -> dict[str, str]:
        store.one("SELECT 1")
        return {"status": "ok"}

    return FaultMiddleware(app, book=app.state.faults, error_response=_injected_error)
