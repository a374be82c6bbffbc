"""What the API takes: one strict model per request body, written from the published description.

Members that the description does not name are let through, as it allows. Ids are strings, nothing is coerced.
"""

from __future__ import annotations

import json
import re
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from floodgate_local.intercom.errors import ApiError, invalid

MAX_QUICK_REPLY_OPTIONS: Final = 10
"""The description names no maximum; the Messenger shows no more. Refused here rather than found out there."""
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S+")


def _is_uuid(value: str) -> str:
    if not _UUID.fullmatch(value):
        raise ValueError("must be a uuid")
    return value


def _is_uri(value: str) -> str:
    if not _URI.fullmatch(value):
        raise ValueError("must be a uri")
    return value


Uuid = Annotated[str, AfterValidator(_is_uuid)]
Uris = Annotated[list[Annotated[str, AfterValidator(_is_uri)]], Field(max_length=10)]


class _Body(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")


class ReplyOption(_Body):
    text: str
    uuid: Uuid


class AttachmentFile(_Body):
    content_type: str | None = None
    data: str | None = None
    name: str | None = None


ReplyOptions = Annotated[list[ReplyOption], Field(max_length=MAX_QUICK_REPLY_OPTIONS)]


class AdminReply(_Body):
    message_type: Literal["comment", "note", "quick_reply"]
    type: Literal["admin"]
    admin_id: str
    body: str | None = None
    created_at: int | None = None
    reply_options: ReplyOptions | None = None
    attachment_urls: Uris | None = None
    attachment_files: Annotated[list[AttachmentFile], Field(max_length=10)] | None = None
    skip_notifications: bool | None = None

    @model_validator(mode="after")
    def _has_what_its_kind_needs(self) -> AdminReply:
        if self.message_type == "quick_reply":
            if not self.reply_options:
                raise ValueError("reply_options must be present for quick_reply")
        elif not (self.body and self.body.strip()):
            raise ValueError(f"body must be present for {self.message_type}")
        return self


class ContactReply(_Body):
    message_type: Literal["comment"]
    type: Literal["user"]
    body: str
    intercom_user_id: str | None = None
    email: str | None = None
    user_id: str | None = None
    created_at: int | None = None
    reply_options: ReplyOptions | None = None
    attachment_urls: Uris | None = None
    attachment_files: Annotated[list[AttachmentFile], Field(max_length=10)] | None = None

    @model_validator(mode="after")
    def _names_one_contact(self) -> ContactReply:
        if sum(name is not None for name in (self.intercom_user_id, self.email, self.user_id)) != 1:
            raise ValueError("exactly one of intercom_user_id, email and user_id must be present")
        return self


def _member(body: Any, name: str) -> str | None:
    value = body.get(name) if isinstance(body, dict) else getattr(body, name, None)
    return value if isinstance(value, str) else None


Reply = Annotated[
    Annotated[AdminReply, Tag("admin")] | Annotated[ContactReply, Tag("user")],
    Discriminator(lambda body: _member(body, "type")),
]


class Close(_Body):
    message_type: Literal["close"]
    type: Literal["admin"]
    admin_id: str
    body: str | None = None


class Snooze(_Body):
    message_type: Literal["snoozed"]
    admin_id: str
    snoozed_until: int


class Open(_Body):
    message_type: Literal["open"]
    admin_id: str


class Assign(_Body):
    message_type: Literal["assignment"]
    type: Literal["admin", "team"]
    admin_id: str
    assignee_id: str
    body: str | None = None


_AnyManage = (
    Annotated[Close, Tag("close")]
    | Annotated[Snooze, Tag("snoozed")]
    | Annotated[Open, Tag("open")]
    | Annotated[Assign, Tag("assignment")]
)
Manage = Annotated[_AnyManage, Discriminator(lambda body: _member(body, "message_type"))]


class From(_Body):
    type: Literal["lead", "user", "contact"]
    id: Annotated[str, Field(min_length=24, max_length=24)]


class CreateConversation(_Body):
    from_: From = Field(alias="from")
    body: str
    subject: str | None = None
    attachment_urls: Uris | None = None
    created_at: int | None = None
    brand_id: str | None = None


class UpdateConversation(_Body):
    read: bool | None = None
    title: str | None = None
    custom_attributes: dict[str, str | int] | None = None
    company_id: str | None = None


class AttachTag(_Body):
    id: str
    admin_id: str


class DetachTag(_Body):
    admin_id: str


class CreateTag(_Body):
    name: Annotated[str, Field(min_length=1)]
    id: str | None = None


REPLY: Final[TypeAdapter[AdminReply | ContactReply]] = TypeAdapter(Reply)
MANAGE: Final[TypeAdapter[Close | Snooze | Open | Assign]] = TypeAdapter(Manage)
CREATE_CONVERSATION: Final = TypeAdapter(CreateConversation)
UPDATE_CONVERSATION: Final = TypeAdapter(UpdateConversation)
ATTACH_TAG: Final = TypeAdapter(AttachTag)
DETACH_TAG: Final = TypeAdapter(DetachTag)
CREATE_TAG: Final = TypeAdapter(CreateTag)
T = TypeVar("T")


def read(adapter: TypeAdapter[T], raw: bytes) -> T:
    """Reads a request body.

    Raises:
        ApiError: 400, naming the member that is missing or wrong.
    """
    body = read_json(raw)
    _refuse_nulls(body)
    try:
        return adapter.validate_python(body)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        code = "parameter_not_found" if first["type"] == "missing" else "parameter_invalid"
        raise ApiError(400, code, first["msg"], field=place or None) from None


def read_json(raw: bytes) -> Any:
    """Raises ApiError (400) when the body is no JSON."""
    try:
        return json.loads(raw)
    except ValueError:
        raise ApiError(400, "bad_request", "The request body is not JSON") from None


def _refuse_nulls(body: Any) -> None:
    """The description allows null nowhere in these bodies; the models' own None only means "left out"."""
    if isinstance(body, dict):
        for name, value in body.items():
            if value is None:
                raise invalid("must not be null", field=name)
