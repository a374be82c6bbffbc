"""The stand-in's own calls under `/_local`: play a user or a human, see everything, switch things."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from floodgate_local.http_faults import FaultBook
from floodgate_local.intercom import bodies, workspace
from floodgate_local.intercom.desk import Desk, Message
from floodgate_local.intercom.errors import ApiError, invalid, not_found
from floodgate_local.intercom.ratelimit import RateLimit
from floodgate_local.intercom.records import Part
from floodgate_local.intercom.render import Renderer
from floodgate_local.intercom.store import Store
from floodgate_local.intercom.webhooks import Dispatcher, Target

HUMAN_ADMIN_ID: Final = workspace.ADMINS[1].id


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Begin(_Body):
    """A user begins a conversation. Without an external id the person is a lead: nobody vouches for them."""

    external_id: Annotated[str, Field(min_length=1)] | None = None
    email: str | None = None
    name: str | None = None
    language: str | None = None
    country: str | None = None
    path: str | None = None
    text: str
    custom_attributes: dict[str, str | int] = {}
    created_at: int | None = None


class UserReply(_Body):
    """A user writes, or clicks a button, or both."""

    text: str | None = None
    clicked_uuid: bodies.Uuid | None = None
    created_at: int | None = None


class HumanReply(_Body):
    text: str
    admin_id: str = HUMAN_ADMIN_ID
    note: bool = False


class HumanAssign(_Body):
    admin_id: str = HUMAN_ADMIN_ID
    to_admin_id: str | None = None
    to_team_id: str | None = None


class HumanTag(_Body):
    tag: str
    admin_id: str = HUMAN_ADMIN_ID


class HumanClose(_Body):
    admin_id: str = HUMAN_ADMIN_ID


class WebhookTarget(_Body):
    url: Annotated[str, Field(pattern=r"^https?://")] | None = None
    timeout_seconds: Annotated[float, Field(gt=0, le=60)] = 5.0
    max_attempts: Annotated[int, Field(ge=1, le=100)] = 8
    first_retry_seconds: Annotated[float, Field(gt=0, le=60)] = 1.0
    lose_next: Annotated[int, Field(ge=0)] = 0


class RateLimitSetting(_Body):
    per_minute: Annotated[int, Field(ge=6)]


_BEGIN: Final = TypeAdapter(Begin)
_USER_REPLY: Final = TypeAdapter(UserReply)
_HUMAN_REPLY: Final = TypeAdapter(HumanReply)
_HUMAN_ASSIGN: Final = TypeAdapter(HumanAssign)
_HUMAN_TAG: Final = TypeAdapter(HumanTag)
_HUMAN_CLOSE: Final = TypeAdapter(HumanClose)
_TARGET: Final = TypeAdapter(WebhookTarget)
_RATE_LIMIT: Final = TypeAdapter(RateLimitSetting)
_MISSING_OK: Final = b"{}"
Handler = Callable[[Request], Awaitable[Any]]


class LocalApi:
    """Handlers under `/_local`. They need no token: the server listens on loopback alone."""

    def __init__(self, store: Store, desk: Desk, dispatcher: Dispatcher, limit: RateLimit, faults: FaultBook) -> None:
        self._store = store
        self._desk = desk
        self._dispatcher = dispatcher
        self._limit = limit
        self._faults = faults
        self._renderer = Renderer(store)

    def routes(self) -> list[Route]:
        conversation = "/_local/conversations/{conversation_id}"
        return [
            _route("/_local/conversations", "POST", self._begin),
            _route(conversation, "GET", self._show),
            _route(conversation + "/user-reply", "POST", self._user_reply),
            _route(conversation + "/human-reply", "POST", self._human_reply),
            _route(conversation + "/assign", "POST", self._human_assign),
            _route(conversation + "/tag", "POST", self._human_tag),
            _route(conversation + "/close", "POST", self._close),
            _route("/_local/summary", "GET", self._summary),
            _route("/_local/webhook", "PUT", self._set_webhook),
            _route("/_local/webhook", "GET", self._get_webhook),
            _route("/_local/webhook/ping", "POST", self._ping),
            _route("/_local/notifications", "GET", self._list_notifications),
            _route("/_local/notifications/{notification_id}/redeliver", "POST", self._redeliver),
            _route("/_local/rate-limit", "PUT", self._set_rate_limit),
            _route("/_local/reset", "POST", self._reset),
        ]

    # Play a user

    async def _begin(self, request: Request) -> Any:
        body = bodies.read(_BEGIN, await request.body())
        email = body.email or (f"{body.external_id}@example.org" if body.external_id else None)
        if email is None:
            raise invalid("external_id or email must be present")
        contact = self._desk.welcome(
            external_id=body.external_id,
            email=email,
            name=body.name,
            language=body.language,
            country=body.country,
        )
        named = {"floodgate_path": body.path, "language": body.language, "country": body.country}
        attributes = {name: value for name, value in named.items() if value is not None}
        begun = self._desk.begin(
            contact, Message(body.text, body.created_at), attributes={**attributes, **body.custom_attributes}
        )
        return {"conversation_id": begun.id, "contact_id": contact.id, "message_id": begun.source_id}

    async def _user_reply(self, request: Request) -> Any:
        body = bodies.read(_USER_REPLY, await request.body())
        conversation = self._desk.conversation(request.path_params["conversation_id"])
        text = body.text
        if body.clicked_uuid is not None:
            text = text or self._button_text(conversation.id, body.clicked_uuid)
        if text is None:
            raise invalid("text or clicked_uuid must be present")
        part = self._desk.contact_replies(
            conversation,
            self._desk.contact(conversation.contact_id),
            Message(text, body.created_at),
            clicked_uuid=body.clicked_uuid,
        )
        return {"conversation_id": conversation.id, "part_id": part.id}

    def _button_text(self, conversation_id: str, clicked_uuid: str) -> str:
        for part in reversed(self._store.parts.get(conversation_id, [])):
            for option in part.reply_options:
                if option["uuid"] == clicked_uuid:
                    return option["text"]
        raise ApiError(404, "not_found", "No button of that uuid was offered in this conversation")

    # Play a human

    async def _human_reply(self, request: Request) -> Any:
        body = bodies.read(_HUMAN_REPLY, await request.body())
        conversation = self._desk.conversation(request.path_params["conversation_id"])
        self._desk.require_admin(body.admin_id)
        kind = "note" if body.note else "comment"
        part = self._desk.admin_replies(conversation, body.admin_id, kind, Message(body.text))
        return {"conversation_id": conversation.id, "part_id": part.id}

    async def _human_assign(self, request: Request) -> Any:
        body = bodies.read(_HUMAN_ASSIGN, await request.body() or _MISSING_OK)
        conversation = self._desk.conversation(request.path_params["conversation_id"])
        self._desk.require_admin(body.admin_id)
        kind = "team" if body.to_team_id is not None else "admin"
        assignee = body.to_team_id or body.to_admin_id or body.admin_id
        part = self._desk.assign(conversation, body.admin_id, kind, assignee, None)
        return {"conversation_id": conversation.id, "part_id": part.id}

    async def _human_tag(self, request: Request) -> Any:
        body = bodies.read(_HUMAN_TAG, await request.body())
        conversation = self._desk.conversation(request.path_params["conversation_id"])
        self._desk.require_admin(body.admin_id)
        tag_id = self._store.find_tag(body.tag)
        if tag_id is None:
            tag_id = str(max(int(known) for known in self._store.tags) + 1)
            self._store.save_tag(tag_id, body.tag)
        self._desk.tag(conversation, tag_id, body.admin_id)
        return {"conversation_id": conversation.id, "tag_id": tag_id}

    async def _close(self, request: Request) -> Any:
        body = bodies.read(_HUMAN_CLOSE, await request.body() or _MISSING_OK)
        conversation = self._desk.conversation(request.path_params["conversation_id"])
        self._desk.require_admin(body.admin_id)
        part = self._desk.close(conversation, body.admin_id, None)
        return {"conversation_id": conversation.id, "part_id": part.id}

    # See everything

    async def _show(self, request: Request) -> Any:
        conversation = self._desk.conversation(request.path_params["conversation_id"])
        everything = self._store.parts.get(conversation.id, [])
        shown = self._renderer.listed(conversation, plain=True)
        parts = [self._renderer.part(part, plain=True) for part in everything]
        notices = [n for n in self._store.notifications.values() if n.conversation_id == conversation.id]
        return {
            **shown,
            "conversation_parts": {"conversation_parts": parts, "total_count": len(parts)},
            "contact": vars(self._store.contacts[conversation.contact_id]),
            "notifications": [_notification(notice) for notice in notices],
        }

    async def _summary(self, request: Request) -> Any:
        parts = [part for of in self._store.parts.values() for part in of]
        ours = [part for part in parts if part.author_id == workspace.BOT_ADMIN_ID]
        conversations = self._store.conversations.values()
        return {
            "conversations": len(self._store.conversations),
            "conversations_by_state": dict(Counter(c.state for c in conversations)),
            "conversations_by_team": dict(Counter(c.team_assignee_id or "none" for c in conversations)),
            "contacts": len(self._store.contacts),
            "user_messages": len(conversations) + sum(part.author_type == "contact" for part in parts),
            "bot": _count_kinds(ours),
            "human": _count_kinds(
                [p for p in parts if p.author_type == "admin" and p.author_id != workspace.BOT_ADMIN_ID]
            ),
            "tags": dict(Counter(self._store.tags[tag["id"]] for c in conversations for tag in c.tags)),
            "duplicates": find_duplicates(ours),
            "marks": _repeated_marks(ours, request.query_params.get("mark")),
            "webhooks": self._dispatcher.figures(),
        }

    # Switch things

    async def _set_webhook(self, request: Request) -> Any:
        body = bodies.read(_TARGET, await request.body())
        self._dispatcher.configure(Target(**body.model_dump()))
        return await self._get_webhook(request)

    async def _get_webhook(self, request: Request) -> Any:
        return {**asdict(self._dispatcher.target), **self._dispatcher.figures()}

    async def _ping(self, request: Request) -> Any:
        return {"notification_id": self._dispatcher.ping()}

    async def _list_notifications(self, request: Request) -> Any:
        wanted = request.query_params.get("state")
        known = self._store.notifications.values()
        return {"notifications": [_notification(n) for n in known if wanted in (None, n.state)]}

    async def _redeliver(self, request: Request) -> Any:
        if not self._dispatcher.redeliver(request.path_params["notification_id"]):
            raise not_found("Notification")
        return {"status": "enqueued"}

    async def _set_rate_limit(self, request: Request) -> Any:
        self._limit.per_minute = bodies.read(_RATE_LIMIT, await request.body()).per_minute
        return {"per_minute": self._limit.per_minute, "per_10_seconds": self._limit.per_window}

    async def _reset(self, request: Request) -> Any:
        target = self._dispatcher.target
        self._store.reset()
        self._dispatcher.configure(target)
        self._faults.rules = []
        return {"status": "reset"}


def find_duplicates(parts: list[Part]) -> list[dict[str, Any]]:
    """What one author said more than once, word for word, in one conversation: what a repeated send looks like."""

    def said(part: Part) -> tuple[str, ...]:
        buttons = json.dumps(part.reply_options)
        assigned = f"{part.assigned_to_type}:{part.assigned_to_id}"
        return part.conversation_id, part.part_type, part.body or "", buttons, assigned

    spoken = [part for part in parts if part.part_type in ("comment", "note", "quick_reply")]
    counts = Counter(said(part) for part in spoken)
    first_of = {said(part): part for part in reversed(spoken)}
    return [
        {"conversation_id": key[0], "part_type": key[1], "first_part_id": first_of[key].id, "times": times}
        for key, times in counts.items()
        if times > 1
    ]


def _repeated_marks(parts: list[Part], mark: str | None) -> list[dict[str, Any]]:
    """Marks that one kind of part carries more than once in one conversation.

    Raises:
        ApiError: 400, when the mark is no regular expression.
    """
    if mark is None:
        return []
    try:
        expression = re.compile(mark)
    except re.error:
        raise invalid("must be a regular expression", field="mark") from None
    counts = Counter(
        (part.conversation_id, part.part_type, found)
        for part in parts
        for found in {m.group(0) for m in expression.finditer(f"{part.body} {json.dumps(part.reply_options)}")}
    )
    return [
        {"conversation_id": conversation_id, "part_type": part_type, "mark": found, "times": times}
        for (conversation_id, part_type, found), times in counts.items()
        if times > 1
    ]


def _count_kinds(parts: list[Part]) -> dict[str, int]:
    kinds = Counter(part.part_type for part in parts)
    return {
        "replies": kinds["comment"] + kinds["quick_reply"],
        "comments": kinds["comment"],
        "quick_replies": kinds["quick_reply"],
        "notes": kinds["note"],
        "assignments": kinds["assignment"],
        "closes": kinds["close"],
    }


def _notification(notification: Any) -> dict[str, Any]:
    return {name: value for name, value in vars(notification).items() if name != "item"}


def _route(path: str, method: str, handler: Handler) -> Route:
    async def endpoint(request: Request) -> Response:
        try:
            body = json.dumps(await handler(request), ensure_ascii=False)
        except ApiError as error:
            return error.response()
        return Response(body, media_type="application/json")

    return Route(path, endpoint, methods=[method])
