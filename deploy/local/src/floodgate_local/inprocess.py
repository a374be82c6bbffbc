"""A local server without a socket: for tests, and for whoever wants to speak to one inside the same process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from starlette.types import ASGIApp, Message, Scope


@asynccontextmanager
async def serving(app: ASGIApp) -> AsyncIterator[httpx.ASGITransport]:
    """Runs the start and the end of an ASGI application around a transport that reaches it.

    Raises:
        RuntimeError: The application did not start.
    """
    to_app: asyncio.Queue[Message] = asyncio.Queue()
    from_app: asyncio.Queue[Message] = asyncio.Queue()
    scope: Scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": {}}
    task = asyncio.ensure_future(_run(app, scope, to_app, from_app))
    to_app.put_nowait({"type": "lifespan.startup"})
    started = await from_app.get()
    if started["type"] != "lifespan.startup.complete":
        await task
        raise RuntimeError(f"the application did not start: {started.get('message', '')}")
    try:
        yield httpx.ASGITransport(app=app)
    finally:
        to_app.put_nowait({"type": "lifespan.shutdown"})
        await task


async def _run(
    app: ASGIApp,
    scope: Scope,
    to_app: asyncio.Queue[Message],
    from_app: asyncio.Queue[Message],
) -> None:
    await app(scope, to_app.get, from_app.put)
