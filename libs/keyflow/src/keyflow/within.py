"""A time limit that costs nothing until the awaited coroutine really waits."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Generator
from types import coroutine as generator_coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def within(seconds: float, coroutine: Coroutine[Any, Any, T]) -> T:
    """Awaits the coroutine; like `asyncio.timeout`, whose timer is armed only when there is something to wait for.

    Raises:
        TimeoutError: It took longer; it was cancelled.
    """
    try:
        waited = coroutine.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    return await rest_within(seconds, coroutine, waited)


@generator_coroutine
def rest_within(seconds: float, coroutine: Coroutine[Any, Any, T], waited: Any) -> Generator[Any, Any, T]:
    """Awaits a coroutine that the current task has begun and that waits for something now.

    Args:
        seconds: Time it has left.
        coroutine: Begun by `send(None)`.
        waited: What that gave.

    Raises:
        TimeoutError: It took longer; it was cancelled.
    """
    task = asyncio.current_task()
    assert task is not None
    expired = False

    def expire() -> None:
        nonlocal expired
        expired = True
        task.cancel()

    timer = asyncio.get_running_loop().call_later(seconds, expire)
    try:
        while True:
            try:
                sent = yield waited
            except GeneratorExit:
                coroutine.close()
                raise
            except BaseException as error:  # whatever comes in belongs to the coroutine, cancellation first of all
                waited = coroutine.throw(error)
            else:
                waited = coroutine.send(sent)
    except StopIteration as done:
        if expired:
            task.uncancel()
        result: T = done.value
        return result
    except asyncio.CancelledError as error:
        # More than one request to cancel: somebody else wants this task to end as well.
        if expired and task.uncancel() <= 0:
            raise TimeoutError from error
        raise
    finally:
        timer.cancel()
