"""What can be done to a conversation. Kept as JSON in the changelog until it is done."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, TypeAdapter, model_serializer


class Command(BaseModel):
    """Immutable; tolerant of members that a newer version wrote."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Option(Command):
    """A button."""

    option_id: str
    label: str


class TaggedCommand(Command):
    """A command that names itself, also where what has its default is left out (the changelog does so)."""

    @model_serializer(mode="wrap")
    def _with_name(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {"do": getattr(self, "do"), **serialize(self)}  # noqa: B009 (every subclass has it)


class ReplyCommand(TaggedCommand):
    """Says something to the user; with options as buttons."""

    do: Literal["reply"] = "reply"
    text: str
    language: str = ""
    options: tuple[Option, ...] = ()


class NoteCommand(TaggedCommand):
    """Tells the team something that the user does not see."""

    do: Literal["note"] = "note"
    title: str
    text: str


class AssignCommand(TaggedCommand):
    """Puts the conversation into a team's queue."""

    do: Literal["assign"] = "assign"
    team: str
    channel_team_id: str


class TagCommand(TaggedCommand):
    """Sets tags."""

    do: Literal["tag"] = "tag"
    tags: tuple[str, ...]


class AttributesCommand(TaggedCommand):
    """Sets fields that the team filters and routes by."""

    do: Literal["attributes"] = "attributes"
    values: dict[str, str]


class CloseCommand(TaggedCommand):
    """Closes the conversation."""

    do: Literal["close"] = "close"


AnyCommand = Annotated[
    ReplyCommand | NoteCommand | AssignCommand | TagCommand | AttributesCommand | CloseCommand,
    Field(discriminator="do"),
]
ANY_COMMAND: Final[TypeAdapter[AnyCommand]] = TypeAdapter(AnyCommand)


class Order(Command):
    """One command of one event, as the effect carries it.

    Attributes:
        event_id: The event that it serves.
        number: Its place among the event's commands, from 0: with the event's id the idempotency key.
        after_part_id: The last entry that we are known to have written in the conversation.
        expires_at_ms: After this it is not done any more.
        recorded_at_ms: When Kafka got the event; with its first command only, 0 otherwise.
    """

    channel: str
    conversation_id: str
    event_id: str
    number: int
    command: AnyCommand
    after_part_id: str | None = None
    expires_at_ms: int | None = None
    recorded_at_ms: int = 0

    @property
    def key(self) -> str:
        """The idempotency key."""
        return f"{self.event_id}:{self.number}"

    @property
    def mark(self) -> str:
        """What a human sees of it in a note, and what tells a repeat."""
        return f"{self.event_id[:8]}-{self.number}"
