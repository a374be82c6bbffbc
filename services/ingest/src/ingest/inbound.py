"""What comes in through Kafka without Avro: raw Intercom envelopes, and our own dead letters on their way back.

A dead letter names where its bytes came from; that says what they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from keyflow.errors import PoisonMessageError

from ingest.domain.dead_letters import WEBHOOK_ORIGIN
from ingest.domain.errors import DocumentError
from ingest.domain.json_text import load_json
from ingest.domain.lines import parse_line
from ingest.ports import INTERCOM_RAW

_S3: Final = "s3://"
_FILE: Final = "file:"
_QUEUE: Final = "sqs://"
_RECONCILER: Final = "intercom:reconciler:"


@dataclass(frozen=True, slots=True)
class InboundEnvelope:
    """A notification of Intercom."""

    document: Any


@dataclass(frozen=True, slots=True)
class InboundConversation:
    """A whole conversation of Intercom."""

    document: dict[str, Any]


@dataclass(frozen=True, slots=True)
class InboundLine:
    """A line of an S3 object or a file."""

    document: dict[str, Any]
    source: str
    origin: str


Inbound = InboundEnvelope | InboundConversation | InboundLine


def decode_inbound(topic: str, data: bytes) -> Inbound:
    """Reads bytes by where they first came from.

    Raises:
        PoisonMessageError: They are not what is expected from there.
    """
    try:
        if topic in (INTERCOM_RAW, WEBHOOK_ORIGIN):
            return InboundEnvelope(load_json(data))
        if topic.startswith(_S3):
            return InboundLine(parse_line(data), "s3", topic)
        if topic.startswith(_FILE):
            return InboundLine(parse_line(data), "file", topic)
        if topic.startswith(_RECONCILER):
            return InboundConversation(parse_line(data))
    except DocumentError as error:
        raise PoisonMessageError(str(error)) from error
    if topic.startswith(_QUEUE):
        raise PoisonMessageError("a queue's notification is not redriven: use `floodgate ingest s3 s3://bucket/key`")
    raise PoisonMessageError(f"nothing that comes from {topic} is read here")
