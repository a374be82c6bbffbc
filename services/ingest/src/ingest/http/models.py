"""Bodies of the REST API."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from floodgate.events import MessageKind
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from ingest.domain.identity import UNKNOWN_PATH
from ingest.domain.lines import (
    ChosenPath,
    ContactInput,
    Country,
    Language,
    Moment,
    Text,
)
from ingest.domain.timeline import ConversationState, EntryType

RESERVED_CHANNELS = frozenset(("intercom", "file", "s3"))


def _not_reserved(channel: str) -> str:
    if channel in RESERVED_CHANNELS:
        raise ValueError(f"{channel} has an entrance of its own: use rest, or the name of your connector")
    return channel


Channel = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$"), AfterValidator(_not_reserved)]
OuterId = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9._@-]+$")]


class StrictModel(BaseModel):
    """Unknown members are refused, so that a typing error is found at once."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Person(ContactInput):
    """Who wrote: `id` is the channel's, `external_id` the company's own."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class MessageRequest(StrictModel):
    """A message of a user."""

    message_id: OuterId = Field(description="Your id of the message: sending it again is the same message.")
    conversation_id: OuterId = Field(description="Your id of the conversation.")
    contact: Person
    channel: Channel = Field(default="rest", description="rest, or the name of your connector.")
    chosen_path: ChosenPath = Field(default=UNKNOWN_PATH, description="Path of buttons that the user chose.")
    clicked_option: UUID | None = Field(
        default=None, description="option_id of the button that the user pressed, from an earlier reply."
    )
    # After clicked_option, because what is required of it depends on that.
    text: Text = Field(
        default="",
        validate_default=True,
        description="What the user wrote. Required, except with clicked_option: a press alone has no text.",
    )
    language: Language = Field(default=None, description="ISO 639-1 code, when you know it.")
    country: Country = Field(default=None, description="ISO 3166-1 alpha-2 code, when you know it.")
    attachment_count: Annotated[int, Field(ge=0, le=1000)] = 0
    occurred_at: Moment | None = Field(default=None, description="When it was written; else now.")

    @field_validator("text")
    @classmethod
    def _says_something(cls, text: str, info: ValidationInfo) -> str:
        # A clicked_option that is wrong is not in the data, and is told by itself.
        if not text and info.data.get("clicked_option", "") is None:
            raise ValueError("a message needs a text, unless it is the press of a button (clicked_option)")
        return text


class CloseRequest(StrictModel):
    """The end of a conversation of a channel without an Intercom of its own."""

    close_id: OuterId = Field(
        default="1", description="Your id of this closing; another one after the conversation was reopened."
    )
    occurred_at: Moment | None = None


class Accepted(BaseModel):
    """Kafka has it."""

    event_id: UUID = Field(description="The same for the same message.")
    conversation_id: str = Field(description="The conversation as Floodgate names it: channel:id.")


class TimelineEntry(BaseModel):
    """One thing that happened."""

    type: EntryType
    event_id: UUID
    occurred_at: datetime
    causation_id: UUID | None = Field(description="The entry that led to this one.")
    kind: MessageKind | None = Field(default=None, description="For a message: what happened.")
    detail: dict[str, Any] = Field(
        description=(
            "The members of the record that a caller acts on. A `reply` among them is `automated`; the `text` of"
            " the first one begins with the words of its `notice`, which tell the user so: show it whole."
        )
    )


class ConversationView(BaseModel):
    """What became of a conversation."""

    conversation_id: str
    state: ConversationState
    entries: list[TimelineEntry]


class Problem(BaseModel):
    """An RFC 9457 problem."""

    type: str
    title: str
    status: int
    detail: str
    remedy: str
    errors: list[dict[str, str]] = []
