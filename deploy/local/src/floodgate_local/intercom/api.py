"""The published calls. Each handler reads, refuses as the description does, acts at the desk, and renders."""

from __future__ import annotations

import json
import secrets
from collections.abc import Awaitable, Callable
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from floodgate_local.intercom import bodies, render, search, workspace
from floodgate_local.intercom.desk import Desk, Message
from floodgate_local.intercom.errors import ApiError, invalid, not_found
from floodgate_local.intercom.ratelimit import RateLimit
from floodgate_local.intercom.records import Contact, Conversation
from floodgate_local.intercom.render import Renderer
from floodgate_local.intercom.store import Store

_VERSIONS: Final = frozenset({f"1.{minor}" for minor in range(5)} | {f"2.{minor}" for minor in range(17)})
Handler = Callable[[Request], Awaitable[Any]]


class Api:
    """All published calls on one store, behind the token and the rate limit."""

    def __init__(self, store: Store, desk: Desk, token: str, limit: RateLimit) -> None:
        self._store = store
        self._desk = desk
        self._token = f"Bearer {token}".encode()
        self.limit = limit
        self._renderer = Renderer(store)

    def routes(self) -> list[Route]:
        conversation = "/conversations/{conversation_id}"
        return [
            self._route("/me", GET=self._me),
            self._route("/admins", GET=self._list_admins),
            self._route("/teams", GET=self._list_teams),
            self._route("/tags", GET=self._list_tags, POST=self._create_tag),
            self._route("/data_attributes", GET=self._list_data_attributes),
            self._route("/contacts/{contact_id}", GET=self._get_contact, DELETE=self._delete_contact),
            self._route("/conversations", GET=self._list_conversations, POST=self._create_conversation),
            self._route("/conversations/attributes", GET=self._list_conversation_attributes),
            self._route("/conversations/search", POST=self._search_conversations),
            self._route(
                conversation,
                GET=self._get_conversation,
                PUT=self._update_conversation,
                DELETE=self._delete_conversation,
            ),
            self._route(conversation + "/reply", POST=self._reply),
            self._route(conversation + "/parts", POST=self._manage),
            self._route(conversation + "/tags", POST=self._attach_tag),
            self._route(conversation + "/tags/{tag_id}", DELETE=self._detach_tag),
            self._route("/{anything:path}"),
        ]

    def _route(self, path: str, **handlers: Handler) -> Route:
        async def endpoint(request: Request) -> Response:
            headers: dict[str, str] = {}
            try:
                self._authorise(request)
                allowed, headers = self.limit.take()
                if not allowed:
                    said = f"Exceeded rate limit of {self.limit.per_window} in 10_seconds"
                    raise ApiError(429, "rate_limit_exceeded", said)
                handler = handlers.get(request.method)
                if handler is None:
                    raise ApiError(404, "not_found", "The requested resource was not found")
                body = json.dumps(await handler(request), ensure_ascii=False)
            except ApiError as error:
                return error.response(headers)
            return Response(body, headers=headers, media_type="application/json")

        return Route(path, endpoint, methods=["GET", "POST", "PUT", "DELETE", "PATCH"])

    def _authorise(self, request: Request) -> None:
        given = request.headers.get("authorization", "").encode()
        if not secrets.compare_digest(given, self._token):
            raise ApiError(401, "unauthorized", "Access Token Invalid")
        version = request.headers.get("intercom-version")
        if version is not None and version not in _VERSIONS:
            raise ApiError(400, "intercom_version_invalid", "The requested version could not be found")

    # The workspace

    async def _me(self, request: Request) -> Any:
        return workspace.render_me()

    async def _list_admins(self, request: Request) -> Any:
        admins = [workspace.render_admin(admin) for admin in workspace.ADMINS]
        return {"type": "admin.list", "admins": admins}

    async def _list_teams(self, request: Request) -> Any:
        return {"type": "team.list", "teams": [workspace.render_team(team) for team in workspace.TEAMS]}

    async def _list_tags(self, request: Request) -> Any:
        tags = [{"type": "tag", "id": id_, "name": name} for id_, name in self._store.tags.items()]
        return {"type": "list", "data": tags}

    async def _create_tag(self, request: Request) -> Any:
        body = bodies.read(bodies.CREATE_TAG, await request.body())
        if body.id is not None and body.id not in self._store.tags:
            raise ApiError(404, "tag_not_found", "Tag not found")
        tag_id = body.id or self._store.find_tag(body.name)
        if tag_id is None:
            tag_id = str(max(int(known) for known in self._store.tags) + 1)
        if body.id is not None or tag_id not in self._store.tags:
            self._store.save_tag(tag_id, body.name)
        return {"type": "tag", "id": tag_id, "name": self._store.tags[tag_id]}

    async def _list_data_attributes(self, request: Request) -> Any:
        model = request.query_params.get("model")
        if model == "conversation":
            said = "model=conversation is no longer supported. Use GET /conversations/attributes instead"
            raise ApiError(422, "parameter_invalid", said)
        if model not in (None, "contact", "company"):
            raise invalid("must be contact or company", field="model")
        return {"type": "list", "data": workspace.render_data_attributes(model)}

    async def _list_conversation_attributes(self, request: Request) -> Any:
        attributes = [workspace.render_attribute(attribute) for attribute in workspace.ATTRIBUTES]
        return {"type": "list", "data": attributes}

    async def _get_contact(self, request: Request) -> Any:
        return render.contact(self._desk.contact(request.path_params["contact_id"]))

    async def _delete_contact(self, request: Request) -> Any:
        contact = self._desk.contact(request.path_params["contact_id"])
        self._store.delete_contact(contact)
        return {"type": "contact", "id": contact.id, "external_id": contact.external_id, "deleted": True}

    # Conversations: reading

    def _conversation(self, request: Request, *, what: str = "Resource") -> Conversation:
        try:
            return self._desk.conversation(request.path_params["conversation_id"])
        except ApiError:
            raise not_found(what) from None

    def _shown(self, request: Request, conversation: Conversation) -> Any:
        plain = request.query_params.get("display_as") == "plaintext"
        return self._renderer.conversation(conversation, plain=plain)

    async def _get_conversation(self, request: Request) -> Any:
        return self._shown(request, self._conversation(request))

    async def _delete_conversation(self, request: Request) -> Any:
        conversation = self._conversation(request)
        self._store.delete_conversation(conversation)
        return {"id": conversation.id, "object": "conversation", "deleted": True}

    async def _list_conversations(self, request: Request) -> Any:
        per_page = search.read_query_per_page(request.query_params.get("per_page"))
        cursor = request.query_params.get("starting_after")
        return self._page(list(self._store.conversations.values()), per_page, cursor)

    async def _search_conversations(self, request: Request) -> Any:
        body = bodies.read_json(await request.body())
        if not isinstance(body, dict) or "query" not in body:
            raise ApiError(400, "parameter_not_found", "must be present", field="query")
        matches = search.compile_query(body["query"])
        pagination = {} if body.get("pagination") is None else body["pagination"]
        if not isinstance(pagination, dict):
            raise invalid("must be an object", field="pagination")
        cursor = pagination.get("starting_after")
        if cursor is not None and not isinstance(cursor, str):
            raise invalid("must be a string", field="starting_after")
        per_page = search.read_per_page(pagination.get("per_page", search.DEFAULT_PER_PAGE))
        found = [c for c in self._store.conversations.values() if matches(c)]
        return self._page(found, per_page, cursor)

    def _page(self, found: list[Conversation], per_page: int, cursor: str | None) -> Any:
        page, pages = search.page_of(found, per_page=per_page, starting_after=cursor)
        return {
            "type": "conversation.list",
            "conversations": [self._renderer.listed(conversation) for conversation in page],
            "total_count": len(found),
            "pages": pages,
        }

    # Conversations: writing

    async def _create_conversation(self, request: Request) -> Any:
        raw = await request.body()
        body = bodies.read(bodies.CREATE_CONVERSATION, raw)
        contact = self._desk.contact(body.from_.id)
        begun = self._desk.begin(contact, Message(body.body, body.created_at))
        return {
            "type": "user_message",
            "id": begun.source_id,
            "created_at": begun.created_at,
            "body": body.body,
            "message_type": "inapp",
            "conversation_id": begun.id,
        }

    async def _update_conversation(self, request: Request) -> Any:
        body = bodies.read(bodies.UPDATE_CONVERSATION, await request.body())
        conversation = self._conversation(request)
        attributes = body.custom_attributes or {}
        known = {attribute.name for attribute in workspace.ATTRIBUTES}
        for name in attributes:
            if name not in known:
                raise invalid("Custom attribute does not exist", field=f"custom_attributes.{name}")
        self._desk.update(conversation, workspace.BOT_ADMIN_ID, read=body.read, title=body.title, attributes=attributes)
        return self._shown(request, conversation)

    async def _reply(self, request: Request) -> Any:
        body = bodies.read(bodies.REPLY, await request.body())
        options = tuple(option.model_dump() for option in body.reply_options or ())
        if isinstance(body, bodies.ContactReply):
            contact, conversation = self._replying_contact(request, body)
            clicked = options[0]["uuid"] if options else None
            message = Message(body.body, body.created_at)
            self._desk.contact_replies(conversation, contact, message, clicked_uuid=clicked)
        else:
            conversation = self._conversation(request)
            self._desk.require_admin(body.admin_id)
            # The description gives options to quick replies alone.
            shown = options if body.message_type == "quick_reply" else ()
            message = Message(body.body, body.created_at, shown)
            self._desk.admin_replies(conversation, body.admin_id, body.message_type, message)
        return self._shown(request, conversation)

    def _replying_contact(self, request: Request, body: bodies.ContactReply) -> tuple[Contact, Conversation]:
        if body.intercom_user_id is not None:
            contact = self._store.contacts.get(body.intercom_user_id)
        else:
            contact = self._store.find_contact(external_id=body.user_id, email=body.email)
        if contact is None:
            raise not_found("User")
        if request.path_params["conversation_id"] == "last":
            return contact, self._desk.last_conversation_of(contact)
        conversation = self._conversation(request)
        if conversation.contact_id != contact.id:
            raise not_found()
        return contact, conversation

    async def _manage(self, request: Request) -> Any:
        body = bodies.read(bodies.MANAGE, await request.body())
        conversation = self._conversation(request)
        self._desk.require_admin(body.admin_id)
        match body:
            case bodies.Close():
                self._desk.close(conversation, body.admin_id, body.body)
            case bodies.Open():
                self._desk.open(conversation, body.admin_id)
            case bodies.Snooze():
                self._desk.snooze(conversation, body.admin_id, body.snoozed_until)
            case bodies.Assign():
                self._desk.assign(conversation, body.admin_id, body.type, body.assignee_id, body.body)
        return self._shown(request, conversation)

    async def _attach_tag(self, request: Request) -> Any:
        body = bodies.read(bodies.ATTACH_TAG, await request.body())
        conversation = self._conversation(request, what="Conversation")
        self._desk.require_admin(body.admin_id)
        return self._renderer.applied_tag(self._desk.tag(conversation, body.id, body.admin_id))

    async def _detach_tag(self, request: Request) -> Any:
        body = bodies.read(bodies.DETACH_TAG, await request.body())
        conversation = self._conversation(request, what="Conversation")
        self._desk.require_admin(body.admin_id)
        return self._renderer.applied_tag(self._desk.untag(conversation, request.path_params["tag_id"]))
