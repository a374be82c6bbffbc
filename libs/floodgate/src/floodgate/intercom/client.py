"""The Intercom client: one method per call that Floodgate makes, and nothing else of the API."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Final, Literal, Self, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel, ValidationError

from floodgate.intercom.errors import (
    IntercomUnavailableError,
    WallClock,
    raise_for_answer,
    transport_errors,
)
from floodgate.intercom.models import (
    Admin,
    AdminList,
    ChangedConversation,
    Contact,
    Conversation,
    ConversationAttribute,
    ConversationPage,
    CreatedMessage,
    DataAttribute,
    DataList,
    Deleted,
    Me,
    QuickReplyOption,
    Tag,
    Team,
    TeamList,
)
from floodgate.intercom.search import Query
from floodgate.intercom.settings import API_VERSION, IntercomSettings
from floodgate.surrogates import without_lone_surrogates

MAX_PER_PAGE: Final = 150
M = TypeVar("M", bound=BaseModel)


class IntercomClient:
    """Speaks Intercom's REST API 2.16. Connects on the first call; close it with `aclose` or `async with`.

    Every method raises `IntercomUnavailableError` (retryable; it says whether the call may have been done),
    `IntercomRefusedError` (poison) or `keyflow.errors.FatalError` (token, permission). It never retries
    by itself: Intercom has no idempotency keys, so only the caller knows how to look first.
    """

    def __init__(
        self,
        settings: IntercomSettings,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        wall_clock: WallClock = time.time,
    ) -> None:
        self._bot_admin_id = settings.bot_admin_id
        self._wall_clock = wall_clock
        self._http = httpx.AsyncClient(
            base_url=settings.url,
            transport=transport,
            timeout=httpx.Timeout(settings.timeout_seconds),
            limits=httpx.Limits(max_connections=settings.max_connections),
            headers={
                "Authorization": f"Bearer {settings.token.get_secret_value()}",
                "Intercom-Version": API_VERSION,
                "Accept": "application/json",
            },
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        await self._http.aclose()

    # the workspace

    async def me(self) -> Me:
        """The admin of the token, and the workspace."""
        return await self._read("GET", "/me", Me)

    async def list_admins(self) -> list[Admin]:
        return (await self._read("GET", "/admins", AdminList)).admins

    async def list_teams(self) -> list[Team]:
        return (await self._read("GET", "/teams", TeamList)).teams

    async def list_tags(self) -> list[Tag]:
        return (await self._read("GET", "/tags", DataList[Tag])).data

    async def create_tag(self, name: str) -> Tag:
        """Creates a tag, or finds the one of that name (names ignore case)."""
        return await self._read("POST", "/tags", Tag, body={"name": name})

    async def list_data_attributes(self, model: Literal["contact", "company"] = "contact") -> list[DataAttribute]:
        page = await self._read("GET", "/data_attributes", DataList[DataAttribute], query={"model": model})
        return page.data

    async def list_conversation_attributes(self) -> list[ConversationAttribute]:
        page = await self._read("GET", "/conversations/attributes", DataList[ConversationAttribute])
        return page.data

    async def get_contact(self, contact_id: str) -> Contact:
        return await self._read("GET", f"/contacts/{_segment(contact_id)}", Contact)

    async def delete_contact(self, contact_id: str) -> Deleted:
        """Deletes a contact for good."""
        return await self._read("DELETE", f"/contacts/{_segment(contact_id)}", Deleted)

    async def delete_conversation(self, conversation_id: str) -> Deleted:
        """Deletes a conversation for good; Intercom keeps its figures."""
        return await self._read("DELETE", _conversation(conversation_id), Deleted)

    # conversations: reading

    async def get_conversation(self, conversation_id: str, *, plaintext: bool = True) -> Conversation:
        """One conversation with its 500 latest parts.

        Args:
            conversation_id: Intercom's id.
            plaintext: Bodies as plain text instead of HTML.
        """
        query = {"display_as": "plaintext"} if plaintext else {}
        return await self._read("GET", _conversation(conversation_id), Conversation, query=query)

    async def list_conversations(self, *, per_page: int = 20, starting_after: str | None = None) -> ConversationPage:
        query: dict[str, str | int] = {"per_page": min(per_page, MAX_PER_PAGE)}
        if starting_after is not None:
            query["starting_after"] = starting_after
        return await self._read("GET", "/conversations", ConversationPage, query=query)

    async def search_conversations(
        self, query: Query, *, per_page: int = 50, starting_after: str | None = None
    ) -> ConversationPage:
        """One page of the conversations that match, without their parts."""
        pagination: dict[str, str | int] = {"per_page": min(per_page, MAX_PER_PAGE)}
        if starting_after is not None:
            pagination["starting_after"] = starting_after
        body = {"query": dict(query), "pagination": pagination}
        return await self._read("POST", "/conversations/search", ConversationPage, body=body, changes_something=False)

    async def search_all_conversations(
        self, query: Query, *, per_page: int = MAX_PER_PAGE
    ) -> AsyncIterator[Conversation]:
        """Every conversation that matches, page after page."""
        starting_after: str | None = None
        while True:
            page = await self.search_conversations(query, per_page=per_page, starting_after=starting_after)
            for conversation in page.conversations:
                yield conversation
            starting_after = page.starting_after
            if starting_after is None:
                return

    # conversations: writing

    async def create_conversation(
        self, contact_id: str, text: str, *, contact_type: Literal["user", "lead", "contact"] = "user"
    ) -> CreatedMessage:
        """Begins a conversation in a contact's name."""
        body = {"from": {"type": contact_type, "id": contact_id}, "body": text}
        return await self._read("POST", "/conversations", CreatedMessage, body=body)

    async def update_conversation(
        self, conversation_id: str, *, custom_attributes: Mapping[str, str | int]
    ) -> ChangedConversation:
        """Sets custom attributes; those not named stay as they are."""
        body = {"custom_attributes": dict(custom_attributes)}
        return await self._read("PUT", _conversation(conversation_id), ChangedConversation, body=body)

    async def reply(self, conversation_id: str, text: str, *, admin_id: str | None = None) -> ChangedConversation:
        """A comment that the customer sees."""
        return await self._reply_as_admin(conversation_id, "comment", admin_id, {"body": text})

    async def add_note(self, conversation_id: str, html: str, *, admin_id: str | None = None) -> ChangedConversation:
        """A note that only teammates see. Notes take some HTML."""
        return await self._reply_as_admin(conversation_id, "note", admin_id, {"body": html})

    async def send_quick_replies(
        self,
        conversation_id: str,
        options: Sequence[QuickReplyOption],
        *,
        text: str | None = None,
        admin_id: str | None = None,
    ) -> ChangedConversation:
        """Buttons for the customer, under a text.

        Raises:
            ValueError: There is no option.
        """
        if not options:
            raise ValueError("quick replies need at least one option")
        body: dict[str, Any] = {"reply_options": [{"text": o.text, "uuid": o.uuid} for o in options]}
        if text is not None:
            body["body"] = text
        return await self._reply_as_admin(conversation_id, "quick_reply", admin_id, body)

    async def reply_as_contact(
        self, conversation_id: str, contact_id: str, text: str, *, clicked: QuickReplyOption | None = None
    ) -> ChangedConversation:
        """A comment in a contact's name, with the button that was clicked."""
        body: dict[str, Any] = {
            "message_type": "comment",
            "type": "user",
            "intercom_user_id": contact_id,
            "body": text,
        }
        if clicked is not None:
            body["reply_options"] = [{"text": clicked.text, "uuid": clicked.uuid}]
        return await self._read("POST", _conversation(conversation_id, "reply"), ChangedConversation, body=body)

    async def assign(
        self,
        conversation_id: str,
        assignee_id: str,
        *,
        to: Literal["admin", "team"] = "team",
        admin_id: str | None = None,
    ) -> ChangedConversation:
        """Assigns to a team or to an admin; "0" takes the assignee away."""
        body = {"message_type": "assignment", "type": to, "assignee_id": assignee_id}
        return await self._manage(conversation_id, admin_id, body)

    async def close(self, conversation_id: str, *, admin_id: str | None = None) -> ChangedConversation:
        return await self._manage(conversation_id, admin_id, {"message_type": "close", "type": "admin"})

    async def open(self, conversation_id: str, *, admin_id: str | None = None) -> ChangedConversation:
        return await self._manage(conversation_id, admin_id, {"message_type": "open"})

    async def snooze(
        self, conversation_id: str, until: datetime, *, admin_id: str | None = None
    ) -> ChangedConversation:
        body = {"message_type": "snoozed", "snoozed_until": int(until.timestamp())}
        return await self._manage(conversation_id, admin_id, body)

    async def attach_tag(self, conversation_id: str, tag_id: str, *, admin_id: str | None = None) -> Tag:
        """Tags a conversation; a second time changes nothing."""
        body = {"id": tag_id, "admin_id": await self._admin(admin_id)}
        return await self._read("POST", _conversation(conversation_id, "tags"), Tag, body=body)

    async def detach_tag(self, conversation_id: str, tag_id: str, *, admin_id: str | None = None) -> Tag:
        path = _conversation(conversation_id, f"tags/{_segment(tag_id)}")
        return await self._read("DELETE", path, Tag, body={"admin_id": await self._admin(admin_id)})

    # the calls themselves

    async def bot_admin_id(self) -> str:
        """The admin in whose name we write: the setting, else the admin of the token (asked once)."""
        if not self._bot_admin_id:
            self._bot_admin_id = (await self.me()).id
        return self._bot_admin_id

    async def _admin(self, admin_id: str | None) -> str:
        return await self.bot_admin_id() if admin_id is None else admin_id

    async def _reply_as_admin(
        self, conversation_id: str, message_type: str, admin_id: str | None, body: Mapping[str, Any]
    ) -> ChangedConversation:
        said = {
            "message_type": message_type,
            "type": "admin",
            "admin_id": await self._admin(admin_id),
            **body,
        }
        return await self._read("POST", _conversation(conversation_id, "reply"), ChangedConversation, body=said)

    async def _manage(self, conversation_id: str, admin_id: str | None, body: Mapping[str, Any]) -> ChangedConversation:
        said = {**body, "admin_id": await self._admin(admin_id)}
        return await self._read("POST", _conversation(conversation_id, "parts"), ChangedConversation, body=said)

    async def _read(
        self,
        method: str,
        path: str,
        answer: type[M],
        *,
        query: Mapping[str, str | int] | None = None,
        body: Mapping[str, Any] | None = None,
        changes_something: bool | None = None,
    ) -> M:
        """Makes one call and reads its answer.

        Raises:
            IntercomUnavailableError: No answer, a server error, throttling, or an answer that is not what the
                API describes (a proxy's page, a body cut short).
            IntercomRefusedError: Intercom refuses the call for good.
            FatalError: The token is missing, wrong, or lacks a permission.
        """
        changes = method != "GET" if changes_something is None else changes_something
        call = f"{method} {path}"
        with transport_errors(call, changes_something=changes):
            response = await self._http.request(method, path, params=query, json=body)
        raise_for_answer(call, response, changes_something=changes, wall_clock=self._wall_clock)
        try:
            return answer.model_validate_json(without_lone_surrogates(response.content))
        except ValidationError as error:
            places = sorted({".".join(str(part) for part in e["loc"]) for e in error.errors()})
            message = f"intercom: {call}: the answer is not a {answer.__name__}: {', '.join(places[:5])}"
            # Without the cause: pydantic's text quotes what it read.
            raise IntercomUnavailableError(message, maybe_done=changes, status=response.status_code) from None


def _segment(value: str) -> str:
    return quote(value, safe="")


def _conversation(conversation_id: str, rest: str = "") -> str:
    path = f"/conversations/{_segment(conversation_id)}"
    return f"{path}/{rest}" if rest else path
