"""Puts the stand-in together: store, desk, webhooks, the published calls, and the faults around them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from floodgate_local.http_faults import FaultBook, FaultMiddleware
from floodgate_local.intercom.api import Api
from floodgate_local.intercom.desk import Desk
from floodgate_local.intercom.errors import injected
from floodgate_local.intercom.local import LocalApi
from floodgate_local.intercom.ratelimit import RateLimit
from floodgate_local.intercom.settings import StandInSettings
from floodgate_local.intercom.store import Store
from floodgate_local.intercom.webhooks import Dispatcher

STORE_FILE: Final = "intercom.sqlite"


def create_app(
    settings: StandInSettings,
    *,
    clock: Callable[[], float] = time.time,
    webhook_transport: httpx.AsyncBaseTransport | None = None,
) -> ASGIApp:
    """The whole server; its store is opened and its webhooks begin when it starts."""
    store = Store(settings.state_dir / STORE_FILE)
    secret = settings.client_secret.get_secret_value().encode()
    dispatcher = Dispatcher(store, secret, clock, default_url=settings.webhook_target, transport=webhook_transport)
    desk = Desk(store, dispatcher, clock, settings.screening_team_id)
    limit = RateLimit(settings.rate_limit_per_minute, clock)
    faults = FaultBook()
    local = LocalApi(store, desk, dispatcher, limit, faults)
    api = Api(store, desk, settings.token.get_secret_value(), limit)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        store.open()
        await dispatcher.start()
        timer = asyncio.create_task(_release_overdue(desk, settings.release_after_seconds))
        yield
        timer.cancel()
        await asyncio.gather(timer, return_exceptions=True)
        await dispatcher.stop()
        store.close()

    async def healthz(request: Request) -> Response:
        return JSONResponse({"status": "ok", "conversations": len(store.conversations)})

    routes = [Route("/healthz", healthz), *faults.routes(), *local.routes(), *api.routes()]
    app = Starlette(routes=routes, lifespan=lifespan)
    return FaultMiddleware(app, book=faults, error_response=injected)


async def _release_overdue(desk: Desk, after_seconds: float) -> None:
    while after_seconds > 0:
        await asyncio.sleep(min(1.0, after_seconds))
        desk.release_overdue(after_seconds)
