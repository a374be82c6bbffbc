"""How long callers wait for an answer, by route."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ingest.http.webhook import PATH as WEBHOOK_PATH
from ingest.telemetry import HTTP_SECONDS

_CONVERSATIONS: Final = "/v1/conversations/"
_ROUTES: Final = {
    WEBHOOK_PATH: "webhook",
    "/v1/messages": "messages",
    "/healthz": "health",
    "/readyz": "health",
}


def route_of(path: str) -> str:
    """The name of a route: one of a few, whatever is called."""
    if path.startswith(_CONVERSATIONS):
        return "close" if path.endswith("/close") else "conversation"
    return _ROUTES.get(path, "other")


class Timed:
    """Observes the time to each answer; a caller who went away before it is not counted.

    Args:
        app: The application behind.
        seconds: A monotonic clock.
    """

    def __init__(self, app: ASGIApp, seconds: Callable[[], float] = time.perf_counter) -> None:
        self._app = app
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = self._seconds()

        async def observed(message: Message) -> None:
            if message["type"] == "http.response.start":
                status_class = f"{message['status'] // 100}xx"
                HTTP_SECONDS.labels(route_of(scope["path"]), status_class).observe(self._seconds() - began)
            await send(message)

        await self._app(scope, receive, observed)
