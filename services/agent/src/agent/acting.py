"""Does an action: counted against its limits first, then sent with its key."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Protocol

from floodgate.catalogue.models import Automation
from keyflow import PendingEffect

from agent.domain.calls import CallOutcome
from agent.domain.ledger import Entry
from agent.domain.limits import Limits

SWITCHED_OFF: Final = "switched_off"
Change = Callable[[PendingEffect], Awaitable[Mapping[str, Any]]]


class Ledger(Protocol):
    """What was done today, over all users and processes."""

    async def reserve(self, call: str, entry: Entry, limits: Limits) -> str | None:
        """Counts an action; the word of the limit when it does not fit.

        Raises:
            RetryableError: It cannot be counted now.
        """
        ...

    async def release(self, call: str, entry: Entry) -> None:
        """Takes an action out again that was not done.

        Raises:
            RetryableError: It cannot be taken out now.
        """
        ...


class Actions:
    """Runs effects of the kind `shop`.

    Args:
        change: Sends a change to the backend.
        ledger: Counts what has limits.
        level: How far a workflow may go now; what was decided before it was switched off is not begun any more.
    """

    def __init__(self, change: Change, ledger: Ledger, level: Callable[[str], Automation] | None = None) -> None:
        self._change = change
        self._ledger = ledger
        self._level = level or (lambda _: Automation.ON)

    async def run(self, pending: PendingEffect) -> Mapping[str, Any]:
        """Does one action, or says which limit holds it back.

        Raises:
            RetryableError: The limits or the backend cannot be asked now; the same key makes a repeat harmless.
        """
        payload = pending.effect.payload
        if not pending.maybe_repeated and self._switched_off(str(payload.get("workflow", ""))):
            return {"outcome": str(CallOutcome.FAILED), "code": SWITCHED_OFF, "value": {}}
        if "limits" not in payload:
            return await self._change(pending)
        call, key = str(payload["call"]), pending.effect.idempotency_key
        # The moment of the decision, not of this attempt: a repeat after midnight is counted on the same day.
        entry = Entry(
            key=key,
            user=str(payload["contact_id"]),
            amount_cents=int(payload["amount_cents"]),
            at_ms=int(payload["decided_at_ms"]),
        )
        code = await self._ledger.reserve(call, entry, Limits.model_validate(payload["limits"]))
        if code is not None:
            return {"outcome": str(CallOutcome.REFUSED), "code": code, "value": {}}
        answer = await self._change(pending)
        if answer["outcome"] in {CallOutcome.REFUSED, CallOutcome.NOT_FOUND}:
            await self._ledger.release(call, entry)
        return answer

    def _switched_off(self, workflow: str) -> bool:
        """An effect of an earlier version of this service names no workflow."""
        return bool(workflow) and self._level(workflow) in {Automation.OFF, Automation.SHADOW}
