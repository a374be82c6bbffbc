"""Reads what the agent keeps of one conversation out of its changelog."""

from __future__ import annotations

from typing import Final

from floodgate.settings import KafkaSettings
from keyflow.errors import FatalError
from keyflow.reading import committed_records
from keyflow.table import decode_entry
from pydantic import ValidationError

from agent.domain.state import AgentState

STATE: Final = "support.agent.state"


def read_state(settings: KafkaSettings, conversation_id: str) -> AgentState | None:
    """The latest state of a conversation; None when nothing is kept.

    Raises:
        FatalError: Kafka cannot be reached, or the entry cannot be read.
    """
    latest: bytes | None = None
    for message in committed_records(settings.reader("explain"), STATE, remedy="run `floodgate setup`"):
        if (message.key() or b"").decode(errors="replace") == conversation_id:
            latest = message.value()
    if latest is None:
        return None
    try:
        entry = decode_entry(latest)
        return None if entry.state is None else AgentState.model_validate_json(entry.state)
    except (ValueError, ValidationError) as error:
        raise FatalError(f"{STATE}: the entry of {conversation_id} cannot be read: {type(error).__name__}") from error
