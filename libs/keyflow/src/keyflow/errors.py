"""How a record can fail. The class decides what the engine does with it."""

from __future__ import annotations


class KeyflowError(Exception):
    """Base of every error that the engine tells apart."""


class RetryableError(KeyflowError):
    """The same attempt may succeed later: throttling, a 5xx, a time-out.

    Args:
        message: What failed, without payload text.
        retry_after_seconds: How long the other side asked us to wait, when it said so.
    """

    def __init__(self, message: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class PoisonMessageError(KeyflowError):
    """This record can never succeed: it goes to the dead letters and the partition goes on.

    Args:
        reason: One line for the operator, without payload text.
        raw_output: The raw model output that broke the schema, kept in the dead letter only.
    """

    def __init__(self, reason: str, *, raw_output: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.raw_output = raw_output


class OutageError(KeyflowError):
    """A dependency is down for everyone, so the record is not to blame."""


class FatalError(KeyflowError):
    """The process cannot do its work: it stops with this one line and commits nothing."""


class AccessDeniedError(FatalError):
    """Kafka does not let us in, or not do this. Waiting does not help, and no record is to blame."""
