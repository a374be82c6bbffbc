"""Ends proposals that nobody decided about in time: a human goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Final

from floodgate.events import (
    Approval,
    ApprovalDecision,
    AvroModel,
    Proposal,
    ProposalMode,
    ProposalStatus,
    derive_event_id,
)
from floodgate.events.times import from_ms
from floodgate.mode_switch import EventSink
from floodgate.tailing import Tail
from floodgate.telemetry import gauge, get_logger, one_line
from floodgate.waiting import until_stopped
from keyflow.errors import KeyflowError

log = get_logger(__name__)

PROPOSALS: Final = "support.proposals"
APPROVALS: Final = "support.approvals"
ACTOR: Final = "agent"
_READ_SECONDS: Final = 1.0
_REST_SECONDS: Final = 5.0
_pending = gauge("floodgate_agent_approvals_pending", "Proposals that wait for a person.")


class Pending:
    """The proposals that wait, by the newest record of each. Pure."""

    def __init__(self) -> None:
        self.proposals: dict[str, Proposal] = {}

    def take(self, records: Iterable[AvroModel]) -> None:
        """Follows further records."""
        for record in records:
            if not isinstance(record, Proposal) or record.mode is not ProposalMode.PROPOSE:
                continue
            if record.status is ProposalStatus.PENDING:
                self.proposals[str(record.proposal_id)] = record
            else:
                self.proposals.pop(str(record.proposal_id), None)

    def expired(self, at: datetime) -> list[Proposal]:
        """Those whose time is over."""
        return [found for found in self.proposals.values() if found.expires_at is not None and found.expires_at <= at]


def expiry_of(proposal: Proposal, at: datetime) -> Approval:
    """The word that ends a proposal: the same whichever process says it, so that it counts once."""
    return Approval(
        event_id=derive_event_id(proposal.proposal_id, "expire"),
        occurred_at=at,
        causation_id=proposal.event_id,
        conversation_id=proposal.conversation_id,
        proposal_id=proposal.proposal_id,
        decision=ApprovalDecision.EXPIRE,
        actor=ACTOR,
        reason="nobody decided in time",
    )


class ApprovalExpiry:
    """A task of the agent: every instance looks at all proposals, and what two of them say is one word.

    Args:
        open_tail: Follows the proposals.
        open_sink: Writes to Kafka.
        now_ms: Wall clock.
    """

    name = "approvals"

    def __init__(
        self, open_tail: Callable[[], Tail], open_sink: Callable[[], EventSink], now_ms: Callable[[], int]
    ) -> None:
        self._open_tail = open_tail
        self._open_sink = open_sink
        self._now_ms = now_ms
        self._pending = Pending()

    async def run(self, stop: asyncio.Event) -> None:
        """Looks until `stop` is set."""
        tail, sink = self._open_tail(), self._open_sink()
        while not stop.is_set():
            try:
                self._pending.take(await asyncio.to_thread(tail.read, _READ_SECONDS))
                if tail.caught_up:
                    await self._expire(sink)
            except KeyflowError as error:
                log.warning("approvals.unreachable", reason=one_line(error))
                await until_stopped(stop, _REST_SECONDS)
            _pending.set(len(self._pending.proposals))
        await asyncio.to_thread(tail.close)

    async def _expire(self, sink: EventSink) -> None:
        at = from_ms(self._now_ms())
        for proposal in self._pending.expired(at):
            await sink.send(APPROVALS, proposal.conversation_id, expiry_of(proposal, at))
            del self._pending.proposals[str(proposal.proposal_id)]
            log.info("approval.expired", proposal_id=str(proposal.proposal_id))
