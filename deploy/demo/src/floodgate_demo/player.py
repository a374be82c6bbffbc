"""Plays the users: begins conversations in the Intercom stand-in and answers what the automation asks.

What a user writes goes the whole way: Intercom sends a signed webhook, ingest takes it, the services work, delivery
replies in Intercom, and only then the next turn is played.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
from floodgate.events import conversation_key

from floodgate_demo.scenario import Click, Play
from floodgate_demo.tally import Seen

_CONCURRENT: Final = 16
OK_TAG: Final = "floodgate:ok"
WRONG_PATH_TAG_PREFIX: Final = "floodgate:wrong-path:"
_ANSWER_SECONDS: Final = 60.0
_STEP_SECONDS: Final = 0.15
_KEEP_ALIVE_SECONDS: Final = 2.0
"""Shorter than the server keeps an idle connection, so that none is used that it is about to close."""


@dataclass(slots=True)
class Played:
    """What the player did."""

    messages: int = 0
    conversations: int = 0
    closed: int = 0
    judged: int = 0
    unplayed_turns: int = 0
    problems: list[str] = field(default_factory=list)
    conversation_ids: list[str] = field(default_factory=list)


class Player:
    """Plays conversations at once, each turn by turn.

    Args:
        intercom_url: The Intercom stand-in.
        seen: What came of the messages, to know when an answer will follow.
        answer_seconds: How long a user waits for an answer before leaving it at that.
    """

    def __init__(self, intercom_url: str, seen: Seen, *, answer_seconds: float = _ANSWER_SECONDS) -> None:
        self._intercom_url = intercom_url
        self._seen = seen
        self._answer_seconds = answer_seconds
        self.played = Played()
        self._heard: dict[str, int] = {}

    async def play(self, plays: Sequence[Play]) -> None:
        """Plays all of them.

        Raises:
            httpx.HTTPError: The stand-in cannot be reached or refuses.
        """
        gate = asyncio.Semaphore(_CONCURRENT)
        limits = httpx.Limits(keepalive_expiry=_KEEP_ALIVE_SECONDS)
        async with httpx.AsyncClient(base_url=self._intercom_url, timeout=30.0, limits=limits) as client:

            async def one(play: Play) -> None:
                async with gate:
                    await self._play(client, play)

            await asyncio.gather(*(one(play) for play in plays))

    async def _play(self, client: httpx.AsyncClient, play: Play) -> None:
        conversation_id = await self._begin(client, play)
        key = conversation_key("intercom", conversation_id)
        sent = 1
        for number, turn in enumerate(play.turns[1:], 1):
            if not await self._answered(client, conversation_id, key, sent):
                self.played.unplayed_turns += len(play.turns) - number
                break
            self._heard[key] = self._seen.spoken[key]
            if not await self._reply(client, conversation_id, turn):
                self.played.problems.append(f"{play.id}: turn {number + 1} clicks a button that was not offered")
                break
            sent += 1
        if play.human is not None:
            await self._quiet(client, conversation_id, key, sent)
            await self._human_ends(client, conversation_id, play.human)
        if play.belongs is not None:
            await self._judge(client, conversation_id, key, play.belongs)

    async def _begin(self, client: httpx.AsyncClient, play: Play) -> str:
        first = play.turns[0]
        body: dict[str, Any] = {
            "text": first.click if isinstance(first, Click) else first,
            "language": play.language or None,
            "country": play.country,
            "path": play.path,
        }
        if play.customer is None:
            body["email"] = f"{play.id}@example.org"
        else:
            body["external_id"] = f"cust-{play.customer:04d}"
        begun = await self._post(client, "/_local/conversations", body)
        self.played.conversations += 1
        self.played.messages += 1
        conversation_id = str(begun["conversation_id"])
        self.played.conversation_ids.append(conversation_id)
        return conversation_id

    async def _answered(self, client: httpx.AsyncClient, conversation_id: str, key: str, sent: int) -> bool:
        """Waits until the automation answered the latest turn; False when none will follow."""
        heard = self._heard.get(key, 0)
        deadline = time.monotonic() + self._answer_seconds
        while time.monotonic() < deadline:
            if self._seen.verdict_counts[key] >= sent:
                if self._seen.is_settled(key):
                    return False
                # Intercom is asked only once something was decided that it may show by now.
                if self._seen.spoken[key] > heard and _answers(await self._show(client, conversation_id)):
                    return True
            await asyncio.sleep(_STEP_SECONDS)
        self.played.problems.append(f"{key}: no answer within {self._answer_seconds:.0f} s")
        return False

    async def _quiet(self, client: httpx.AsyncClient, conversation_id: str, key: str, sent: int) -> None:
        """Waits until the automation has said what it has to say, so that the human does not cut in."""
        deadline = time.monotonic() + self._answer_seconds
        while time.monotonic() < deadline:
            passed = self._seen.verdict_counts[key] >= sent and self._seen.is_passed(key)
            if passed or _answers(await self._show(client, conversation_id)):
                return
            await asyncio.sleep(_STEP_SECONDS)

    async def _reply(self, client: httpx.AsyncClient, conversation_id: str, turn: str | Click) -> bool:
        path = f"/_local/conversations/{conversation_id}/user-reply"
        if isinstance(turn, str):
            await self._post(client, path, {"text": turn})
        else:
            uuid = self._button(await self._show(client, conversation_id), turn.click)
            if uuid is None:
                return False
            await self._post(client, path, {"clicked_uuid": uuid})
        self.played.messages += 1
        return True

    def _button(self, shown: dict[str, Any], wanted: str) -> str | None:
        """The uuid of the newest button that stands for the path or value."""
        for part in reversed(shown["conversation_parts"]["conversation_parts"]):
            for offered in part.get("metadata", {}).get("quick_reply_options", []) or []:
                option = self._seen.options.get(str(offered["uuid"]))
                if option is not None and wanted in (option.path, option.value, option.label):
                    return str(offered["uuid"])
        return None

    async def _human_ends(self, client: httpx.AsyncClient, conversation_id: str, text: str) -> None:
        await self._post(client, f"/_local/conversations/{conversation_id}/human-reply", {"text": text})
        await self._post(client, f"/_local/conversations/{conversation_id}/close", {})
        self.played.closed += 1

    async def _judge(self, client: httpx.AsyncClient, conversation_id: str, key: str, belongs: str) -> None:
        """A teammate tags the conversation: where it belongs, or that the firewall said so."""
        deadline = time.monotonic() + self._answer_seconds
        while (said := self._seen.opening.get(key)) is None:
            if time.monotonic() > deadline:
                return
            await asyncio.sleep(_STEP_SECONDS)
        tag = OK_TAG if said.suggested_path == belongs else f"{WRONG_PATH_TAG_PREFIX}{belongs}"
        await self._post(client, f"/_local/conversations/{conversation_id}/tag", {"tag": tag})
        self.played.judged += 1

    async def _show(self, client: httpx.AsyncClient, conversation_id: str) -> dict[str, Any]:
        response = await client.get(f"/_local/conversations/{conversation_id}")
        response.raise_for_status()
        shown: dict[str, Any] = response.json()
        return shown

    async def _post(self, client: httpx.AsyncClient, path: str, body: dict[str, Any]) -> dict[str, Any]:
        response = await client.post(path, json={name: value for name, value in body.items() if value is not None})
        response.raise_for_status()
        answer: dict[str, Any] = response.json()
        return answer


def _answers(shown: dict[str, Any]) -> bool:
    """Whether the newest thing said to the user came after the newest thing that the user said."""
    spoken = [
        part["author"]["type"]
        for part in shown["conversation_parts"]["conversation_parts"]
        if part["part_type"] in ("comment", "quick_reply")
    ]
    return bool(spoken) and spoken[-1] != "user" and spoken[-1] != "contact" and spoken[-1] != "lead"
