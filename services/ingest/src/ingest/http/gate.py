"""What stands before the REST API: the API key, then the bound on the body. Nothing is parsed before both."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ingest.http.body import BodyTooLargeError, declared_length, header
from ingest.http.problems import problem, too_large
from ingest.telemetry import REST_REQUESTS

API_KEY_HEADER: Final = "X-API-Key"
_GUARDED: Final = "/v1/"


def is_one_of(given: str | None, keys: Sequence[bytes]) -> bool:
    """Whether a key is among the allowed ones; every allowed one is compared, in constant time."""
    offered = (given or "").encode("latin-1", "replace")
    matches = [hmac.compare_digest(offered, key) for key in keys]
    return any(matches)


class ApiGate:
    """Guards `/v1/`, and bounds every body.

    Args:
        app: The application behind.
        keys: Allowed API keys; none allows nobody.
        max_body_bytes: Longer bodies are refused.
    """

    def __init__(self, app: ASGIApp, keys: Sequence[bytes], max_body_bytes: int) -> None:
        self._app = app
        self._keys = tuple(keys)
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["path"].startswith(_GUARDED) and not is_one_of(
            header(scope, API_KEY_HEADER.lower().encode()), self._keys
        ):
            REST_REQUESTS.labels("any", "401").inc()
            await problem(
                401,
                "bad-api-key",
                f"{API_KEY_HEADER} is missing or not one of the keys of this service.",
                f"Send one of the keys of FLOODGATE_INGEST_API_KEY in the header {API_KEY_HEADER}.",
                headers={"WWW-Authenticate": f'ApiKey header="{API_KEY_HEADER}"'},
            )(scope, receive, send)
            return
        declared = declared_length(scope)
        if declared is not None and declared > self._max_body_bytes:
            await too_large(self._max_body_bytes)(scope, receive, send)
            return
        await self._app(scope, _Bounded(receive, self._max_body_bytes), send)


class _Bounded:
    """Counts a chunked body while it is read; `app.py` turns the error into 413."""

    def __init__(self, receive: Receive, limit_bytes: int) -> None:
        self._receive = receive
        self._left_bytes = limit_bytes

    async def __call__(self) -> Message:
        message = await self._receive()
        self._left_bytes -= len(message.get("body", b""))
        if self._left_bytes < 0:
            raise BodyTooLargeError
        return message
