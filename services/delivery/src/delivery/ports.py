"""What the handlers need from outside."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from delivery.domain.commands import Order


class Fate(StrEnum):
    """What became of a command.

    ALREADY_SENT: an earlier process had sent it; WITHHELD: a human has joined; SKIPPED: the channel has no such thing.
    """

    SENT = "sent"
    ALREADY_SENT = "already_sent"
    WITHHELD = "withheld"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a command, and the entry that it left in the conversation."""

    fate: Fate
    part_id: str | None = None


class Channel(Protocol):
    """A way to the user and to the team."""

    async def deliver(self, order: Order, *, maybe_repeated: bool) -> Receipt:
        """Does one command, never twice.

        Args:
            order: The command and where it belongs.
            maybe_repeated: An earlier try may have done it.

        Raises:
            RetryableError: Try again later.
            PoisonMessageError: The channel refuses it for good.
            FatalError: The channel does not accept our credentials.
        """
        ...
