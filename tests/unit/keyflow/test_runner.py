"""One record to its outcomes: attempts, fallback, effects and dead letters, without a broker."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from keyflow import (
    Effect,
    EffectResult,
    Emit,
    FatalError,
    OutageError,
    Outcome,
    PendingEffect,
    PoisonMessageError,
    Processor,
    Record,
    RetryableError,
    StateSpec,
    Tools,
)
from keyflow.breaker import BreakerConfig, CircuitBreaker
from keyflow.retry import Backoff
from keyflow.runner import RecordRunner
from keyflow.table import Table, decode_entry
from keyflow.work import Assignment, Finished, Item

NOW_MS = 1_000_000
STATE: StateSpec[int] = StateSpec("changelog", lambda count: str(count).encode(), int)


class Scripted:
    """A handler that does what the test says, one step per attempt."""

    def __init__(self, *steps: Any, resume: Any = None) -> None:
        self.steps = list(steps)
        self.results: list[EffectResult] = []
        self.resumed = resume or Outcome([], 7)

    async def handle(self, record: Record, state: int | None, tools: Tools) -> Outcome[int]:
        step = self.steps.pop(0) if len(self.steps) > 1 else self.steps[0]
        if isinstance(step, Exception):
            raise step
        assert isinstance(step, Outcome)
        return step

    async def resume(self, result: EffectResult, key: str, state: int | None, tools: Tools) -> Outcome[int]:
        self.results.append(result)
        assert isinstance(self.resumed, Outcome)
        return self.resumed


def processor(handler: Any, **extra: Any) -> Processor[int]:
    return Processor(
        name="test",
        inputs=["in"],
        handler=handler,
        decode=lambda _, data: json.loads(data),
        encode=lambda _, value: json.dumps(value).encode(),
        dead_letter=lambda failed: Emit("dead", "k", {"class": failed.error_class, "reason": failed.reason}),
        state=STATE,
        **extra,
    )


def item(value: bytes | None = b'{"n": 1}', key: str = "k") -> Item:
    return Item(Assignment(3, {}), "in", 12, "in", key, key.encode(), value, (), 5)


def restored(effect: Effect) -> Item:
    return Item(Assignment(3, {}), "in", None, "in", "k", effect=effect)


async def outcomes(subject: Processor[int], work: Item | None = None, **limits: Any) -> list[Finished]:
    breaker = CircuitBreaker(BreakerConfig(probe_after_seconds=0.001))
    runner = RecordRunner(
        subject, limits.get("max_bytes", 1000), lambda: NOW_MS, Backoff(0.0001, 0.001), breaker=breaker
    )
    found: list[Finished] = []
    await runner.run(work or item(), limits.get("table", Table(STATE)), found.append)
    return found


def dead_letter(finished: Finished) -> dict[str, str]:
    [write] = [write for write in finished.writes if write.topic == "dead"]
    letter: dict[str, str] = json.loads(write.value or b"")
    return letter


async def test_outputs_state_and_offset_leave_together() -> None:
    [finished] = await outcomes(processor(Scripted(Outcome([Emit("out", "k", {"a": 1})], 5))))
    assert finished.offset == 12
    assert [(write.topic, write.partition) for write in finished.writes] == [("out", -1), ("changelog", 3)]
    assert decode_entry(finished.writes[1].value or b"").state == b"5"


async def test_a_retryable_error_is_tried_again_and_counted() -> None:
    [finished] = await outcomes(processor(Scripted(RetryableError("busy"), RetryableError("busy"), Outcome())))
    assert (finished.kind, finished.attempts) == ("outcome", 3)


@pytest.mark.parametrize(
    ("work", "reason"),
    [
        (item(b"not json"), "cannot be decoded: JSONDecodeError"),
        (item(None), "the record has no value"),
        (item(key=""), "the record has no key in UTF-8"),
    ],
)
async def test_what_cannot_be_read_is_poison_at_once(work: Item, reason: str) -> None:
    [finished] = await outcomes(processor(Scripted(Outcome())), work)
    assert (finished.kind, finished.offset) == ("dead_letter", 12)
    assert dead_letter(finished) == {"class": "poison", "reason": reason}


async def test_an_unexpected_error_names_its_place_and_not_its_text() -> None:
    [finished] = await outcomes(processor(Scripted(KeyError("jan@example.org"))))
    reason = dead_letter(finished)["reason"]
    assert reason.startswith("unexpected KeyError at test_runner.py:")
    assert "jan@example.org" not in reason


async def test_an_output_that_is_too_large_poisons_only_its_own_record() -> None:
    [finished] = await outcomes(processor(Scripted(Outcome([Emit("out", "k", "x" * 1000)]))), max_bytes=900)
    assert "more than the 900 allowed" in dead_letter(finished)["reason"]


async def test_poison_may_lead_to_more_than_a_dead_letter() -> None:
    subject = processor(
        Scripted(PoisonMessageError("no")),
        on_poison=lambda failed, record, state: Outcome([Emit("help", "k", [record is not None, state])], 6),
    )
    table: Table[int] = Table(STATE)
    table.restore("k", b'{"at": 1}\n5')
    [finished] = await outcomes(subject, table=table)
    assert [write.topic for write in finished.writes] == ["dead", "help", "changelog"]
    assert finished.writes[1].value == b"[true, 5]"
    assert table.get("k") == 6


async def test_a_poisoned_record_may_clear_its_keys_state_also_when_it_cannot_be_decoded() -> None:
    table: Table[int] = Table(STATE)
    table.restore("k", b'{"at": 1}\n5')
    subject = processor(Scripted(Outcome()), on_poison=lambda failed, record, state: Outcome([], None))
    [finished] = await outcomes(subject, item(b"not json"), table=table)
    assert finished.writes[1].value is None
    assert len(table) == 0


async def test_what_is_too_large_beside_a_dead_letter_is_left_out_and_the_letter_goes() -> None:
    large = Outcome([Emit("out", "k", "x" * 1000), Emit("help", "k", 1)], 10**1000)
    table: Table[int] = Table(STATE)
    table.restore("k", b'{"at": 1}\n5')
    subject = processor(Scripted(large), on_poison=lambda failed, record, state: large)
    [finished] = await outcomes(subject, table=table, max_bytes=900)
    assert [write.topic for write in finished.writes] == ["dead", "help", "changelog"]
    assert "output for out has" in dead_letter(finished)["reason"]
    assert table.get("k") == 5


async def test_a_dead_letter_decides_no_effect() -> None:
    effect = Effect("pay", "key-1", {})
    subject = processor(Scripted(PoisonMessageError("no")), on_poison=lambda *_: Outcome([], 5, effect))
    with pytest.raises(FatalError, match=r"on_poison decided the effect 'pay'.*return events and state alone"):
        await outcomes(subject)


async def test_an_outage_leads_to_the_fallback_and_never_to_a_dead_letter() -> None:
    subject = processor(
        Scripted(OutageError("down")), fallback=lambda record, state, why: Outcome([Emit("out", "k", why)])
    )
    [finished] = await outcomes(subject)
    assert (finished.kind, finished.writes[0].value) == ("fallback", b'"down"')


async def test_without_a_fallback_an_outage_is_waited_out() -> None:
    steps = [OutageError("down")] * 20
    [finished] = await outcomes(processor(Scripted(*steps, Outcome()), budget_seconds=0.01))
    assert (finished.kind, finished.attempts) == ("outcome", 21)


async def test_a_spent_budget_leads_to_the_fallback() -> None:
    subject = processor(Scripted(RetryableError("busy")), budget_seconds=0.0, fallback=lambda *_: Outcome([], 1))
    [finished] = await outcomes(subject)
    assert finished.kind == "fallback"


async def test_a_fatal_error_stops_everything() -> None:
    with pytest.raises(FatalError, match="no access"):
        await outcomes(processor(Scripted(FatalError("no access"))))


async def test_an_effect_runs_only_after_its_decision_is_committed() -> None:
    order: list[str] = []

    async def pay(pending: PendingEffect) -> Mapping[str, Any]:
        order.append(f"ran {pending.effect.idempotency_key} {pending.maybe_repeated}")
        return {"receipt": 9}

    handler = Scripted(Outcome([Emit("out", "k", 1)], 5, Effect("pay", "key-1", {"cents": 3})))
    runner = RecordRunner(processor(handler, effects={"pay": pay}), 1000, lambda: NOW_MS, Backoff())
    table: Table[int] = Table(STATE)

    def deliver(finished: Finished) -> Awaitable[None] | None:
        order.append(f"ready offset={finished.offset} pending={len(list(table.pending()))}")
        return committed() if finished.effect is not None else None

    async def committed() -> None:
        order.append("committed")

    await runner.run(item(), table, deliver)
    # The decision finishes the record: a restart between the two goes on with the effect alone.
    assert order == ["ready offset=12 pending=1", "committed", "ran key-1 False", "ready offset=None pending=0"]
    assert handler.results == [EffectResult(Effect("pay", "key-1", {"cents": 3}), "done", {"receipt": 9})]


async def test_after_a_restart_a_pending_effect_runs_first_and_is_marked() -> None:
    seen: list[bool] = []

    async def pay(pending: PendingEffect) -> Mapping[str, Any]:
        seen.append(pending.maybe_repeated)
        return {}

    work = restored(Effect("pay", "key-1", {}))
    [finished] = await outcomes(processor(Scripted(Outcome()), effects={"pay": pay}), work)
    assert seen == [True]
    assert finished.offset is None
    assert decode_entry(finished.writes[0].value or b"").effect is None


async def test_an_expired_effect_is_not_done_late() -> None:
    async def pay(_: PendingEffect) -> Mapping[str, Any]:
        raise AssertionError("ran")

    handler = Scripted(Outcome([], 5, Effect("pay", "key-1", {}, expires_at_ms=NOW_MS - 1)))
    await outcomes(processor(handler, effects={"pay": pay}))
    assert [result.status for result in handler.results] == ["expired"]


@pytest.mark.parametrize("ending", [{}, PoisonMessageError("no")])
async def test_whether_effects_can_be_done_is_watched_and_a_refusal_is_an_answer(ending: Any) -> None:
    failed: list[bool] = []

    async def pay(_: PendingEffect) -> Mapping[str, Any]:
        failed.append(runner.effects_breaker.all_failed)
        if len(failed) < 3:
            raise RetryableError("busy")
        if isinstance(ending, Exception):
            raise ending
        return {}

    subject = processor(Scripted(Outcome()), effects={"pay": pay})
    runner = RecordRunner(subject, 1000, lambda: NOW_MS, Backoff(0.0001, 0.001))
    await runner.run(restored(Effect("pay", "key-1", {})), Table(STATE), lambda _: None)
    assert failed == [False, True, True]
    assert not runner.effects_breaker.all_failed
    assert not runner.breaker.all_failed


async def test_a_refused_effect_comes_back_as_refused_and_a_retried_one_as_maybe_repeated() -> None:
    tries: list[bool] = []

    async def pay(pending: PendingEffect) -> Mapping[str, Any]:
        tries.append(pending.maybe_repeated)
        if len(tries) == 1:
            raise RetryableError("timed out")
        raise PoisonMessageError("already refunded")

    handler = Scripted(Outcome([], 5, Effect("pay", "key-1", {})))
    await outcomes(processor(handler, effects={"pay": pay}))
    assert tries == [False, True]
    assert [(result.status, result.value) for result in handler.results] == [("refused", {"error": "already refunded"})]


def test_effects_without_a_table_to_wait_in_are_refused_at_the_start() -> None:
    async def pay(_: PendingEffect) -> Mapping[str, Any]:
        return {}

    bare = replace(processor(Scripted(Outcome()), effects={"pay": pay}), state=None)
    with pytest.raises(ValueError, match="need a state table"):
        RecordRunner(bare, 1000, lambda: NOW_MS, Backoff())


async def test_a_state_that_is_too_large_or_cannot_be_encoded_poisons_only_its_own_record() -> None:
    table: Table[int] = Table(STATE)
    [finished] = await outcomes(processor(Scripted(Outcome([], 10**1000))), table=table, max_bytes=900)
    assert "state in changelog has" in dead_letter(finished)["reason"]

    def broken(_: int) -> bytes:
        raise KeyError("no such field")

    subject = replace(processor(Scripted(Outcome([], 5))), state=StateSpec("changelog", broken, int))
    [finished] = await outcomes(subject, table=table)
    assert dead_letter(finished)["reason"] == "the state cannot be encoded: KeyError"
    assert table.get("k") is None


async def test_a_state_of_another_version_stops_the_process_instead_of_being_lost() -> None:
    table: Table[int] = Table(STATE)
    table.restore("k", b'{"at": 1}\nnot a number')
    with pytest.raises(FatalError, match="a state cannot be decoded: unexpected ValueError"):
        await outcomes(processor(Scripted(Outcome())), table=table)


async def test_what_a_failed_attempt_did_to_its_state_is_forgotten() -> None:
    spec: StateSpec[list[int]] = StateSpec("changelog", lambda state: json.dumps(state).encode(), json.loads)
    seen: list[list[int]] = []

    class Mutating:
        async def handle(self, record: Record, state: list[int] | None, tools: Tools) -> Outcome[list[int]]:
            assert state is not None
            seen.append(list(state))
            state.append(9)
            if len(seen) == 1:
                raise RetryableError("busy")
            return Outcome([], state)

    table: Table[list[int]] = Table(spec)
    table.restore("k", b'{"at": 1}\n[1]')
    subject: Any = replace(processor(Mutating()), state=spec)  # type: ignore[arg-type]  # a table of lists
    await outcomes(subject, table=table)
    assert seen == [[1], [1]]
    assert table.get("k") == [1, 9]


async def test_an_attempt_that_hangs_is_cut_off_and_tried_again() -> None:
    class Hanging(Scripted):
        async def handle(self, record: Record, state: int | None, tools: Tools) -> Outcome[int]:
            if record.attempt == 1:
                await asyncio.sleep(3600)
            return Outcome()

    subject = processor(Hanging(), budget_seconds=0.01, fallback=lambda *_: Outcome([], 1))
    [finished] = await outcomes(subject)
    assert finished.kind == "fallback"


async def test_in_an_outage_a_spent_budget_is_not_the_records_fault() -> None:
    breaker = CircuitBreaker(BreakerConfig(least_calls=3, probe_after_seconds=0.001))
    for _ in range(3):
        breaker.failed(time.monotonic())
    assert breaker.is_open
    steps = [RetryableError("503")] * 6
    runner = RecordRunner(
        processor(Scripted(*steps, Outcome()), budget_seconds=0.0),
        1000,
        lambda: NOW_MS,
        Backoff(0.0001, 0.001),
        breaker=breaker,
    )
    found: list[Finished] = []
    await runner.run(item(), None, found.append)
    assert [(finished.kind, finished.attempts) for finished in found] == [("outcome", 7)]
    assert not breaker.is_open


async def test_a_handler_sees_the_keys_next_records_up_to_one_that_cannot_be_read() -> None:
    seen: list[Any] = []

    class Looking:
        async def handle(self, record: Record, state: int | None, tools: Tools) -> Outcome[int]:
            assert tools.queued is not None
            seen.extend(other.value for other in tools.queued())
            return Outcome()

    behind = [item(b'{"n": 2}'), item(b'{"n": 3}'), item(b"no json"), item(b'{"n": 4}')]
    runner = RecordRunner(processor(Looking()), 1000, lambda: NOW_MS, Backoff())
    runner.behind = lambda: behind
    await runner.run(item(), Table(STATE), lambda _: None)
    assert seen == [{"n": 2}, {"n": 3}]
