"""Writes down what people change and what they unmask; nothing is shown or done that could not be written down."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from floodgate.events import AuditEntry, FeedbackLabel, edge_event_id
from floodgate.feedback import give, judgement
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
