"""Making a running processor forget a key: its state in memory and in the changelog.

Only the owner of a table may write its changelog, so whoever wants a key forgotten asks the owner, on the topic by
which dead letters come back: the request is an ordinary input, in the order of its key and of the processor's
transactions. What the key's pending effect comes to is committed before. Numbers of a parked key go as well: letters
that come back later with such a number count as released before, and are not handled.
"""

from __future__ import annotations

from typing import Final

from keyflow.types import Headers
from keyflow.work import Write

FORGET_HEADER: Final = "forget"
"""Header of a record of the redrive topic that asks the processor to forget the record's key."""


def forget(redrive_topic: str, key: str) -> Write:
    """The request, for the processor that reads this redrive topic. A second one finds nothing and changes nothing."""
    return Write(redrive_topic, key.encode(), b"", ((FORGET_HEADER, b""),))


def asks_to_forget(headers: Headers) -> bool:
    """Whether a record is such a request."""
    return any(name == FORGET_HEADER for name, _ in headers)
