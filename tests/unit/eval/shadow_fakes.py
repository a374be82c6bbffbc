"""Histories and models for the tests of the shadow harness."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

from floodgate.bedrock import BudgetExceededError, ModelRequest, ModelResult, Usage
from floodgate.catalogue import Catalogue, load_catalogue
from floodgate.events import Message, MessageKind
from floodgate.events.generated import AvroModel
from floodgate_eval.shadow.history import Conversation, Entry, History, Window
from keyflow import RetryableError

ROOT = Path(__file__).parents[3]
NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
NOW_MS = round(NOW.timestamp() * 1000)
NAMESPACE = UUID(int=7)


def own_catalogue() -> Catalogue:
    return load_catalogue(ROOT / "catalogue")


def message(text: str, *, conversation: str = "intercom:1", minutes: int = 0, **more: Any) -> Message:
    values: dict[str, Any] = {
        "event_id": uuid5(NAMESPACE, f"{conversation}{minutes}{text}"),
        "occurred_at": NOW + timedelta(minutes=minutes),
        "conversation_id": conversation,
        "kind": MessageKind.USER_MESSAGE,
        "channel": "intercom",
        "contact_id": "c",
        "text": text,
        "language": "en",
        "country": "GB",
    }
    return Message(**{**values, **more})


def entry(topic: str, value: AvroModel, number: int = 0) -> Entry:
    happened: datetime = getattr(value, "occurred_at")  # noqa: B009 - every record has it
    key = str(getattr(value, "conversation_id", "") or getattr(value, "interaction_id", ""))
    return Entry(topic, 0, number, key, round(happened.timestamp() * 1000), value)


def history_of(
    entries: Sequence[Entry], made: Sequence[AvroModel] = (), *, from_ms: int = NOW_MS - 1, hours: int = 24
) -> History:
    by_key: dict[str, list[Entry]] = {}
    for one in entries:
        by_key.setdefault(one.key, []).append(one)
    caused: dict[UUID, list[AvroModel]] = {}
    for record in made:
        caused.setdefault(getattr(record, "causation_id"), []).append(record)  # noqa: B009
    conversations = [Conversation(key, tuple(of)) for key, of in by_key.items()]
    return History(Window(from_ms, from_ms + hours * 3_600_000), conversations, caused)


class SayingModel:
    """Answers the firewall's question by words of the message; counts the calls.

    Args:
        confidence: Stated for every category that it finds.
    """

    def __init__(self, confidence: float = 0.8) -> None:
        self.confidence = confidence
        self.asked: list[str] = []
        self.calls_left = 10_000

    async def call(self, request: ModelRequest[Any]) -> ModelResult[Any]:
        if self.calls_left == 0:
            raise BudgetExceededError("MAX_USD is reached")
        self.calls_left -= 1
        text = request.user_text.partition("<customer_message>")[2]
        self.asked.append(text.strip())
        if "outage" in text:
            raise RetryableError("throttled")
        category, path, workflow = _found(text)
        chosen = request.user_text.partition("<chosen_path>")[2].partition("<")[0]
        raw = {
            "category": category,
            "suggested_path": path,
            "belongs_to_chosen_path": path == chosen,
            "misuse": "none",
            "urgency": 0.1,
            "workflow": workflow,
            "confidence": self.confidence,
        }
        usage = Usage("m", "model", 100, 10, 0, 0, 0.001, 50, 1)
        return ModelResult(request.prompt.output.model_validate(raw), usage, repaired=False, raw=raw)

    async def embed(self, texts: Any) -> list[list[float]]:
        raise NotImplementedError


def _found(text: str) -> tuple[str, str, str]:
    if "money" in text:
        return "refund_tickets", "tickets/refund", "refund_order"
    if "tickets" in text:
        return "resend_tickets", "tickets/resend", "resend_tickets"
    return "none", "none", "none"
