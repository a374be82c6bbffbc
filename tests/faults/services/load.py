"""Users without end: the demo's plays through signed webhooks, impatient users, and drops of finished interactions."""

from __future__ import annotations

import asyncio
import json
import random
import threading
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

import boto3
import httpx
from floodgate_demo.player import Player
from floodgate_demo.scenario import BROKEN, Drop, Play, load_scenario
from floodgate_demo.tally import Seen

_CONCURRENT: Final = 4
_ANSWER_SECONDS: Final = 30.0
"""A user who got no answer by then leaves; the audit asks what became of the message all the same."""
_IMPATIENT_TURNS: Final = 4
_LINES_PER_DROP: Final = 4
_STOP_SECONDS: Final = 180.0


class Load:
    """Plays until it is told to stop.

    Args:
        env: The stack's environment.
        seen: What is known of the topics, to know when an answer will follow.
        seed: What is played, and in which order, follows from it.
    """

    def __init__(self, env: Mapping[str, str], seen: Seen, seed: str) -> None:
        self._env = env
        self._seed = seed
        self._scenario = load_scenario()
        self._player = Player(env["FLOODGATE_INTERCOM_BASE_URL"], seen, answer_seconds=_ANSWER_SECONDS)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="load", daemon=True)
        self._failure: BaseException | None = None
        self._impatient: list[str] = []
        self.dropped: set[UUID] = set()
        self.broken_lines = 0

    @property
    def conversation_ids(self) -> list[str]:
        return [*self._player.played.conversation_ids, *self._impatient]

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Lets every user finish what they were about to say.

        Raises:
            AssertionError: A user could not get through to the stand-in.
        """
        self._stop.set()
        self._thread.join(_STOP_SECONDS)
        assert not self._thread.is_alive(), "the load did not end"
        self.check()

    def check(self) -> None:
        """Users are still there.

        Raises:
            AssertionError: One could not get through to the stand-in; says why.
        """
        assert self._failure is None, f"the load failed: {self._failure!r}"

    def drop_broken(self) -> None:
        """Drops a file some of whose lines cannot be read."""
        [drop] = [drop for drop in self._scenario.drops if drop.name.startswith(BROKEN)]
        rng = random.Random(f"{self._seed}-broken")
        rows = []
        for line in drop.body.splitlines():
            row = _readable(line)
            if row is None:
                self.broken_lines += 1
                rows.append(line)
            else:
                rows.append(self._renewed(row, rng))
        self._put(rows, rng)

    def _run(self) -> None:
        try:
            asyncio.run(self._play())
        except BaseException as error:
            self._failure = error

    async def _play(self) -> None:
        url = self._env["FLOODGATE_INTERCOM_BASE_URL"]
        async with httpx.AsyncClient(base_url=url, timeout=30.0) as client:
            await asyncio.gather(*(self._user(number, client) for number in range(_CONCURRENT)))

    async def _user(self, number: int, client: httpx.AsyncClient) -> None:
        rng = random.Random(f"{self._seed}-{number}")
        while not self._stop.is_set():
            match rng.random():
                case share if share < 0.15:
                    await self._hurry(rng, client)
                case share if share < 0.35:
                    await asyncio.to_thread(self._drop, rng)
                case _:
                    await self._player.play([rng.choice(self._scenario.plays)])

    async def _hurry(self, rng: random.Random, client: httpx.AsyncClient) -> None:
        """Someone who writes on and on without waiting for an answer: their order is what matters."""
        plays = [play for play in self._scenario.plays if isinstance(play.turns[0], str)]
        first, *others = rng.sample(plays, _IMPATIENT_TURNS)
        begun = await _post(client, "/_local/conversations", _opening(first))
        self._impatient.append(str(begun["conversation_id"]))
        for play in others:
            path = f"/_local/conversations/{begun['conversation_id']}/user-reply"
            await _post(client, path, {"text": str(play.turns[0])})

    def _drop(self, rng: random.Random) -> None:
        drop: Drop = rng.choice([drop for drop in self._scenario.drops if not drop.name.startswith(BROKEN)])
        lines = drop.body.splitlines()
        chosen = rng.sample(lines, min(_LINES_PER_DROP, len(lines)))
        self._put([self._renewed(json.loads(line), rng) for line in chosen], rng)

    def _renewed(self, row: dict[str, Any], rng: random.Random) -> bytes:
        interaction_id = UUID(int=rng.getrandbits(128), version=4)
        self.dropped.add(interaction_id)
        return json.dumps({**row, "interaction_id": str(interaction_id)}, ensure_ascii=False).encode()

    def _put(self, rows: list[bytes], rng: random.Random) -> None:
        client = boto3.client(
            "s3",
            endpoint_url=self._env["AWS_ENDPOINT_URL"],
            aws_access_key_id=self._env["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self._env["AWS_SECRET_ACCESS_KEY"],
            region_name=self._env["AWS_REGION"],
        )
        key = f"interactions/faults/{self._seed}-{rng.getrandbits(64):016x}.jsonl"
        client.put_object(Bucket=self._env["FLOODGATE_S3_BUCKET"], Key=key, Body=b"\n".join(rows) + b"\n")


def _readable(line: bytes) -> dict[str, Any] | None:
    """The line, if it is one that ingest takes."""
    try:
        row: dict[str, Any] = json.loads(line)
        UUID(row["interaction_id"])
    except ValueError:
        return None
    roles = {turn["role"] for turn in row["turns"]}
    return row if roles and roles <= {"customer", "agent", "bot", "system"} else None


def _opening(play: Play) -> dict[str, Any]:
    body: dict[str, Any] = {"text": str(play.turns[0]), "language": play.language, "email": f"{play.id}@example.org"}
    return body


async def _post(client: httpx.AsyncClient, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = (await client.post(path, json=body)).raise_for_status().json()
    return answer
