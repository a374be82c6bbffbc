"""Librdkafka's errors become ours here, and only here."""

from __future__ import annotations

from typing import Final

from confluent_kafka import KafkaError, KafkaException

from keyflow.errors import FatalError, RetryableError

FENCED: Final = {
    KafkaError._FENCED,
    KafkaError.PRODUCER_FENCED,
    KafkaError.INVALID_PRODUCER_EPOCH,
    KafkaError.INVALID_PRODUCER_ID_MAPPING,
}
"""Another process has our transactional.id. (Who has lost its place in the group learns it from its consumer.)"""


def slot_taken(slot: str) -> FatalError:
    """Two processes have one slot, the older one is told so; or the group ended a session that stood still for long."""
    return FatalError(
        f"another process uses the slot {slot!r}: give every instance its own (or Kafka or this process stood still "
        "for longer than a session may last: start again)"
    )


MISCONFIGURED: Final = {
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.SASL_AUTHENTICATION_FAILED,
}
"""Trying again does not help."""


class translated:
    """Context manager: what librdkafka raises inside leaves as FatalError or RetryableError."""

    def __init__(self, doing: str) -> None:
        self._doing = doing

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if not isinstance(error, KafkaException):
            return
        cause = error.args[0]
        message = f"{self._doing} failed: {cause.str()}"
        if cause.fatal() or cause.code() in FENCED | MISCONFIGURED:
            raise FatalError(message) from error
        raise RetryableError(message) from error
