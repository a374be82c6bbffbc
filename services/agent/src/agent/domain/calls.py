"""The backend calls that a workflow may name, and what comes back. Nothing else can be called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, Protocol

from keyflow.errors import PoisonMessageError

from agent.domain.types import Kind, read_kind

AMOUNT_OF_THE_STEP: Final = "of the payment"
"""The call takes no amount: what it moves is known from a look-up, and the act names it."""


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
        path: With {places} for arguments; {user} is the verified user's own id.
        arguments: Name to type: "text", "cents", or "theirs" for what identifies something of the user.
        body: Arguments that travel in the body.
        answer: Type of what a workflow sees; anything else is dropped, personal data above all.
        changes: Whether it changes something: then it runs as an effect, with an idempotency key.
        moves: For a call that moves money, the argument that says how much, or `AMOUNT_OF_THE_STEP`.
        refusals: The backend's words for why it may say no.
        undone_by: The call that takes it back.
    """

    name: str
    path: str
    arguments: Mapping[str, str]
    answer: Kind
    body: tuple[str, ...] = ()
    fixed_body: Mapping[str, Any] = field(default_factory=dict)
    changes: bool = False
    moves: str | None = None
    refusals: tuple[str, ...] = ()
    undone_by: str | None = None

    @property
    def fields(self) -> tuple[str, ...]:
        """The names that a workflow sees of the answer."""
        return tuple(self.answer.fields)

    @property
    def amount_argument(self) -> str | None:
        """The argument that says how much money is moved."""
        return None if self.moves == AMOUNT_OF_THE_STEP else self.moves


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


def read_calls(declared: Mapping[str, Any]) -> Mapping[str, CallSpec]:
    """The calls of one backend's declaration.

    Raises:
        ValueError: A type is not declared, or a call names no path.
    """
    known = {name: read_kind(fields, {}) for name, fields in declared["types"].items()}
    return {name: _read_call(name, raw, known) for name, raw in declared["calls"].items()}


def _read_call(name: str, raw: Mapping[str, Any], known: Mapping[str, Kind]) -> CallSpec:
    if ("get" in raw) == ("post" in raw):
        raise ValueError(f"call {name} needs either get or post")
    return CallSpec(
        name=name,
        path=raw.get("get") or raw["post"],
        arguments=raw.get("takes", {}),
        answer=read_kind(raw["answers"], known),
        body=tuple(raw.get("body", ())),
        fixed_body=raw.get("fixed_body", {}),
        changes="post" in raw,
        moves=raw.get("moves_money"),
        refusals=tuple(raw.get("refusals", ())),
        undone_by=raw.get("undone_by"),
    )


def project(spec: CallSpec, answer: Mapping[str, Any]) -> dict[str, Any]:
    """Keeps the declared fields of an answer and nothing else."""
    return {name: _project(kind, answer.get(name)) for name, kind in spec.answer.fields.items()}


def _project(kind: Kind, value: Any) -> Any:
    if isinstance(value, list) and kind.item is not None:
        return [_project(kind.item, item) for item in value]
    if isinstance(value, Mapping):
        return {name: _project(of, value.get(name)) for name, of in kind.fields.items()}
    return value
