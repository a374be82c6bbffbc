"""The shop over HTTP: look-ups inside a handler, changes as effects. The only place that knows a customer's id."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import quote

import httpx
from floodgate.events import Pseudonyms
from keyflow import PendingEffect
from keyflow.errors import FatalError, PoisonMessageError, RetryableError

from agent.backends.declared import CALLS, SHOP
from agent.domain.calls import CallOutcome, CallResult, CallSpec, NotACustomerError, project
from agent.settings import ShopSettings

CUSTOMERS: Final = "customer"
"""The namespace of ids that the channel vouches for."""

_RETRYABLE: Final = frozenset({408, 425, 429})
_REFUSALS: Final = frozenset({409, 422, 423})

USER_HEADER: Final = str(SHOP["user_header"])
KEY_HEADER: Final = str(SHOP["idempotency_header"])


class ShopHttp:
    """Speaks the shop's API. Connects on the first call.

    Args:
        settings: Where the shop is.
        pseudonyms: Takes a contact_id back to the customer's id, here and nowhere else.
    """

    def __init__(
        self, settings: ShopSettings, pseudonyms: Pseudonyms, *, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._pseudonyms = pseudonyms
        self._http = httpx.AsyncClient(
            base_url=settings.base_url.rstrip("/"),
            transport=transport,
            timeout=httpx.Timeout(settings.timeout_seconds),
            limits=httpx.Limits(max_connections=settings.max_connections),
            headers={"Authorization": f"Bearer {settings.token.get_secret_value()}", "Accept": "application/json"},
        )

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._http.aclose()

    async def look_up(self, call: str, arguments: Mapping[str, str | int], contact_id: str) -> CallResult:
        """Asks on behalf of one customer. What is not theirs is not found.

        Raises:
            RetryableError: The shop did not answer, or asked to come back later.
            NotACustomerError: The contact is not a customer whom the channel vouches for.
            FatalError: The token is not accepted.
        """
        path = _path(CALLS[call].path, {**arguments, "user": self._customer(contact_id)})
        with _errors(call):
            response = await self._http.get(path)
        return _interpret(CALLS[call], response)

    async def change(self, pending: PendingEffect) -> Mapping[str, Any]:
        """Runs an action. The idempotency key makes every repeat harmless, so time-outs are simply tried again.

        Returns:
            `{"outcome", "code", "value"}`; a refusal is an answer like any other.

        Raises:
            RetryableError: No answer: whether it was done is not known until a repeat says so.
            NotACustomerError: The contact is not a customer.
            FatalError: The token is not accepted.
        """
        payload = pending.effect.payload
        call, arguments = str(payload["call"]), dict(payload["arguments"])
        spec, customer = CALLS[call], self._customer(str(payload["contact_id"]))
        headers = {USER_HEADER: customer, KEY_HEADER: pending.effect.idempotency_key}
        body = {**spec.fixed_body, **{name: arguments[name] for name in spec.body}}
        path = _path(spec.path, {**arguments, "user": customer})
        with _errors(call):
            response = await self._http.post(path, json=body, headers=headers)
        result = _interpret(CALLS[call], response)
        return {"outcome": str(result.outcome), "code": result.code, "value": dict(result.value)}

    def _customer(self, contact_id: str) -> str:
        try:
            namespace, customer_id = self._pseudonyms.reveal(contact_id)
        except ValueError as error:
            raise NotACustomerError(str(error)) from error
        if namespace != CUSTOMERS:
            raise NotACustomerError(f"the contact comes from {namespace!r} and is not a verified customer")
        return customer_id


def _path(template: str, values: Mapping[str, str | int]) -> str:
    return template.format_map({name: quote(str(value), safe="") for name, value in values.items()})


@contextmanager
def _errors(call: str) -> Iterator[None]:
    """Translates whatever httpx raises around one call; the URL stays out, it holds a customer's id."""
    try:
        yield
    except httpx.HTTPError as error:
        raise RetryableError(f"shop: {call}: {type(error).__name__}") from error


def _interpret(spec: CallSpec, response: httpx.Response) -> CallResult:
    """What an answer means.

    Raises:
        RetryableError: The shop could not answer now.
        FatalError: The token is not accepted.
        PoisonMessageError: The shop calls the request itself wrong.
    """
    status = response.status_code
    if status == httpx.codes.OK:
        return CallResult(CallOutcome.DONE, project(spec, _content(spec, response)))
    if status in (401, 403):
        raise FatalError(f"shop: {spec.name}: {status}; check FLOODGATE_SHOP_TOKEN")
    if status in _RETRYABLE or status >= 500:
        raise RetryableError(f"shop: {spec.name}: {status}", _retry_after_seconds(response))
    if status == httpx.codes.NOT_FOUND:
        return CallResult(CallOutcome.NOT_FOUND, code="not_found")
    if status in _REFUSALS:
        return CallResult(CallOutcome.REFUSED, code=_code(response))
    raise PoisonMessageError(f"shop: {spec.name}: {status} {_code(response)}")


def _content(spec: CallSpec, response: httpx.Response) -> Mapping[str, Any]:
    try:
        answer = response.json()
        content = answer["result"] if spec.changes else answer
    except (ValueError, KeyError, TypeError) as error:
        raise RetryableError(f"shop: {spec.name}: the answer cannot be read") from error
    if not isinstance(content, Mapping):
        raise RetryableError(f"shop: {spec.name}: the answer cannot be read")
    return content


def _code(response: httpx.Response) -> str:
    """The shop's own closed word; anything else could be text of a customer."""
    try:
        code = str(response.json()["error"]["code"])
    except (ValueError, KeyError, TypeError):
        return "unknown"
    return code if code.replace("_", "").isalnum() and len(code) <= 64 else "unknown"


def _retry_after_seconds(response: httpx.Response) -> float | None:
    try:
        return max(0.0, float(response.headers["Retry-After"]))
    except (KeyError, ValueError):
        return None
