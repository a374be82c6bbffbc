"""Finds what webhooks missed: Intercom's search for changed conversations against what the timeline knows."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from floodgate import __version__
from floodgate.events import Message
from floodgate.telemetry import get_logger
from floodgate.waiting import until_stopped
from keyflow.errors import OutageError, PoisonMessageError, RetryableError

from ingest.domain.dead_letters import edge_dead_letter
from ingest.domain.errors import DocumentError
from ingest.domain.intercom import messages_of_conversation
from ingest.domain.intercom_parts import IntercomRules
from ingest.edge import EdgeWriter
from ingest.ports import Clock, IntercomConversations, Timeline
from ingest.telemetry import RECONCILE_PASSES, RECONCILED

ORIGIN: Final = "intercom:reconciler"
log = get_logger(__name__)


@dataclass
class Reconciled:
    """What a pass found.

    Attributes:
        conversations: Conversations that changed in the window.
        events: Events of theirs in the window.
        missed: Of these, those that nobody had told us; they are written now.
        failed: Conversations that could not be read.
    """

    conversations: int = 0
    events: int = 0
    missed: int = 0
    failed: int = 0


class Reconciler:
    """Passes over a sliding window until it is told to stop.

    Args:
        conversations: Intercom.
        timeline: What has arrived.
        writer: Where missed events go.
        rules: How conversations are read.
        clock: Wall clock.
        interval_seconds: Time between passes.
        lookback_seconds: How far the first pass looks back.
        overlap_seconds: How much of the last window is looked at again.
        grace_seconds: Younger parts are left to their webhooks.
    """

    name = "reconciler"

    def __init__(
        self,
        conversations: IntercomConversations,
        timeline: Timeline,
        writer: EdgeWriter,
        rules: IntercomRules,
        clock: Clock,
        *,
        interval_seconds: float,
        lookback_seconds: float,
        overlap_seconds: float,
        grace_seconds: float,
    ) -> None:
        self._conversations = conversations
        self._timeline = timeline
        self._writer = writer
        self._rules = rules
        self._clock = clock
        self._interval_seconds = interval_seconds
        self._lookback = timedelta(seconds=lookback_seconds)
        self._overlap = timedelta(seconds=overlap_seconds)
        self._grace = timedelta(seconds=grace_seconds)

    async def run(self, stop: asyncio.Event) -> None:
        """Reconciles every interval; a failed pass leaves its window to the next.

        Raises:
            FatalError: The token is wrong or lacks a permission.
        """
        since = self._clock() - self._lookback
        while not stop.is_set():
            began = self._clock()
            try:
                await self.reconcile(since)
                since = began - self._overlap
                RECONCILE_PASSES.labels("done").inc()
            except (RetryableError, OutageError) as error:
                log.warning("reconciler.pass_failed", error=str(error))
                RECONCILE_PASSES.labels("failed").inc()
            await until_stopped(stop, self._interval_seconds)

    async def reconcile(self, since: datetime) -> Reconciled:
        """One pass over everything that happened since then, the grace period excepted.

        Raises:
            RetryableError: Intercom, the timeline or Kafka failed.
            OutageError: One of them cannot be reached.
            FatalError: The token is wrong or lacks a permission.
        """
        found = Reconciled()
        until = self._clock() - self._grace
        async for conversation_id in self._conversations.updated_since(since):
            found.conversations += 1
            await self._reconcile_one(conversation_id, since, until, found)
        RECONCILED.labels("known").inc(found.events - found.missed)
        RECONCILED.labels("missed").inc(found.missed)
        log.info("reconciler.pass_done", **vars(found))
        return found

    async def _reconcile_one(self, conversation_id: str, since: datetime, until: datetime, found: Reconciled) -> None:
        try:
            document = await self._conversations.conversation_document(conversation_id)
        except PoisonMessageError as error:
            # Deleted or merged between the search and now.
            log.warning("reconciler.conversation_refused", conversation_id=conversation_id, error=str(error))
            found.failed += 1
            return
        try:
            messages = messages_of_conversation(document, self._rules, since=since)
        except DocumentError as error:
            await self._to_dead_letters(conversation_id, document, error)
            found.failed += 1
            return
        due = [message for message in messages if message.occurred_at <= until]
        missed = await self._missed(due)
        if missed:
            await self._writer.write(missed)
            kinds = sorted({str(message.kind) for message in missed})
            log.warning("reconciler.missed", conversation_id=conversation_id, events=len(missed), kinds=kinds)
        found.events += len(due)
        found.missed += len(missed)

    async def _missed(self, messages: Sequence[Message]) -> list[Message]:
        known = await self._timeline.known([str(message.event_id) for message in messages])
        return [message for message in messages if str(message.event_id) not in known]

    async def _to_dead_letters(self, conversation_id: str, document: Mapping[str, Any], error: DocumentError) -> None:
        letter = edge_dead_letter(
            origin=f"{ORIGIN}:{conversation_id}",
            position=-1,
            value=json.dumps(document).encode(),
            reason=str(error),
            error_type=type(error).__name__,
            occurred_at=self._clock(),
            version=__version__,
        )
        await self._writer.write((letter,))
        log.error("reconciler.dead_letter", conversation_id=conversation_id, reason=str(error))
