"""Dead letters of the edges, where no Kafka record stands behind the broken bytes."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Final

from floodgate.events import DeadLetter, RecordHeader, edge_event_id

SERVICE: Final = "ingest"
WEBHOOK_ORIGIN: Final = "webhooks/intercom"
# A dead letter is a Kafka record too (1 MiB): of a longer document only its beginning is kept.
MAX_KEPT_BYTES: Final = 900_000


def edge_dead_letter(
    *,
    origin: str,
    position: int,
    value: bytes | None,
    reason: str,
    error_type: str,
    occurred_at: datetime,
    version: str,
    headers: tuple[RecordHeader, ...] = (),
) -> DeadLetter:
    """A dead letter whose id is the same for the same bytes at the same place.

    Args:
        origin: `s3://bucket/key`, `file:path`, `webhooks/intercom`, `sqs://queue`.
        position: Line number, or -1.
        value: The bytes as they stood.
        reason: One line for the operator, without payload text.
        error_type: Class of the error.
        occurred_at: When it was found out.
        version: Version of this service.
        headers: What came with the bytes.
    """
    digest = hashlib.sha256(value or b"").hexdigest()
    kept = value
    if value is not None and len(value) > MAX_KEPT_BYTES:
        kept = value[:MAX_KEPT_BYTES]
        reason = f"{reason} (first {MAX_KEPT_BYTES} of {len(value)} bytes kept)"
    return DeadLetter(
        event_id=edge_event_id("dead-letter", f"{origin}\x1f{position}\x1f{digest}"),
        occurred_at=occurred_at,
        service=SERVICE,
        origin_topic=origin,
        origin_partition=-1,
        origin_offset=position,
        key=f"{origin}:{position}".encode(),
        value=kept,
        headers=headers,
        error_class="poison",
        error_type=error_type,
        reason=reason,
        attempts=1,
        versions={"service": version},
    )


def dead_letter_key(letter: DeadLetter) -> str:
    """Its key in Kafka: what broke had none of its own, so its place of origin stands for it."""
    return (letter.key or b"").decode(errors="replace")
