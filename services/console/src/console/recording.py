"""Writes down what people change and what they unmask; nothing is shown or done that could not be written down."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from floodgate.events import Approval, ApprovalDecision, AuditEntry, FeedbackLabel, SwitchMode, edge_event_id
from floodgate.feedback import give, judgement
from floodgate.mode_switch import set_mode
from floodgate.service import EventProducer

AUDIT: Final = "support.audit"


class Recorder:
    """Writes to support.audit and support.feedback.

    Args:
        producer: Where records go.
    """

    def __init__(self, producer: EventProducer) -> None:
        self._producer = producer

    async def audit(
        self, actor: str, action: str, target: str, reason: str, details: Mapping[str, str] | None = None
    ) -> None:
        """Returns once Kafka has it.

        Raises:
            RetryableError: Kafka does not take it; then it must not be done or shown either.
        """
        now = datetime.now(UTC)
        entry = AuditEntry(
            event_id=edge_event_id("console", f"{actor}:{action}:{target}:{now.isoformat()}"),
            occurred_at=now,
            actor=actor,
            action=action,
            target=target,
            reason=reason,
            details=dict(details or {}),
        )
        await self._producer.send(AUDIT, target, entry)

    async def mode(self, actor: str, target: str, mode: SwitchMode, reason: str) -> None:
        """Sets the most that automation may do from now on.

        Raises:
            ValueError: It cannot be set.
            RetryableError: Kafka does not take it.
        """
        await set_mode(self._producer, target, mode, actor=actor, reason=reason, at=datetime.now(UTC))

    async def approval(
        self, actor: str, conversation_id: str, proposal_id: UUID, decision: ApprovalDecision, reason: str
    ) -> None:
        """Lets a proposed action happen, or not.

        Raises:
            RetryableError: Kafka does not take it.
        """
        at = datetime.now(UTC)
        said = Approval(
            # Who presses twice decides once.
            event_id=edge_event_id("approval", f"{proposal_id}:{decision}:{actor}"),
            occurred_at=at,
            conversation_id=conversation_id,
            proposal_id=proposal_id,
            decision=decision,
            actor=actor,
            reason=reason,
        )
        await self.audit(
            actor, f"{decision.value}_proposal", str(proposal_id), reason, {"conversation": conversation_id}
        )
        await self._producer.send("support.approvals", conversation_id, said)

    async def feedback(
        self, reviewer: str, conversation_id: str, verdict_id: UUID | None, label: FeedbackLabel, should_be: str | None
    ) -> None:
        """Writes a judgement.

        Raises:
            ValueError: It does not hold together.
            RetryableError: Kafka does not take it.
        """
        said = judgement(
            conversation_id,
            label,
            source="console",
            at=datetime.now(UTC),
            should_be=should_be,
            verdict_id=verdict_id,
            # A pseudonym that stays the same: who it was is in the audit alone.
            reviewer=str(edge_event_id("reviewer", reviewer)),
        )
        await give(self._producer, said)
