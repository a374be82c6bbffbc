"""What Intercom says, as far as Floodgate reads it. Members that we do not know are let through."""

from __future__ import annotations

from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict

T = TypeVar("T")


def _to_id(value: object) -> object:
    """Ids are strings in some places and integers in others; 0 and null mean "nobody"."""
    if value in (None, 0, "0", ""):
        return None
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _none_to_empty(value: object) -> object:
    return {} if value is None else value


Id = Annotated[str, BeforeValidator(lambda value: str(value) if isinstance(value, int) else value)]
OptionalId = Annotated[str | None, BeforeValidator(_to_id)]


class _Read(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Author(_Read):
    """Who wrote a part: `user`, `lead`, `contact` (a customer), `admin`, `team`, or `bot`."""

    type: str = ""
    id: OptionalId = None
    name: str | None = None
    email: str | None = None

    @property
    def is_customer(self) -> bool:
        return self.type in ("user", "lead", "contact")


class Reference(_Read):
    type: str = ""
    id: OptionalId = None


class QuickReplyOption(_Read):
    """A button: what it says, and the uuid that comes back when it is clicked."""

    text: str
    uuid: str


class PartMetadata(_Read):
    quick_reply_options: list[QuickReplyOption] = []
    quick_reply_uuid: str | None = None


class Tag(_Read):
    id: Id
    name: str = ""


class ConversationPart(_Read):
    """One entry of a conversation: a comment, a note, an assignment, a closing …"""

    id: Id
    part_type: str = ""
    body: str | None = None
    created_at: int = 0
    updated_at: int = 0
    assigned_to: Reference | None = None
    author: Author = Author()
    metadata: Annotated[PartMetadata, BeforeValidator(_none_to_empty)] = PartMetadata()
    state: str | None = None
    redacted: bool = False


class ConversationSource(_Read):
    """The message that began the conversation."""

    type: str = ""
    id: OptionalId = None
    delivered_as: str = ""
    subject: str | None = None
    body: str | None = None
    author: Author = Author()


class ContactReference(_Read):
    id: Id
    external_id: str | None = None


class Contacts(_Read):
    contacts: list[ContactReference] = []


class Tags(_Read):
    tags: list[Tag] = []


class ConversationParts(_Read):
    conversation_parts: list[ConversationPart] = []
    total_count: int = 0


class Conversation(_Read):
    """A conversation; in a list or a search it comes without parts, in a webhook with the new one alone."""

    id: Id
    created_at: int = 0
    updated_at: int = 0
    waiting_since: int | None = None
    snoozed_until: int | None = None
    open: bool = False
    state: str = ""
    """open, closed or snoozed."""
    admin_assignee_id: OptionalId = None
    team_assignee_id: OptionalId = None
    source: Annotated[ConversationSource, BeforeValidator(_none_to_empty)] = ConversationSource()
    contacts: Annotated[Contacts, BeforeValidator(_none_to_empty)] = Contacts()
    tags: Annotated[Tags, BeforeValidator(_none_to_empty)] = Tags()
    tags_added: Annotated[Tags, BeforeValidator(_none_to_empty)] = Tags()
    """Only in a webhook about tags: the new ones."""
    custom_attributes: Annotated[dict[str, Any], BeforeValidator(_none_to_empty)] = {}
    conversation_parts: Annotated[ConversationParts, BeforeValidator(_none_to_empty)] = ConversationParts()

    @property
    def parts(self) -> list[ConversationPart]:
        return self.conversation_parts.conversation_parts

    @property
    def contact(self) -> ContactReference | None:
        """The customer who began it."""
        return next(iter(self.contacts.contacts), None)


class _ChangedPart(_Read):
    id: Id


class _ChangedParts(_Read):
    conversation_parts: list[_ChangedPart] = []


class ChangedConversation(_Read):
    """What is read of the answer to a call that changes something: it brings up to 500 parts, the last one new."""

    id: Id
    conversation_parts: Annotated[_ChangedParts, BeforeValidator(_none_to_empty)] = _ChangedParts()

    @property
    def last_part_id(self) -> str | None:
        """Id of the newest part; None where there is none."""
        parts = self.conversation_parts.conversation_parts
        return parts[-1].id if parts else None


class Contact(_Read):
    id: Id
    external_id: str | None = None
    role: str = ""
    name: str | None = None
    email: str | None = None
    language_override: str | None = None
    browser_language: str | None = None
    custom_attributes: Annotated[dict[str, Any], BeforeValidator(_none_to_empty)] = {}
    location: dict[str, Any] | None = None


class Deleted(_Read):
    """What Intercom says of what it deleted."""

    id: Id
    deleted: bool = False


class Admin(_Read):
    id: Id
    name: str | None = None
    email: str | None = None
    team_ids: list[Id] = []
    has_inbox_seat: bool = False


class AppInfo(_Read):
    id_code: str = ""
    name: str = ""
    region: str | None = None


class Me(Admin):
    """The admin of the token, with the workspace that it belongs to."""

    app: AppInfo | None = None


class Team(_Read):
    id: Id
    name: str = ""
    admin_ids: list[Id] = []


class DataAttribute(_Read):
    name: str = ""
    full_name: str = ""
    data_type: str = ""
    model: str = ""
    archived: bool = False


class ConversationAttribute(_Read):
    id: Id
    name: str = ""
    data_type: str = ""
    archived: bool = False


class CursorNext(_Read):
    starting_after: str | None = None
    per_page: int = 20


class CursorPages(_Read):
    page: int = 1
    per_page: int = 20
    total_pages: int = 1
    next: CursorNext | None = None


class ConversationPage(_Read):
    """One page of a list or of a search."""

    conversations: list[Conversation] = []
    total_count: int = 0
    pages: CursorPages | None = None

    @property
    def starting_after(self) -> str | None:
        """The cursor of the next page; None when this is the last."""
        return self.pages.next.starting_after if self.pages and self.pages.next else None


class AdminList(_Read):
    admins: list[Admin] = []


class TeamList(_Read):
    teams: list[Team] = []


class DataList(_Read, Generic[T]):
    data: list[T] = []


class CreatedMessage(_Read):
    """The answer to a conversation that was begun for a contact."""

    id: Id
    conversation_id: Id
    created_at: int = 0
