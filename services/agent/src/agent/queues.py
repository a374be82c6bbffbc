"""How many conversations wait for each team: handed over, and no colleague has taken them yet."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

from floodgate.events import AvroModel, Escalation, Message, MessageKind
from floodgate.tailing import Tail
from floodgate.telemetry import gauge, get_logger, one_line
from floodgate.waiting import until_stopped
from keyflow.errors import KeyflowError

log = get_logger(__name__)

TOPICS: Final = ("support.escalations", "support.messages")
_READ_SECONDS: Final = 1.0
_waiting = gauge("floodgate_agent_waiting", "Conversations that wait for a team.", ("team",))


class Queues:
    """A task of the agent, and what it has counted.

    Args:
        open_tail: Follows `TOPICS`; None: nobody counts.
    """

    name = "queues"

    def __init__(self, open_tail: Callable[[], Tail] | None = None) -> None:
        self._open_tail = open_tail
        self._team_of: dict[str, str] = {}

    def waiting(self, team: str | None) -> int:
        """Conversations that wait for a team now."""
        return sum(found == team for found in self._team_of.values())

    def take(self, records: Iterable[AvroModel]) -> None:
        """Follows further records."""
        for record in records:
            match record:
                case Escalation(team=str() as team):
                    self._team_of[record.conversation_id] = team
                case Message(kind=MessageKind.HUMAN_JOINED | MessageKind.CLOSED):
                    self._team_of.pop(record.conversation_id, None)
                case _:
                    pass
        for team in set(self._team_of.values()):
            _waiting.labels(team=team).set(self.waiting(team))

    async def run(self, stop: asyncio.Event) -> None:
        """Counts until `stop` is set."""
        if self._open_tail is None:
            await stop.wait()
            return
        tail = self._open_tail()
        while not stop.is_set():
            try:
                self.take(await asyncio.to_thread(tail.read, _READ_SECONDS))
            except KeyflowError as error:
                log.warning("queues.unreachable", reason=one_line(error))
                await until_stopped(stop, _READ_SECONDS)
        await asyncio.to_thread(tail.close)
