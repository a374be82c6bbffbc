"""The REST API for any channel: messages in, what became of them out."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Request, Response, Security
from fastapi.security import APIKeyHeader
from floodgate.events import Message, MessageKind, conversation_key
from starlette.responses import Response as StarletteResponse

from ingest.domain.identity import ContactPseudonyms, message_event_id, pseudonymous_contact
from ingest.edge import EdgeWriter
from ingest.http.body import NotDeclaredJsonError, has_body, header, is_json_type
from ingest.http.gate import API_KEY_HEADER
from ingest.http.models import (
    RESERVED_CHANNELS,
    Accepted,
    CloseRequest,
    ConversationView,
    MessageRequest,
    Problem,
)
from ingest.http.problems import problem
from ingest.http.views import Notice, conversation_view
from ingest.ports import Clock, Timeline
from ingest.telemetry import REST_REQUESTS

# Checked by ApiGate before anything is parsed; declared here so that the OpenAPI page asks for it.
_API_KEY: Final = Security(APIKeyHeader(name=API_KEY_HEADER, auto_error=False))
_PROBLEM: Final[dict[str, Any]] = {"model": Problem}
_EVERYWHERE: Final[dict[int | str, dict[str, Any]]] = {401: _PROBLEM, 503: _PROBLEM}
_WRITES: Final[dict[int | str, dict[str, Any]]] = {
    **_EVERYWHERE,
    400: _PROBLEM,
    413: _PROBLEM,
    415: _PROBLEM,
    422: _PROBLEM,
}
ConversationId = Annotated[str, Path(pattern=r"^[a-z][a-z0-9_-]*:[^\s/]+$", max_length=200, examples=["rest:c-1"])]


async def _declared_as_json(request: Request) -> None:
    """Refuses any other body by its header: read as JSON it would be wrong in ways that name no cause.

    Raises:
        NotDeclaredJsonError: It is declared as something else, or as nothing.
    """
    declared = header(request.scope, b"content-type") or ""
    if has_body(request.scope) and not is_json_type(declared):
        raise NotDeclaredJsonError(declared)


class RestApi:
    """The routes under `/v1`.

    Args:
        writer: Where messages go.
        timeline: What became of them.
        pseudonyms: Makes contact ids.
        clock: Wall clock for messages that name no time.
        notice: Tells the user that a reply is automated.
    """

    def __init__(
        self, writer: EdgeWriter, timeline: Timeline, pseudonyms: ContactPseudonyms, clock: Clock, notice: Notice
    ) -> None:
        self._writer = writer
        self._timeline = timeline
        self._pseudonyms = pseudonyms
        self._clock = clock
        self._notice = notice

    def router(self) -> APIRouter:
        router = APIRouter(prefix="/v1", dependencies=[_API_KEY])
        router.add_api_route(
            "/messages",
            self.post_message,
            methods=["POST"],
            dependencies=[Depends(_declared_as_json)],
            status_code=202,
            responses=_WRITES,
            summary="Take a message of a user",
        )
        router.add_api_route(
            "/conversations/{conversation_id}",
            self.get_conversation,
            methods=["GET"],
            responses={**_EVERYWHERE, 404: _PROBLEM},
            response_model=ConversationView,
            summary="What became of a conversation",
        )
        router.add_api_route(
            "/conversations/{conversation_id}/close",
            self.post_close,
            methods=["POST"],
            dependencies=[Depends(_declared_as_json)],
            status_code=202,
            responses={**_WRITES, 404: _PROBLEM},
            response_model=Accepted,
            summary="Say that a conversation is over",
        )
        return router

    async def post_message(self, body: MessageRequest) -> Accepted:
        """Answers once Kafka has the message. The same message_id again is the same message."""
        contact = pseudonymous_contact(
            self._pseudonyms,
            body.channel,
            channel_contact_id=body.contact.id,
            external_id=body.contact.external_id,
            vouched=body.contact.verified,
        )
        message = Message(
            event_id=message_event_id(body.channel, body.conversation_id, body.message_id),
            occurred_at=body.occurred_at or self._clock(),
            conversation_id=conversation_key(body.channel, body.conversation_id),
            kind=MessageKind.USER_MESSAGE,
            channel=body.channel,
            channel_message_id=body.message_id,
            contact_id=contact.contact_id,
            contact_verified=contact.verified,
            text=body.text,
            attachment_count=body.attachment_count,
            chosen_path=body.chosen_path,
            clicked_option=str(body.clicked_option) if body.clicked_option else None,
            language=body.language,
            country=body.country,
        )
        await self._writer.write((message,))
        REST_REQUESTS.labels("messages", "202").inc()
        return Accepted(event_id=message.event_id, conversation_id=message.conversation_id)

    async def get_conversation(
        self, conversation_id: ConversationId, response: Response
    ) -> ConversationView | StarletteResponse:
        """Messages, verdicts, replies and hand-offs in order. A new message shows within a few seconds.

        Every `reply` is marked `automated`; the first of a conversation begins with the words of `notice`.
        """
        entries = await self._timeline.read(conversation_id)
        if not entries:
            REST_REQUESTS.labels("conversation", "404").inc()
            return _unknown(conversation_id)
        response.headers["Cache-Control"] = "no-store"
        REST_REQUESTS.labels("conversation", "200").inc()
        return conversation_view(conversation_id, entries, self._notice)

    async def post_close(
        self, conversation_id: ConversationId, body: CloseRequest | None = None
    ) -> Accepted | StarletteResponse:
        """What was said becomes a finished interaction. Intercom's conversations are closed in Intercom."""
        channel, _, own_id = conversation_id.partition(":")
        if channel in RESERVED_CHANNELS - {"file"}:
            REST_REQUESTS.labels("close", "404").inc()
            return problem(
                404,
                "not-closed-here",
                f"Conversations of {channel} are not closed through this API.",
                f"Close it in {channel}: that reaches Floodgate by itself.",
            )
        request = body or CloseRequest()
        nobody = pseudonymous_contact(
            self._pseudonyms,
            channel,
            channel_contact_id=f"conversation {own_id}",
            external_id=None,
            vouched=False,
        )
        closed = Message(
            event_id=message_event_id(channel, own_id, f"closed:{request.close_id}"),
            occurred_at=request.occurred_at or self._clock(),
            conversation_id=conversation_id,
            kind=MessageKind.CLOSED,
            channel=channel,
            channel_message_id=f"closed:{request.close_id}",
            contact_id=nobody.contact_id,
        )
        await self._writer.write((closed,))
        REST_REQUESTS.labels("close", "202").inc()
        return Accepted(event_id=closed.event_id, conversation_id=conversation_id)


def _unknown(conversation_id: str) -> StarletteResponse:
    return problem(
        404,
        "conversation-unknown",
        f"No conversation {conversation_id} is known.",
        "Use the conversation_id of the answer to POST /v1/messages; a new one shows within a few seconds.",
    )
