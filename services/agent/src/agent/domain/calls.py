"""The backend calls that a workflow may name, and what comes back. Nothing else can be called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, Protocol

from keyflow.errors import PoisonMessageError


class CallOutcome(StrEnum):
    """What became of a call.

    UNKNOWN: it was sent, no answer came; a look-up then counts as failed, a change may have been done.
    """

    DONE = "done"
    NOT_FOUND = "not_found"
    REFUSED = "refused"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class CallResult:
    """Answer of a call; `value` holds the declared fields only, `code` the backend's word for a refusal."""

    outcome: CallOutcome
    value: Mapping[str, Any] = field(default_factory=dict)
    code: str = ""


@dataclass(frozen=True, slots=True)
class CallSpec:
    """A declared call.

    Attributes:
        arguments: Name to kind ("text" or "cents").
        fields: What the workflow sees of the answer; anything else is dropped, personal data above all.
        item_fields: For a field that is a list: what is kept of its members.
        changes: Whether it changes something: then it runs as an effect, with an idempotency key.
        amount_argument: For a call that moves money, the argument that says how much.
    """

    name: str
    arguments: Mapping[str, str]
    fields: tuple[str, ...]
    item_fields: tuple[str, ...] = ()
    changes: bool = False
    amount_argument: str | None = None


class NotACustomerError(PoisonMessageError):
    """The person is not a customer whom the channel vouches for, so the backend is not asked about them."""


class Backend(Protocol):
    """Read-only calls. They may be repeated at will."""

    async def look_up(self, call: str, arguments: Mapping[str, str | int], contact_id: str) -> CallResult:
        """Asks the backend on behalf of one person.

        Raises:
            RetryableError: It did not answer, or asked to come back later.
            OutageError: It is down for everyone.
            NotACustomerError: The person cannot be a customer of this backend.
        """
        ...


ORDER_FIELDS: Final = (
    "number",
    "event",
    "venue",
    "event_starts_at",
    "amount_cents",
    "refunded_cents",
    "currency",
    "status",
    "purchased_at",
    "refundable_until",
)
SUBSCRIPTION_FIELDS: Final = ("id", "plan", "status", "renews_at", "ends_at", "price_cents", "currency")

_ALL: Final = (
    CallSpec("list_orders", {}, ("orders",), item_fields=ORDER_FIELDS),
    CallSpec("get_order", {"order_number": "text"}, ORDER_FIELDS),
    CallSpec("list_subscriptions", {}, ("subscriptions",), item_fields=SUBSCRIPTION_FIELDS),
    CallSpec("resend_tickets", {"order_number": "text"}, ("number",), changes=True),
    CallSpec("cancel_subscription", {"subscription_id": "text"}, SUBSCRIPTION_FIELDS, changes=True),
    CallSpec(
        "refund_order",
        {"order_number": "text", "amount_cents": "cents"},
        ("number", "refunded_cents", "currency", "status"),
        changes=True,
        amount_argument="amount_cents",
    ),
)
CALLS: Final[Mapping[str, CallSpec]] = {spec.name: spec for spec in _ALL}


def project(spec: CallSpec, answer: Mapping[str, Any]) -> dict[str, Any]:
    """Keeps the declared fields of an answer and nothing else."""
    return {name: _project_value(spec, answer.get(name)) for name in spec.fields}


def _project_value(spec: CallSpec, value: Any) -> Any:
    if isinstance(value, list) and spec.item_fields:
        return [{name: item.get(name) for name in spec.item_fields} for item in value]
    return value
