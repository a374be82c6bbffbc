"""What is called around a handler can fail too: decoders and encoders whose registry is down, fallbacks."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from keyflow import (
    Effect,
    EffectResult,
    Emit,
    OutageError,
    Outcome,
    Processor,
    Record,
    RetryableError,
    StateSpec,
    Tools,
)
from keyflow.breaker import CircuitBreaker
from keyflow.retry import Backoff
from keyflow.runner import RecordRunner
from keyflow.table import Table
from keyflow.work import Assignment, Finished, Item

STATE: StateSpec[int] = StateSpec("changelog", lambda count: str(count).encode(), int)
AT_ONCE = Backoff(base_seconds=0.0, cap_seconds=0.0)


class Twice:
    """Fails the first two times."""

    def __init__(self, function: Any) -> None:
        self._function = function
        self.calls = 0

    def __call__(self, topic: str, value: Any) -> Any:
        self.calls += 1
        if self.calls <= 2:
            raise RetryableError("the schema registry cannot be reached")
        return self._function(value)


class Handler:
    def __init__(self, effect: Effect | None = None, error: Exception | None = None) -> None:
        self.handled = 0
        self._effect = effect
        self._error = error

    async def handle(self, record: Record, state: int | None, tools: Tools) -> Outcome[int]:
        self.handled += 1
        if self._error is not None:
            raise self._error
        return Outcome([Emit("out", record.key, record.value)], (state or 0) + 1, self._effect)

    async def resume(self, result: EffectResult, key: str, state: int | None, tools: Tools) -> Outcome[int]:
        return Outcome([Emit("out", key, result.status)])


def processor(handler: Handler) -> Processor[int]:
    return Processor(
        name="test",
        inputs=["in"],
        handler=handler,
        decode=lambda _, data: json.loads(data),
        encode=lambda _, value: json.dumps(value).encode(),
        dead_letter=lambda failed: Emit("dead", "k", failed.reason),
        state=STATE,
        budget_seconds=5.0,
    )


async def outcomes(subject: Processor[int], **runner: Any) -> list[Finished]:
    delivered: list[Finished] = []
    item = Item(Assignment(3, {}), "in", 12, "in", "k", b"k", b'{"n": 1}', (), 5)

    def deliver(finished: Finished) -> None:
        delivered.append(finished)

    await RecordRunner(subject, 1000, lambda: 0, AT_ONCE, **runner).run(item, Table(STATE), deliver)
    return delivered


async def test_a_record_whose_schema_cannot_be_fetched_yet_is_decoded_later_and_not_to_blame() -> None:
    handler, decode = Handler(), Twice(json.loads)
    finished = await outcomes(replace(processor(handler), decode=decode))
    assert [(found.kind, found.offset, found.attempts) for found in finished] == [("outcome", 12, 3)]
    assert (handler.handled, decode.calls) == (1, 3)


async def test_an_output_whose_schema_cannot_be_fetched_yet_is_encoded_later_without_another_attempt() -> None:
    handler = Handler()
    finished = await outcomes(replace(processor(handler), encode=Twice(lambda value: json.dumps(value).encode())))
    assert [(found.kind, [write.topic for write in found.writes]) for found in finished] == [
        ("outcome", ["out", "changelog"])
    ]
    assert handler.handled == 1


async def test_a_decision_that_cannot_be_encoded_yet_is_delivered_before_its_effect_runs() -> None:
    async def act(_: Any) -> dict[str, Any]:
        return {}

    handler = Handler(Effect("act", "once", {}))
    subject = replace(processor(handler), encode=Twice(lambda value: json.dumps(value).encode()), effects={"act": act})
    finished = await outcomes(subject)
    assert [(found.effect is not None, found.offset) for found in finished] == [(True, 12), (False, None)]


async def test_a_fallback_that_fails_poisons_its_record_and_not_the_process() -> None:
    def broken(record: Record, state: int | None, reason: str) -> Outcome[int]:
        raise KeyError(record.key)

    subject = replace(processor(Handler(error=OutageError("down"))), fallback=broken)
    [finished] = await outcomes(subject, breaker=CircuitBreaker())
    assert finished.kind == "dead_letter"
    assert b"KeyError" in (finished.writes[0].value or b"")
