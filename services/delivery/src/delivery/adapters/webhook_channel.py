"""A signed webhook: every command as one POST. The receiver tells repeats by the idempotency key."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import httpx
from keyflow.errors import PoisonMessageError, RetryableError

from delivery.domain.commands import Order
from delivery.ports import Fate, Receipt

SIGNATURE_HEADER: Final = "X-Floodgate-Signature"
IDEMPOTENCY_HEADER: Final = "Idempotency-Key"
_RETRYABLE: Final = frozenset({408, 409, 425, 429})


class WebhookChannel:
    """Posts commands to one address. Connects on the first call.

    The body is JSON: `{"event_id", "conversation_id", "channel", "number", "command": {"do", …}}`. It is signed
    as `t=<seconds>,v1=<HMAC-SHA256 of "<seconds>.<body>">`, so that an old request cannot be played again.

    Args:
        url: Where to.
        secret: Signs.
        wall_clock: Seconds since the epoch.
    """

    def __init__(
        self,
        url: str,
        secret: bytes,
        *,
        timeout_seconds: float = 10.0,
        transport: httpx.AsyncBaseTransport | None = None,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._url = url
        self._secret = secret
        self._wall_clock = wall_clock
        self._http = httpx.AsyncClient(transport=transport, timeout=httpx.Timeout(timeout_seconds))

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._http.aclose()

    async def deliver(self, order: Order, *, maybe_repeated: bool) -> Receipt:
        """Posts one command; see `delivery.ports.Channel`."""
        content = {
            "event_id": order.event_id,
            "number": order.number,
            "channel": order.channel,
            "conversation_id": order.conversation_id,
            "command": order.command.model_dump(mode="json"),
        }
        body = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            SIGNATURE_HEADER: signature(self._secret, body, int(self._wall_clock())),
            IDEMPOTENCY_HEADER: order.key,
        }
        with _errors():
            response = await self._http.post(self._url, content=body, headers=headers)
        _raise_for(response)
        return Receipt(Fate.SENT)


def signature(secret: bytes, body: bytes, at_seconds: int) -> str:
    """What the receiver computes again from the raw body."""
    signed = hmac.new(secret, f"{at_seconds}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at_seconds},v1={signed}"


@contextmanager
def _errors() -> Iterator[None]:
    """Translates whatever httpx raises."""
    try:
        yield
    except httpx.InvalidURL as error:
        raise PoisonMessageError("webhook: FLOODGATE_WEBHOOK_URL cannot be used") from error
    except httpx.HTTPError as error:
        raise RetryableError(f"webhook: {type(error).__name__}") from error


def _raise_for(response: httpx.Response) -> None:
    """Raises unless it was taken.

    Raises:
        RetryableError: The receiver could not take it now.
        PoisonMessageError: It refuses it for good.
    """
    if response.is_success:
        return
    if response.status_code in _RETRYABLE or response.status_code >= 500:
        raise RetryableError(f"webhook: {response.status_code}", _retry_after_seconds(response))
    raise PoisonMessageError(f"webhook: {response.status_code}; check FLOODGATE_WEBHOOK_URL and the receiver")


def _retry_after_seconds(response: httpx.Response) -> float | None:
    try:
        return max(0.0, float(response.headers["Retry-After"]))
    except (KeyError, ValueError):
        return None
