"""What is run in the lab: a handler that counts the records of each key, and the world outside that it acts on."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from keyflow import (
    Effect,
    EffectResult,
    Emit,
    Outcome,
    PendingEffect,
    PoisonMessageError,
    Record,
    RetryableError,
    Tools,
)
from support.crash_process import Process
from support.crash_topics import FACTS, OUT

if TYPE_CHECKING:
    from support.crash_lab import Lab

FACT: Final = 1_000_000
"""A state counts inputs in its units and facts in these."""


@dataclass
class Outside:
    """What an effect acts on: it knows idempotency keys, and remembers every call."""

    done: dict[str, Any] = field(default_factory=dict)
    calls: list[tuple[str, bool]] = field(default_factory=list)
    failing: Counter[str] = field(default_factory=Counter)

    def act(self, pending: PendingEffect) -> Mapping[str, Any]:
        """Acts once per key, and fails now and then: before it acts, after it, or for good."""
        key, what = pending.effect.idempotency_key, pending.effect.payload.get("outside", "")
        assert (key in {call for call, _ in self.calls}) <= pending.maybe_repeated, f"{key} is repeated and not marked"
        self.calls.append((key, pending.maybe_repeated))
        self.failing[key] += 1
        if what == "refuses":
            raise PoisonMessageError("not allowed")
        if what == "busy" and self.failing[key] == 1:
            raise RetryableError("busy", retry_after_seconds=0.3)
        self.done.setdefault(key, dict(pending.effect.payload))
        if what == "loses its answer" and self.failing[key] == 1:
            raise RetryableError("no answer")
        return {"ok": True}


class CountingHandler:
    """Counts the records of each key; a record's own fields say what else happens."""

    def __init__(self, lab: Lab, process: Process) -> None:
        self._lab = lab
        self._process = process

    async def handle(self, record: Record, state: int | None, tools: Tools) -> Outcome[int]:
        lab, process = self._lab, self._process
        asked = record.value
        process.step("handle")
        lab.handled.append((record.key, asked["n"]))
        if record.topic == FACTS:
            await asyncio.sleep(0.01)
            return Outcome([Emit(OUT, record.key, {"fact": asked["n"]})], (state or 0) + FACT)
        running = f"{process.name} {record.key}"
        assert not lab.running[running], f"two records of {record.key} at once"
        lab.running[running] += 1
        try:
            if "slow" in asked:
                await asyncio.sleep(asked["slow"])
            if "gate" in asked and not lab.open_gates:
                await lab.gates.setdefault(asked["n"], asyncio.Event()).wait()
            if record.attempt <= asked.get("retries", 0):
                raise RetryableError("not yet")
            if "poison" in asked:
                raise PoisonMessageError("it is broken")
        finally:
            lab.running[running] -= 1
        count = (state or 0) + 1
        effect = None
        if "outside" in asked:
            expires_at_ms = lab.now_ms() + asked["expires_ms"] if "expires_ms" in asked else None
            effect = Effect("act", f"act-{asked['n']}", {"outside": asked["outside"]}, expires_at_ms)
        process.step("handle", when="after")
        output = {"n": asked["n"], "count": count % FACT, "facts": count // FACT}
        return Outcome([Emit(OUT, record.key, output)], None if "forget" in asked else count, effect)

    async def resume(self, result: EffectResult, key: str, state: int | None, tools: Tools) -> Outcome[int]:
        self._process.step("resume")
        return Outcome([Emit(OUT, key, {"effect": result.effect.idempotency_key, "status": result.status})])
