"""Librdkafka's errors become ours here, and only here."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException

from keyflow.errors import AccessDeniedError, FatalError, RetryableError

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


_DENIED: Final = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED: "topic",
    KafkaError.GROUP_AUTHORIZATION_FAILED: "group",
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED: "transactional id",
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: "cluster",
}

MISCONFIGURED: Final = {
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError.SASL_AUTHENTICATION_FAILED,
    *_DENIED,
}
"""Trying again does not help."""

_TURNED_AWAY: Final = {KafkaError._AUTHENTICATION, KafkaError._SSL}
_FIRST_LOOK_SECONDS: Final = 2.0
_STREAK_SECONDS: Final = 30.0


def denied(
    error: KafkaError, doing: str, *, topic: str = "", group: str = "", transactional_id: str = ""
) -> AccessDeniedError | None:
    """What to say of an error when Kafka knows who we are and does not allow it; None for any other error.

    Args:
        error: Librdkafka's, which seldom names what was asked for.
        doing: What we were about.
        topic: Or topics: one of them is meant.
        group: Consumer group.
        transactional_id: Of the producer.
    """
    kind = _DENIED.get(error.code())
    if kind is None:
        return None
    name = {"topic": topic, "group": group, "transactional id": transactional_id}.get(kind, "")
    what = f"{kind} {name}".rstrip()
    return AccessDeniedError(f"{doing}: Kafka does not allow this principal the {what}: add an ACL")


class SignIn:
    """A client's `error_cb`: remembers that brokers turn us away, of which no call of librdkafka's speaks.

    Args:
        monotonic: A clock in seconds.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._refusal: KafkaError | None = None
        self._since = self._last = 0.0

    def __call__(self, error: KafkaError) -> None:
        if error.code() not in _TURNED_AWAY:
            return
        now = self._monotonic()
        if self._refusal is None or now - self._last > _STREAK_SECONDS:
            self._since = now
        self._refusal, self._last = error, now

    def check(self, patience_seconds: float = 0.0) -> None:
        """Asks whether we are turned away still.

        Args:
            patience_seconds: For how long that may be so: a broker that starts may not know its users yet.

        Raises:
            AccessDeniedError: We are.
        """
        if self._refusal is None or self._last - self._since < patience_seconds:
            return
        said = self._refusal.str().partition(" (after ")[0]
        if self._refusal.code() == KafkaError._AUTHENTICATION:
            raise AccessDeniedError(f"Kafka refuses the sign-in: {said}: check the user and the password, or the token")
        raise AccessDeniedError(f"no encrypted connection to Kafka: {said}: check the CA file and the certificate")

    def topics(self, client: Any, topic: str | None = None, *, seconds: float) -> Any:
        """`list_topics` of a client with this callback, which tells at once that we are turned away.

        Raises:
            AccessDeniedError: We are.
            KafkaException: The broker does not answer.
        """
        named = () if topic is None else (topic,)
        for timeout in (_FIRST_LOOK_SECONDS, seconds - _FIRST_LOOK_SECONDS):
            try:
                return client.list_topics(*named, timeout=timeout).topics
            except KafkaException as error:
                client.poll(0)  # only here the callback is called
                self.check()
                failed = error
        raise failed


class translated:
    """Context manager: what librdkafka raises inside leaves as FatalError or RetryableError."""

    def __init__(self, doing: str, *, group: str = "", transactional_id: str = "") -> None:
        self._doing = doing
        self._names = {"group": group, "transactional_id": transactional_id}

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if not isinstance(error, KafkaException):
            return
        cause = error.args[0]
        refused = denied(cause, self._doing, **self._names)
        if refused is not None:
            raise refused from error
        message = f"{self._doing} failed: {cause.str()}"
        if cause.fatal() or cause.code() in FENCED | MISCONFIGURED:
            raise FatalError(message) from error
        raise RetryableError(message) from error
