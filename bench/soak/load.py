"""A steady rate of messages and interactions: conversations begin, go on for a while, and others take their place."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

import httpx
from faults.services.load import Load, _opening, _post
from floodgate_demo.scenario import BROKEN
from floodgate_demo.tally import Seen

_OPEN: Final = 100
"""Customers who write at the same time."""
_FEWEST, _MOST = 4, 20
"""Messages of a customer in one conversation. Were it one for ever, each call of the channel would return more."""
_DROP_SECONDS: Final = 2.0


class SteadyLoad(Load):
    """Messages through Intercom's signed webhooks, interactions through S3.

    Args:
        env: The stack's environment.
        seen: What is known of the topics.
        seed: What is written follows from it.
        messages: A second.
        interactions: A second.
    """

    def __init__(self, env: Mapping[str, str], seen: Seen, seed: str, messages: float, interactions: float) -> None:
        super().__init__(env, seen, seed)
        self._messages, self._interactions = messages, interactions
        self.sent = {"messages": 0, "conversations": 0, "interactions": 0}
        self.refused = 0

    async def _play(self) -> None:
        url = self._env["FLOODGATE_INTERCOM_BASE_URL"]
        async with httpx.AsyncClient(base_url=url, timeout=30.0, trust_env=False) as client:
            await asyncio.gather(self._write(client), self._hand_in())

    async def _write(self, client: httpx.AsyncClient) -> None:
        rng = random.Random(f"{self._seed}-messages")  # noqa: S311 (repeats a run)
        plays = [play for play in self._scenario.plays if isinstance(play.turns[0], str)]
        writing: list[list[str]] = []
        due = time.monotonic()
        while not self._stop.is_set():
            due += 1 / self._messages
            play = rng.choice(plays)
            try:
                if len(writing) < _OPEN:
                    begun = await _post(client, "/_local/conversations", _opening(play))
                    writing.append([str(begun["conversation_id"])] * rng.randint(_FEWEST - 1, _MOST - 1))
                    self.sent["conversations"] += 1
                else:
                    place = rng.randrange(_OPEN)
                    path = f"/_local/conversations/{writing[place].pop()}/user-reply"
                    if not writing[place]:
                        del writing[place]
                    await _post(client, path, {"text": str(play.turns[0])})
                self.sent["messages"] += 1
            except httpx.HTTPError:
                self.refused += 1
            await asyncio.sleep(max(0.0, due - time.monotonic()))

    async def _hand_in(self) -> None:
        rng = random.Random(f"{self._seed}-interactions")  # noqa: S311 (repeats a run)
        rows = [
            line for drop in self._scenario.drops if not drop.name.startswith(BROKEN) for line in drop.body.splitlines()
        ]
        due = time.monotonic()
        while not self._stop.is_set():
            due += _DROP_SECONDS
            count = max(1, round(self._interactions * _DROP_SECONDS))
            chosen = [self._renewed(json.loads(rng.choice(rows)), rng) for _ in range(count)]
            await asyncio.to_thread(self._put, chosen, rng)
            self.sent["interactions"] += count
            await asyncio.sleep(max(0.0, due - time.monotonic()))

    def _renewed(self, row: dict[str, Any], rng: random.Random) -> bytes:
        interaction_id = UUID(int=rng.getrandbits(128), version=4)
        return json.dumps({**row, "interaction_id": str(interaction_id)}, ensure_ascii=False).encode()
