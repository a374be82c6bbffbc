"""The local stack: Kafka, a schema registry, OpenSearch, the AWS services, Intercom and a shop, on loopback.

from floodgate_local import Stack

stack = Stack()
stack.up()
stack.env()["FLOODGATE_KAFKA_BOOTSTRAP_SERVERS"]
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from floodgate_local.errors import StackError
    from floodgate_local.stack import Stack

__all__ = ["Stack", "StackError"]


def __getattr__(name: str) -> Any:
    """Import on first use: the servers of this distribution start without Kafka's and Maven's clients."""
    if name == "Stack":
        from floodgate_local.stack import Stack  # noqa: PLC0415 - see above

        return Stack
    if name == "StackError":
        from floodgate_local.errors import StackError  # noqa: PLC0415 - see above

        return StackError
    raise AttributeError(name)
