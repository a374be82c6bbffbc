"""Lines of JSON Lines documents: finished interactions and conversations, in the documented formats.

Unknown members are tolerated (a data team's labels may travel along); a known member that is wrong is named.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal, TypeVar
from uuid import UUID

from floodgate.events import Interaction, Message, MessageKind, Turn, TurnRole, conversation_key
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from ingest.domain.errors import DocumentError, document_error, problems_of
from ingest.domain.identity import (
    UNKNOWN_PATH,
    ContactPseudonyms,
    country_code,
    interaction_event_id,
    language_code,
    message_event_id,
    pseudonymous_contact,
)
from ingest.domain.json_text import load_json

# A record of support.interactions may have 1 MiB in all.
MAX_LINE_BYTES: Final = 900_000
MAX_TEXT_CHARACTERS: Final = 100_000
FILE_CHANNEL: Final = "file"
M = TypeVar("M", bound=BaseModel)


def _as_language(value: object) -> object:
    code = language_code(value)
    if value is not None and code is None:
        raise ValueError("a language code such as nl or nl-BE is expected")
    return code


def _as_country(value: object) -> object:
    code = country_code(value)
    if value is not None and code is None:
        raise ValueError("a two-letter country code such as NL is expected")
    return code


def _as_text_id(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _as_utc(value: datetime) -> datetime:
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _is_unicode(value: str) -> str:
    if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
        raise ValueError("half of a surrogate pair is no text")
    return value


Language = Annotated[str | None, BeforeValidator(_as_language)]
Country = Annotated[str | None, BeforeValidator(_as_country)]
Moment = Annotated[datetime, AfterValidator(_as_utc)]
TextId = Annotated[str, BeforeValidator(_as_text_id), Field(min_length=1, max_length=200), AfterValidator(_is_unicode)]
ChosenPath = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_is_unicode)]
Text = Annotated[str, Field(max_length=MAX_TEXT_CHARACTERS), AfterValidator(_is_unicode)]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a document.

    Attributes:
        number: From 1.
        data: Without its line end.
        is_cut: True when it was longer than `MAX_LINE_BYTES`; `data` is its beginning then.
    """

    number: int
    data: bytes
    is_cut: bool = False


class LenientModel(BaseModel):
    """Immutable; members that it does not know are let through and ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class ContactInput(LenientModel):
    """A person as the sender of a document names them."""

    id: TextId | None = Field(default=None, description="The channel's own id of the person.")
    external_id: TextId | None = Field(default=None, description="The company's own id of the person.")
    verified: bool = Field(
        default=False,
        description="Whether the sender has established that the writer is that person (a login, say).",
    )


class TurnLine(LenientModel):
    """One turn."""

    role: Literal["customer", "agent", "bot", "system"]
    text: Text
    at: Moment | None = None


class InteractionLine(LenientModel):
    """A finished interaction, as dropped into S3 or given in a file."""

    interaction_id: UUID
    turns: Annotated[tuple[TurnLine, ...], Field(min_length=1, max_length=2000)]
    country: Country = None
    language: Language = None
    channel: Annotated[str, Field(max_length=100), AfterValidator(_is_unicode)] | None = None
    contact: ContactInput | None = None
    chosen_path: ChosenPath | None = None
    started_at: Moment | None = None
    ended_at: Moment | None = None


class MessageLine(LenientModel):
    """One message of a user."""

    text: Text
    id: TextId | None = None
    at: Moment | None = None
    chosen_path: ChosenPath | None = None


class ConversationLine(LenientModel):
    """A conversation of which only the user's side is given: input for the firewall."""

    conversation_id: TextId
    contact: ContactInput
    messages: Annotated[tuple[MessageLine, ...], Field(min_length=1, max_length=500)]
    language: Language = None
    country: Country = None
    chosen_path: ChosenPath | None = None
    closed: bool = Field(default=False, description="Whether the conversation ended with its last message.")


def parse_line(line: bytes) -> dict[str, Any]:
    """The JSON object of a line.

    Raises:
        DocumentError: Too long, not UTF-8, not JSON, not an object.
    """
    if len(line) > MAX_LINE_BYTES:
        raise document_error("line", f"longer than {MAX_LINE_BYTES} bytes: split or shorten the interaction")
    document = load_json(line)
    if not isinstance(document, dict):
        raise document_error("line", "a JSON object is expected on every line")
    return document


def is_interaction(document: dict[str, Any]) -> bool:
    """Whether a line is a finished interaction rather than a conversation."""
    return "turns" in document


def interaction_of(
    document: dict[str, Any],
    pseudonyms: ContactPseudonyms,
    *,
    source: str,
    origin: str,
    read_at: datetime,
) -> Interaction:
    """A finished interaction from its document.

    Args:
        document: What `parse_line` made of the line.
        pseudonyms: Makes the contact id.
        source: `s3` or `file`.
        origin: Bucket and key, or file, with the line.
        read_at: When it was read; what `occurred_at` falls back to.

    Raises:
        DocumentError: Names every member that is wrong.
    """
    line = _validated(InteractionLine, document)
    if not any(turn.text.strip() for turn in line.turns):
        raise document_error("turns", "every turn is empty: at least one with text is expected")
    ended_at = line.ended_at or line.turns[-1].at
    return Interaction(
        event_id=interaction_event_id(line.interaction_id, document),
        occurred_at=ended_at or read_at,
        interaction_id=line.interaction_id,
        source=source,
        channel=line.channel or "",
        contact_id=_finished_contact(line.contact, line.channel or source, pseudonyms),
        country=line.country,
        language=line.language,
        chosen_path=line.chosen_path or UNKNOWN_PATH,
        started_at=line.started_at or line.turns[0].at,
        ended_at=ended_at,
        turns=tuple(Turn(role=TurnRole(turn.role), text=turn.text, at=turn.at) for turn in line.turns),
        origin=origin,
    )


def _finished_contact(contact: ContactInput | None, channel: str, pseudonyms: ContactPseudonyms) -> str:
    """Finished interactions come from the company's own store, which knows its customers."""
    if contact is None or not (contact.id or contact.external_id):
        return ""
    return pseudonymous_contact(
        pseudonyms, channel, channel_contact_id=contact.id, external_id=contact.external_id, vouched=True
    ).contact_id


def messages_of(document: dict[str, Any], pseudonyms: ContactPseudonyms, *, read_at: datetime) -> tuple[Message, ...]:
    """The messages of one conversation of a file, in order.

    Raises:
        DocumentError: Names every member that is wrong.
    """
    line = _validated(ConversationLine, document)
    if not (line.contact.id or line.contact.external_id):
        raise document_error("contact", "id or external_id is expected")
    contact = pseudonymous_contact(
        pseudonyms,
        FILE_CHANNEL,
        channel_contact_id=line.contact.id,
        external_id=line.contact.external_id,
        vouched=line.contact.verified,
    )
    base: dict[str, Any] = {
        "conversation_id": conversation_key(FILE_CHANNEL, line.conversation_id),
        "channel": FILE_CHANNEL,
        "contact_id": contact.contact_id,
        "contact_verified": contact.verified,
        "language": line.language,
        "country": line.country,
    }
    found = [
        Message(
            event_id=message_event_id(FILE_CHANNEL, line.conversation_id, message.id or f"#{position}"),
            occurred_at=message.at or read_at,
            kind=MessageKind.USER_MESSAGE,
            channel_message_id=message.id or f"#{position}",
            text=message.text,
            chosen_path=message.chosen_path or line.chosen_path or UNKNOWN_PATH,
            **base,
        )
        for position, message in enumerate(line.messages, start=1)
    ]
    if line.closed:
        found.append(
            Message(
                event_id=message_event_id(FILE_CHANNEL, line.conversation_id, "closed"),
                occurred_at=found[-1].occurred_at,
                kind=MessageKind.CLOSED,
                channel_message_id="closed",
                **base,
            )
        )
    return tuple(found)


def _validated(model: type[M], document: dict[str, Any]) -> M:
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise DocumentError(problems_of(error)) from None
