"""Intercom's failures in the words of the engine. This is the only place that translates them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import httpx
from keyflow.errors import FatalError, PoisonMessageError, RetryableError

_RETRYABLE: Final = frozenset({408, 425, 429})
_RATE_LIMIT_WINDOW_SECONDS: Final = 10.0
WallClock = Callable[[], float]


class IntercomUnavailableError(RetryableError):
    """Intercom could not answer now: throttled, down, slow, or unreachable.

    Attributes:
        maybe_done: The call may have been carried out all the same, so look before sending it again.
        status: The HTTP status, when there was an answer.
    """

    def __init__(
        self,
        message: str,
        retry_after_seconds: float | None = None,
        *,
        maybe_done: bool = False,
        status: int | None = None,
    ) -> None:
        super().__init__(message, retry_after_seconds)
        self.maybe_done = maybe_done
        self.status = status


class IntercomRefusedError(PoisonMessageError):
    """Intercom refuses this call for good: an unknown id, a member that it does not take.

    Attributes:
        status: The HTTP status.
        code: The code of Intercom's first error, `unknown` when it gave none.
    """

    def __init__(self, reason: str, *, status: int, code: str) -> None:
        super().__init__(reason)
        self.status = status
        self.code = code


@contextmanager
def transport_errors(call: str, *, changes_something: bool) -> Iterator[None]:
    """Translates whatever httpx raises around one call.

    Raises:
        IntercomUnavailableError: Always instead of an `httpx.HTTPError`.
        IntercomRefusedError: The URL itself cannot be used.
    """
    try:
        yield
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
        # Nothing was sent yet.
        raise IntercomUnavailableError(f"intercom: {call}: {type(error).__name__}") from error
    except httpx.HTTPError as error:
        message = f"intercom: {call}: {type(error).__name__}"
        raise IntercomUnavailableError(message, maybe_done=changes_something) from error
    except httpx.InvalidURL as error:
        raise IntercomRefusedError(f"intercom: {call}: invalid URL", status=0, code="invalid_url") from error


def raise_for_answer(
    call: str, response: httpx.Response, *, changes_something: bool, wall_clock: WallClock = time.time
) -> None:
    """Raises the engine's error for an answer that is not a success.

    Error codes are Intercom's own closed words; their messages may quote what was sent and are left out.

    Raises:
        FatalError: The token is missing, wrong, or lacks a permission.
        IntercomUnavailableError: Throttled or a server error.
        IntercomRefusedError: Anything else that is not a success.
    """
    status = response.status_code
    if response.is_success:
        return
    code, request_id = _first_error(response)
    said = f"intercom: {call}: {status} {code} (request {request_id})"
    if status in (401, 403):
        raise FatalError(f"{said}; check FLOODGATE_INTERCOM_TOKEN and the permissions of the app")
    if status in _RETRYABLE or status >= 500:
        wait_seconds = retry_after_seconds(response, wall_clock)
        # 429 and 503 are refusals at the door; any other failure may have come after the work was done.
        maybe_done = changes_something and status not in (425, 429, 503)
        raise IntercomUnavailableError(said, wait_seconds, maybe_done=maybe_done, status=status)
    raise IntercomRefusedError(said, status=status, code=code)


def retry_after_seconds(response: httpx.Response, wall_clock: WallClock = time.time) -> float | None:
    """How long Intercom asks us to wait: `Retry-After`, else the end of the rate limit's window."""
    retry_after = _number(response.headers.get("Retry-After"))
    if retry_after is not None:
        return max(0.0, retry_after)
    if response.status_code != 429:
        return None
    reset_at_seconds = _number(response.headers.get("X-RateLimit-Reset"))
    if reset_at_seconds is None:
        return _RATE_LIMIT_WINDOW_SECONDS
    # A clock that is off must not make us wait for hours: the window is ten seconds long.
    return min(max(0.0, reset_at_seconds - wall_clock()), _RATE_LIMIT_WINDOW_SECONDS)


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None


def _first_error(response: httpx.Response) -> tuple[str, str]:
    try:
        body = response.json()
        return _word(body["errors"][0]["code"]), _word(body.get("request_id"))
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        return "unknown", "unknown"


def _word(value: object) -> str:
    """An identifier as it is; anything else could be text of a customer, so it is not repeated."""
    text = str(value)
    plain = text.replace("_", "").replace("-", "").isalnum() and len(text) <= 64
    return text if plain else "unknown"
