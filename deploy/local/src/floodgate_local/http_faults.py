"""Faults that a local HTTP server plays on request, as an ASGI middleware outside the server's own code.

A rule says which requests it strikes and how: before the work is done, after it, or instead of an answer. The
interesting ones are `lost` and `error_after`: the work is done, and the caller never learns it.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, field_validator
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

FaultKind = Literal["error", "drop", "stall", "error_after", "lost", "stall_after"]
ErrorResponse = Callable[[int, float | None], Response]
"""Builds the server's own error answer from a status and the seconds of Retry-After."""


class FaultRule(BaseModel):
    """One fault: which requests it strikes, how often, and what happens to them."""

    model_config = ConfigDict(extra="forbid")

    kind: FaultKind
    method: str | None = None
    path: str | None = None
    times: Annotated[int, Field(ge=0)] | None = None
    probability: Annotated[float, Field(ge=0, le=1)] = 1.0
    seed: int = 0
    status: Annotated[int, Field(ge=400, le=599)] = 503
    seconds: Annotated[float, Field(ge=0, le=600)] = 30.0
    retry_after_seconds: Annotated[float, Field(ge=0)] | None = None
    struck: int = 0
    _random: random.Random = PrivateAttr(default_factory=random.Random)

    @field_validator("path")
    @classmethod
    def _path_is_a_regular_expression(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                re.compile(value)
            except re.error as error:
                raise ValueError(f"path is not a regular expression: {error}") from error
        return value

    def model_post_init(self, context: Any, /) -> None:
        self._random.seed(self.seed)

    def strikes(self, method: str, path: str) -> bool:
        """Whether this request is struck; counts it when it is."""
        if self.times is not None and self.struck >= self.times:
            return False
        if self.method is not None and self.method.upper() != method:
            return False
        if self.path is not None and re.search(self.path, path) is None:
            return False
        if self.probability < 1 and self._random.random() >= self.probability:
            return False
        self.struck += 1
        return True


class FaultBook:
    """The rules in force. The first one that strikes a request decides."""

    def __init__(self) -> None:
        self.rules: list[FaultRule] = []

    def pick(self, method: str, path: str) -> FaultRule | None:
        return next((rule for rule in self.rules if rule.strikes(method, path)), None)

    def routes(self) -> list[Route]:
        """`GET`, `PUT` and `DELETE /_local/faults`."""
        return [Route("/_local/faults", self._handle, methods=["GET", "PUT", "DELETE"])]

    async def _handle(self, request: Request) -> Response:
        if request.method == "DELETE":
            self.rules = []
        elif request.method == "PUT":
            try:
                body = _FaultRules.model_validate_json(await request.body())
            except ValidationError as error:
                problems = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
                return JSONResponse({"problems": problems}, status_code=400)
            self.rules = body.rules
        return JSONResponse({"rules": [rule.model_dump() for rule in self.rules]})


class _FaultRules(BaseModel):
    model_config = ConfigDict(extra="forbid")

    rules: list[FaultRule]


class FaultMiddleware:
    """Outermost ASGI layer: plays the faults of a book; `/_local` and `/healthz` are never struck."""

    def __init__(self, app: ASGIApp, *, book: FaultBook, error_response: ErrorResponse) -> None:
        self._app = app
        self._book = book
        self._error_response = error_response

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(("/_local", "/healthz")):
            await self._app(scope, receive, send)
            return
        rule = self._book.pick(scope["method"], scope["path"])
        if rule is None:
            await self._app(scope, receive, send)
        else:
            await self._play(rule, scope, receive, send)

    async def _play(self, rule: FaultRule, scope: Scope, receive: Receive, send: Send) -> None:
        match rule.kind:
            case "error":
                await _read_whole_body(receive)
                await self._answer_error(rule, scope, receive, send)
            case "drop":
                await _drop_connection(receive, send)
            case "stall":
                # Read first, so that the work is done even when the caller has left by then.
                body = await _read_whole_body(receive)
                await asyncio.sleep(rule.seconds)
                await self._app(scope, _replay(body), send)
            case "error_after":
                await self._app(scope, receive, _swallow)
                await self._answer_error(rule, scope, receive, send)
            case "lost":
                await self._app(scope, receive, _swallow)
                await _drop_connection(receive, send)
            case "stall_after":
                answer: list[Message] = []

                async def hold(message: Message) -> None:
                    answer.append(message)

                await self._app(scope, receive, hold)
                await asyncio.sleep(rule.seconds)
                for message in answer:
                    await send(message)

    async def _answer_error(self, rule: FaultRule, scope: Scope, receive: Receive, send: Send) -> None:
        await self._error_response(rule.status, rule.retry_after_seconds)(scope, receive, send)


async def _swallow(message: Message) -> None:
    """Takes an answer that nobody will see."""


async def _read_whole_body(receive: Receive) -> bytes:
    chunks: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            break
        chunks.append(message.get("body", b""))
        if not message.get("more_body", False):
            break
    return b"".join(chunks)


def _replay(body: bytes) -> Receive:
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        if messages:
            return messages.pop()
        await asyncio.Event().wait()  # the caller's leaving is not told: the work goes on without it
        raise AssertionError("unreachable")

    return receive


async def _drop_connection(receive: Receive, send: Send) -> None:
    """Closes the connection without a byte of an answer.

    ASGI has no word for this, so the transport is taken from uvicorn's request cycle, which owns `send`.

    Raises:
        ConnectionResetError: The server has no transport (an in-process test client, for example).
    """
    transport = getattr(getattr(send, "__self__", None), "transport", None)
    # Asked for what it can do: uvloop's transports are none of asyncio's classes.
    abort = getattr(transport, "abort", None)
    if abort is None:
        raise ConnectionResetError("the fault closes the connection without an answer")
    abort()
    while (await receive())["type"] != "http.disconnect":
        pass
