"""Waiting that ends when the service does."""

from __future__ import annotations

import asyncio


async def until_stopped(stop: asyncio.Event, seconds: float) -> None:
    """Waits so long, or until `stop` is set."""
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
