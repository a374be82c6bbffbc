"""A handler per version of the catalogue, exchanged while the service runs."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Final, Generic, TypeVar, cast

from keyflow import EffectResult, FailedRecord, Outcome, Record, Tools
from keyflow.types import Handler

S = TypeVar("S")
_Key = tuple[str, int, int] | str

MAX_PINNED: Final = 4_096
"""Records that may wait between two attempts; far more than the engine holds in flight."""


class LiveHandler(Generic[S]):
    """Hands every record to the handler of the active version; exchanging that is one assignment.

    A record belongs to the version that began it: to its end when it is in flight, and also with a later attempt, its
    fallback and its dead letter. Functions that a handler does not have are not asked for: whoever wires passes
    `fallback` and `on_poison` to the engine only where the handlers have them.

    Args:
        version: The version to begin with.
        handler: What was built from it.
    """

    def __init__(self, version: str, handler: Handler[S]) -> None:
        self._version = version
        self._handler = handler
        self._pinned: OrderedDict[_Key, Handler[S]] = OrderedDict()

    @property
    def version(self) -> str:
        """The active version."""
        return self._version

    @property
    def active(self) -> Handler[S]:
        """The handler of the active version."""
        return self._handler

    def exchange(self, version: str, handler: Handler[S]) -> None:
        """Records that begin from now on go to this handler. Call it from the loop that handles records."""
        self._version, self._handler = version, handler

    def versions(self, **others: str) -> Mapping[str, str]:
        """Versions for a dead letter, asked for when it is written."""
        return {"catalogue": self._version, **others}

    async def handle(self, record: Record, state: S | None, tools: Tools) -> Outcome[S]:
        """See `Handler.handle`."""
        key = (record.topic, record.partition, record.offset)
        handler = self._begun(key)
        try:
            return await handler.handle(record, state, tools)
        except BaseException:
            # Also when it is cancelled: what is asked next about this record is its fallback.
            self._pin(key, handler)
            raise

    async def resume(self, result: EffectResult, key: str, state: S | None, tools: Tools) -> Outcome[S]:
        """See `ResumingHandler.resume`."""
        pin = result.effect.idempotency_key
        handler = self._begun(pin)
        try:
            return cast(Outcome[S], await cast(Any, handler).resume(result, key, state, tools))
        except BaseException:
            self._pin(pin, handler)
            raise

    def fallback(self, record: Record, state: S | None, reason: str) -> Outcome[S]:
        """See `Processor.fallback`."""
        handler = self._begun((record.topic, record.partition, record.offset))
        return cast(Outcome[S], cast(Any, handler).fallback(record, state, reason))

    def on_poison(self, failed: FailedRecord, record: Record | None, state: S | None) -> Outcome[S]:
        """See `Processor.on_poison`."""
        known = failed if record is None else record
        handler = self._begun((known.topic, known.partition, known.offset))
        return cast(Outcome[S], cast(Any, handler).on_poison(failed, record, state))

    def _begun(self, key: _Key) -> Handler[S]:
        """The handler that began this; it is held for the time of one attempt."""
        return self._pinned.pop(key, self._handler) if self._pinned else self._handler

    def _pin(self, key: _Key, handler: Handler[S]) -> None:
        self._pinned[key] = handler
        if len(self._pinned) > MAX_PINNED:
            self._pinned.popitem(last=False)
