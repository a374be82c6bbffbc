"""Intercom: replies, quick replies, notes, assignments, tags, attributes, closing."""

from __future__ import annotations

import asyncio
import html
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, Protocol, TypeVar

from floodgate.intercom import (
    ChangedConversation,
    Conversation,
    ConversationPart,
    IntercomUnavailableError,
    QuickReplyOption,
    Tag,
)
from keyflow import resting

from delivery.domain import never_twice
from delivery.domain.commands import (
    AssignCommand,
    AttributesCommand,
    CloseCommand,
    NoteCommand,
    Order,
    ReplyCommand,
    TagCommand,
)
from delivery.domain.pace import TokenBucket
from delivery.ports import Fate, Receipt

T = TypeVar("T")
_REMEMBERED_TRIES: Final = 10_000


class Intercom(Protocol):
    """The calls of `floodgate.intercom.IntercomClient` that are made here."""

    async def get_conversation(self, conversation_id: str, *, plaintext: bool = True) -> Conversation: ...
    async def reply(self, conversation_id: str, text: str) -> ChangedConversation: ...
    async def send_quick_replies(
        self, conversation_id: str, options: list[QuickReplyOption], *, text: str | None = None
    ) -> ChangedConversation: ...
    async def add_note(self, conversation_id: str, html: str) -> ChangedConversation: ...
    async def assign(self, conversation_id: str, assignee_id: str) -> ChangedConversation: ...
    async def update_conversation(
        self, conversation_id: str, *, custom_attributes: dict[str, str | int]
    ) -> ChangedConversation: ...
    async def create_tag(self, name: str) -> Tag: ...
    async def attach_tag(self, conversation_id: str, tag_id: str) -> Tag: ...
    async def close(self, conversation_id: str) -> ChangedConversation: ...
    async def bot_admin_id(self) -> str: ...


class IntercomChannel:
    """Does commands at Intercom, within a rate, never twice.

    Args:
        client: The shared client; it never retries by itself.
        bucket: The one limit on all calls.
        request_timeout_seconds: How long a call of an earlier process may still be under way.
        monotonic: For the bucket.
        sleep: Waits.
    """

    def __init__(
        self,
        client: Intercom,
        bucket: TokenBucket,
        *,
        request_timeout_seconds: float,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._client = client
        self._bucket = bucket
        self._request_timeout_seconds = request_timeout_seconds
        self._monotonic = monotonic
        self._sleep = sleep
        self._tag_ids: dict[str, str] = {}
        # Tries of this process that failed: whether each may have been done all the same.
        self._tries: OrderedDict[str, bool] = OrderedDict()

    async def deliver(self, order: Order, *, maybe_repeated: bool) -> Receipt:
        """Does one command; see `delivery.ports.Channel`."""
        # A try of this process that certainly was not done needs no second look.
        maybe_done = self._tries.get(order.key, maybe_repeated)
        if maybe_done and isinstance(order.command, ReplyCommand | NoteCommand):
            # The earlier request may still be under way: wait it out, then read.
            with resting():
                await self._sleep(self._request_timeout_seconds)
        try:
            receipt = await self._deliver(order, maybe_done=maybe_done)
        except IntercomUnavailableError as error:
            self._remember(order.key, maybe_done=maybe_done or error.maybe_done)
            if error.status == 429 and error.retry_after_seconds:
                self._bucket.pause(self._monotonic(), error.retry_after_seconds)
            raise
        self._tries.pop(order.key, None)
        return receipt

    async def _deliver(self, order: Order, *, maybe_done: bool) -> Receipt:
        if never_twice.needs_reading(order, maybe_repeated=maybe_done):
            seen = await self._read(order.conversation_id)
            decision = never_twice.decide(order, seen, maybe_repeated=maybe_done)
            if decision.step is never_twice.Step.ALREADY_SENT:
                return Receipt(Fate.ALREADY_SENT, decision.entry_id)
            if decision.step is never_twice.Step.WITHHOLD:
                return Receipt(Fate.WITHHELD)
        return Receipt(Fate.SENT, await self._send(order))

    async def _read(self, conversation_id: str) -> never_twice.Conversation:
        bot = await self._paced(self._client.bot_admin_id)
        found = await self._paced(lambda: self._client.get_conversation(conversation_id, plaintext=True))
        return never_twice.Conversation(
            entries=tuple(_entry(part, bot) for part in found.parts),
            held_by_human=found.admin_assignee_id not in (None, bot),
        )

    async def _send(self, order: Order) -> str | None:
        """Sends; returns the id of the entry that was written, for what the user or the team reads."""
        conversation_id, client = order.conversation_id, self._client
        match order.command:
            case ReplyCommand() as reply if reply.options:
                options = [QuickReplyOption(text=option.label, uuid=option.option_id) for option in reply.options]
                answer = await self._paced(lambda: client.send_quick_replies(conversation_id, options, text=reply.text))
                return answer.last_part_id
            case ReplyCommand() as reply:
                return (await self._paced(lambda: client.reply(conversation_id, reply.text))).last_part_id
            case NoteCommand() as note:
                body = note_html(note, order.mark)
                return (await self._paced(lambda: client.add_note(conversation_id, body))).last_part_id
            case AssignCommand() as assign:
                await self._paced(lambda: client.assign(conversation_id, assign.channel_team_id))
            case TagCommand() as tag:
                for name in tag.tags:
                    tag_id = await self._tag_id(name)
                    await self._paced(partial(client.attach_tag, conversation_id, tag_id))
            case AttributesCommand() as attributes:
                values: dict[str, str | int] = dict(attributes.values)
                await self._paced(lambda: client.update_conversation(conversation_id, custom_attributes=values))
            case CloseCommand():
                await self._paced(lambda: client.close(conversation_id))
        return None

    async def _tag_id(self, name: str) -> str:
        if name not in self._tag_ids:
            self._tag_ids[name] = (await self._paced(lambda: self._client.create_tag(name))).id
        return self._tag_ids[name]

    async def _paced(self, call: Callable[[], Awaitable[T]]) -> T:
        wait_seconds = self._bucket.reserve(self._monotonic())
        if wait_seconds > 0:
            with resting():
                await self._sleep(wait_seconds)
        return await call()

    def _remember(self, key: str, *, maybe_done: bool) -> None:
        self._tries[key] = maybe_done
        self._tries.move_to_end(key)
        while len(self._tries) > _REMEMBERED_TRIES:
            self._tries.popitem(last=False)


def note_html(note: NoteCommand, mark: str) -> str:
    """A note as a teammate reads it; the last line tells which event it serves."""
    lines = "<br>".join(html.escape(line, quote=False) for line in note.text.splitlines())
    return f"<p><b>{html.escape(note.title, quote=False)}</b></p><p>{lines}</p><p><i>Floodgate · ref {mark}</i></p>"


def _entry(part: ConversationPart, bot_admin_id: str) -> never_twice.Entry:
    by_admin = part.author.type == "admin"
    return never_twice.Entry(
        entry_id=part.id,
        kind=part.part_type,
        ours=by_admin and part.author.id == bot_admin_id,
        human=by_admin and part.author.id != bot_admin_id,
        text=part.body or "",
        option_ids=tuple(option.uuid for option in part.metadata.quick_reply_options),
    )
