"""Reading a request body within a bound."""

from __future__ import annotations

from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope


class BodyTooLargeError(Exception):
    """The body is over the bound; the rest of it was not read."""


class NotDeclaredJsonError(Exception):
    """The header Content-Type names something else, or is missing although there is a body."""

    def __init__(self, declared: str) -> None:
        super().__init__(declared)
        self.declared = declared


def declared_length(scope: Scope) -> int | None:
    """The Content-Length, None when there is none (a chunked body) or it is no number."""
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value) if value.isdigit() else None
    return None


def header(scope: Scope, wanted: bytes) -> str | None:
    """The first header of a name given in lower case."""
    for name, value in scope["headers"]:
        if name == wanted:
            return str(value, "latin-1")
    return None


def is_json_type(content_type: str) -> bool:
    """Whether a Content-Type is application/json or a type built on it."""
    main, _, sub = content_type.partition(";")[0].strip().lower().partition("/")
    return main == "application" and (sub == "json" or sub.endswith("+json"))


def has_body(scope: Scope) -> bool:
    """Whether a request's head announces a body."""
    return (declared_length(scope) or 0) > 0 or header(scope, b"transfer-encoding") is not None


async def read_body(scope: Scope, receive: Receive, limit_bytes: int) -> bytes:
    """The whole body.

    Raises:
        BodyTooLargeError: It is declared to be, or turns out to be, over the bound.
        ClientDisconnect: The caller went away.
    """
    declared = declared_length(scope)
    if declared is not None and declared > limit_bytes:
        raise BodyTooLargeError
    chunks: list[bytes] = []
    length = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk = message.get("body", b"")
        length += len(chunk)
        if length > limit_bytes:
            raise BodyTooLargeError
        chunks.append(chunk)
        if not message.get("more_body", False):
            return b"".join(chunks)
