"""What a processor is made of: records in, outcomes out. No Kafka client is needed to test one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, Generic, NamedTuple, Protocol, TypeVar

Headers = tuple[tuple[str, bytes], ...]
S = TypeVar("S")


# What is made for every record is a tuple: immutable like a frozen dataclass, and made in a quarter of its time.


class Record(NamedTuple):
    """One input record, decoded.

    Attributes:
        topic: Topic it belongs to; for a redriven dead letter the topic that it first came from.
        key: The key as text: records of one key are handled one after the other.
        value: What the processor's `decode` made of the bytes.
        timestamp_ms: Kafka's timestamp, milliseconds since the epoch.
        attempt: 1 on the first try.
    """

    topic: str
    partition: int
    offset: int
    key: str
    value: Any
    headers: Headers = ()
    timestamp_ms: int = 0
    attempt: int = 1


class Emit(NamedTuple):
    """One output record. `value` goes through the processor's `encode`; None is a tombstone."""

    topic: str
    key: str
    value: Any
    headers: Headers = ()


@dataclass(frozen=True, slots=True)
class Effect:
    """Something that shall happen outside, decided now and run after the decision is committed.

    Attributes:
        kind: Which of the processor's effects runs it.
        idempotency_key: Given to the outside with every try, the same after a restart.
        payload: JSON, as it is kept in the changelog until the result is committed.
        expires_at_ms: Milliseconds since the epoch; after this it is not run any more (status "expired").
    """

    kind: str
    idempotency_key: str
    payload: Mapping[str, Any]
    expires_at_ms: int | None = None


@dataclass(frozen=True, slots=True)
class PendingEffect:
    """An effect on its way: what an effect function is called with.

    Attributes:
        maybe_repeated: True after a restart: an earlier process may have run it without committing the result.
    """

    effect: Effect
    key: str
    maybe_repeated: bool = False


@dataclass(frozen=True, slots=True)
class EffectResult:
    """What became of an effect.

    Attributes:
        status: "done", "refused" (the outside said no, for good), "failed" (time budget spent or not to be
            retried) or "expired".
        value: JSON answer of the effect function; for "refused" and "failed" {"error": one line}.
    """

    effect: Effect
    status: str
    value: Mapping[str, Any] = field(default_factory=dict)
    maybe_repeated: bool = False


class _Keep(Enum):
    KEEP = "keep"


KEEP: Final = _Keep.KEEP
"""Outcome.state: leave the state as it is. None deletes it."""


class Outcome(NamedTuple, Generic[S]):
    """What handling one record leads to; committed as one.

    Attributes:
        events: Records to write, in order.
        state: The key's new state, None to delete it, KEEP to leave it.
        effect: What to do outside next; its result comes back to `Handler.resume` before the key's next record.
    """

    events: Sequence[Emit] = ()
    state: S | _Keep | None = KEEP
    effect: Effect | None = None


class Tools(NamedTuple):
    """What the engine lends a handler besides the record.

    Attributes:
        now_ms: Wall clock, milliseconds since the epoch (inject it; do not ask the system).
        remaining_seconds: Time left within the record's budget, monotonic from its first attempt; None: no limit.
        queued: The key's next records, as far as they were fetched and can be read: they will be handled after this
            one, in this order. None where nobody can tell.
    """

    now_ms: Callable[[], int]
    remaining_seconds: Callable[[], float | None]
    queued: Callable[[], Sequence[Record]] | None = None


class Handler(Protocol[S]):
    """The one function of a processor."""

    async def handle(self, record: Record, state: S | None, tools: Tools) -> Outcome[S]:
        """Handles one record; never called twice at once for one key.

        Raises:
            RetryableError: Try again later within the record's budget.
            PoisonMessageError: To the dead letters.
            OutageError: A dependency is down: no dead letter is written because of it.
            FatalError: The process stops.
        """
        ...


class ResumingHandler(Handler[S], Protocol[S]):
    """A handler whose outcomes carry effects."""

    async def resume(self, result: EffectResult, key: str, state: S | None, tools: Tools) -> Outcome[S]:
        """Called with the result of the key's pending effect, before the key's next record."""
        ...


EffectFunction = Callable[[PendingEffect], Awaitable[Mapping[str, Any]]]
"""Runs an effect. PoisonMessageError means refused; RetryableError is retried until the expiry or budget."""


@dataclass(frozen=True, slots=True)
class FailedRecord:
    """A record on its way to the dead letters, with its bytes as they stood."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    raw_key: bytes | None
    raw_value: bytes | None
    headers: Headers
    error_class: str = ""
    error_type: str = ""
    reason: str = ""
    attempts: int = 0
    raw_output: str | None = None


@dataclass(frozen=True, slots=True)
class StateSpec(Generic[S]):
    """A per-key table, kept in memory and in a compacted changelog topic."""

    changelog: str
    encode: Callable[[S], bytes]
    decode: Callable[[bytes], S]
    ttl_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Processor(Generic[S]):
    """Everything the engine needs to know of one service.

    Attributes:
        name: Names the consumer group, the transactional id and the dead letters.
        inputs: Co-partitioned input topics.
        followed: Those of the inputs that have to be up to date: before a record of another input is handled, they
            are read up to where they stood when it was fetched.
        decode: (topic, bytes) to a value; any exception is poison.
        encode: (topic, value) to bytes; any exception is poison of the record being handled.
        dead_letter: Turns a failed record into the record to write.
        on_poison: More outcome of a record that becomes a dead letter: events (an escalation, say) and the key's
            state, but no effect. Gets the failure, the record (None when undecodable) and the key's state.
        budget_seconds: Time budget of a record from its first attempt; then `fallback`, or retries exhausted.
        fallback: Outcome when the budget is spent or a dependency is out; without it an outage pauses.
        redrive_topic: Where dead letters of this processor come back.
        parking: After a record failed, the key's later ones go unhandled to the dead letters, until all were
            redriven in order. For topics where order matters and nobody waits; needs `state` and `redrive_topic`.
        writes_outside: The handler itself writes somewhere (and may do so twice): it cannot be rehearsed.
        outputs: Topics that it writes to, beside its changelog. Needed for one thing alone: to end there what a broker
            has forgotten to end (`Transactions.end_forgotten`).
    """

    name: str
    inputs: Sequence[str]
    handler: Handler[S]
    decode: Callable[[str, bytes], Any]
    encode: Callable[[str, Any], bytes]
    dead_letter: Callable[[FailedRecord], Emit]
    state: StateSpec[S] | None = None
    effects: Mapping[str, EffectFunction] = field(default_factory=dict)
    on_poison: Callable[[FailedRecord, Record | None, S | None], Outcome[S]] | None = None
    fallback: Callable[[Record, S | None, str], Outcome[S]] | None = None
    budget_seconds: float = 120.0
    redrive_topic: str | None = None
    followed: Sequence[str] = ()
    parking: bool = False
    writes_outside: bool = False
    outputs: Sequence[str] = ()
