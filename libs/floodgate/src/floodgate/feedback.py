"""A reviewer's judgement of a verdict: "ok", or "wrong path" and where it should have gone.

From Intercom's tags, from a file, from the console: all become the same record of `support.feedback`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final, Protocol
from uuid import UUID

from floodgate.catalogue import CatalogueIndex
from floodgate.events import AvroModel, Feedback, FeedbackLabel, edge_event_id
from floodgate.service import EVENT_ID_HEADER

TOPIC: Final = "support.feedback"
Headers = tuple[tuple[str, bytes], ...]


class FeedbackSink(Protocol):
    """Where records go; `floodgate.service.EventProducer` is one."""

    async def send(self, topic: str, key: str, value: AvroModel, headers: Headers = ()) -> None:
        """Returns once Kafka has the record."""
        ...


def judgement(
    conversation_id: str,
    label: FeedbackLabel,
    *,
    source: str,
    at: datetime,
    should_be: str | None = None,
    verdict_id: UUID | None = None,
    reviewer: str = "",
    repeatable: bool = True,
) -> Feedback:
    """The record of one judgement.

    Args:
        conversation_id: Whose verdict is judged.
        label: Right, or in the wrong place.
        source: console or file; Intercom's tags have a way of their own.
        at: When it was given: the latest judgement of a conversation holds.
        should_be: Path where it should have gone.
        verdict_id: Which verdict; without it, that on what the customer came with.
        reviewer: Pseudonym of who judged.
        repeatable: Whether the same judgement at another time is another one (somebody changed their mind and back);
            else it is the same event however often it is brought in.

    Raises:
        ValueError: The conversation or the place is missing, or a right verdict names another place.
    """
    if ":" not in conversation_id.strip():
        raise ValueError("conversation_id: write the channel before it, such as intercom:123")
    if label is FeedbackLabel.WRONG_PATH and not should_be:
        raise ValueError("should_be: missing: say where it should have gone")
    if label is FeedbackLabel.UNKNOWN:
        raise ValueError("label: say ok or wrong_path")
    if label is FeedbackLabel.OK and should_be:
        raise ValueError("should_be: only a wrong path should be another one")
    said = (conversation_id, label.value, should_be or "", str(verdict_id or ""), reviewer)
    moment = at.isoformat() if repeatable else ""
    return Feedback(
        event_id=edge_event_id(f"feedback:{source}", "\x1f".join((*said, moment))),
        occurred_at=at,
        causation_id=verdict_id,
        conversation_id=conversation_id.strip(),
        label=label,
        should_be=should_be,
        source=source,
        reviewer=reviewer,
    )


def path_named(should_be: str, index: CatalogueIndex) -> str:
    """The path that a reviewer named, by itself or by its category.

    Raises:
        ValueError: The catalogue has neither.
    """
    if should_be in index.paths:
        return should_be
    category = index.categories.get(should_be)
    if category is None:
        raise ValueError(f"should_be: {should_be!r} is no path and no category of the catalogue")
    return category.path


async def give(sink: FeedbackSink, feedback: Feedback) -> None:
    """Writes a judgement; returns once Kafka has it.

    Raises:
        RetryableError: Kafka did not take it in time; it may be given again, it is the same event.
    """
    headers = ((EVENT_ID_HEADER, str(feedback.event_id).encode()),)
    await sink.send(TOPIC, feedback.conversation_id, feedback, headers)
