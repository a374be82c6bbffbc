"""Rows of JSON Lines files, one model per task. A bad row is one line that names file, line and remedy."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

from floodgate.json_lines import json_objects
from keyflow import FatalError
from pydantic import BaseModel, ConfigDict, Field, StrictBool, ValidationError, field_validator, model_validator

UNDETERMINED: Final = "und"
OUT_OF_SCOPE: Final = "oos"
_LABELS: Final = {"attack": 1, "injection": 1, "benign": 0, "ordinary": 0, "1": 1, "0": 0}
_ROLES: Final = {"user": "customer", "client": "customer", "assistant": "agent", "admin": "agent", "note": "system"}
_KINDS: Final = {
    "e_mail": "email", "email_address": "email", "mail": "email", "phone_number": "phone", "telephone": "phone",
    "tel": "phone", "credit_card": "card", "card_number": "card", "payment_card": "card", "nationalid": "national_id",
    "national_identifier": "national_id", "id_number": "national_id", "ssn": "national_id", "bsn": "national_id",
    "person": "name", "person_name": "name",
}  # fmt: skip


class Task(StrEnum):
    """What can be measured."""

    INTENT = "intent"
    MATCH = "match"
    INJECTION = "injection"
    SENTIMENT = "sentiment"
    URGENCY = "urgency"
    PRIVACY = "privacy"
    SUMMARY = "summary"
    FEATURES = "features"


class Row(BaseModel):
    """What every row may say. Other members are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    lang: str | None = None
    country: str | None = None

    @property
    def group(self) -> str:
        """Language that the row is counted under."""
        return self.lang or UNDETERMINED

    @property
    def words(self) -> str:
        """The text, for samples and for what must not be tested."""
        return str(getattr(self, "text", ""))


class TextRow(Row):
    """A row with one message."""

    text: str


class IntentRow(TextRow):
    """A message and its category; also an example of the category."""

    intent: str = Field(min_length=1)


class MatchRow(TextRow):
    """A message, the category whose path was chosen, and whether it belongs there."""

    chosen_category: str = Field(min_length=1)
    match: StrictBool


class InjectionRow(TextRow):
    """A message and whether it attacks: 1 or 0."""

    label: Literal[0, 1]

    @field_validator("label", mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:
        return _LABELS.get(value.strip().lower(), value) if isinstance(value, str) else int(value or 0)


class SentimentRow(TextRow):
    """A message and its writer's sentiment."""

    sentiment: Literal["positive", "neutral", "negative"]


class UrgencyRow(TextRow):
    """A message and whether it is urgent; `kind` names the reason."""

    urgent: StrictBool
    chosen_category: str | None = None
    kind: str | None = None


class SpanRow(BaseModel):
    """Half-open range of characters that is personal data."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    start: int = Field(ge=0)
    end: int
    kind: str

    @field_validator("kind")
    @classmethod
    def _usual(cls, value: str) -> str:
        plain = value.strip().lower().replace("-", "_").replace(" ", "_")
        return _KINDS.get(plain, plain)


class PrivacyRow(TextRow):
    """A message and the personal data in it."""

    spans: tuple[SpanRow, ...]

    @model_validator(mode="after")
    def _inside(self) -> PrivacyRow:
        for span in self.spans:
            if not span.start < span.end <= len(self.text):
                raise ValueError(
                    f"the span {span.start} to {span.end} is not inside the text of {len(self.text)} characters; "
                    "count characters (code points) from 0, the end not included"
                )
        return self


class TurnRow(BaseModel):
    """One turn of a conversation."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    role: Literal["customer", "agent", "bot", "system"]
    text: str

    @field_validator("role", mode="before")
    @classmethod
    def _usual(cls, value: Any) -> Any:
        plain = value.strip().lower() if isinstance(value, str) else value
        return _ROLES.get(plain, plain)


class SummaryRow(Row):
    """A conversation and what people made of it."""

    turns: tuple[TurnRow, ...] = Field(min_length=1)
    reference_summaries: tuple[str, ...] = Field(min_length=1)

    @property
    def words(self) -> str:
        return "\n".join(turn.text for turn in self.turns)


class Labels(BaseModel):
    """What people say of an interaction; what nobody labelled is left out."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    sentiment: Literal["positive", "neutral", "negative"] | None = None
    primary_topic: str | None = Field(default=None, min_length=1)
    intent: str | None = Field(default=None, min_length=1)
    resolution_status: Literal["resolved", "escalated", "pending"] | None = None
    urgency: float | None = Field(default=None, ge=0, le=1)
    csat: float | None = Field(default=None, ge=0, le=1)

    @model_validator(mode="before")
    @classmethod
    def _usual(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        names = {"topic": "primary_topic", "resolution": "resolution_status", "urgency_score": "urgency",
                 "csat_indicator": "csat"}  # fmt: skip
        known = {names.get(name, name): given for name, given in value.items() if given is not None}
        for name in ("sentiment", "resolution_status"):
            if isinstance(known.get(name), str):
                known[name] = known[name].strip().lower()
        return known


class FeaturesRow(Row):
    """A finished interaction as it is dropped into S3, with what people say of it."""

    turns: tuple[TurnRow, ...] = Field(min_length=1)
    language: str | None = None
    chosen_path: str | None = None
    labels: Labels
    reference_summaries_en: tuple[str, ...] = ()
    reference_summary_local: tuple[str, ...] = ()
    key_facts: tuple[str, ...] = ()

    @field_validator("reference_summaries_en", "reference_summary_local", "key_facts", mode="before")
    @classmethod
    def _several(cls, value: Any) -> Any:
        several = value if isinstance(value, list | tuple) else () if value is None else (value,)
        # A number among the facts is a fact as well.
        return tuple(str(one) if isinstance(one, int | float) else one for one in several)

    @property
    def group(self) -> str:
        return (self.lang or self.language or UNDETERMINED).split("-")[0].lower()

    @property
    def words(self) -> str:
        return "\n".join(turn.text for turn in self.turns)


ROW_MODELS: Final[dict[Task, type[Row]]] = {
    Task.INTENT: IntentRow,
    Task.MATCH: MatchRow,
    Task.INJECTION: InjectionRow,
    Task.SENTIMENT: SentimentRow,
    Task.URGENCY: UrgencyRow,
    Task.PRIVACY: PrivacyRow,
    Task.SUMMARY: SummaryRow,
    Task.FEATURES: FeaturesRow,
}
_SHAPES: Final[dict[type, str]] = {
    IntentRow: '{"text": "…", "intent": "…"}',
    MatchRow: '{"text": "…", "chosen_category": "…", "match": true}',
    InjectionRow: '{"text": "…", "label": 1}',
    SentimentRow: '{"text": "…", "sentiment": "negative", "lang": "en"}',
    UrgencyRow: '{"text": "…", "lang": "en", "chosen_category": "…", "urgent": true, "kind": "…"}',
    PrivacyRow: '{"text": "…", "lang": "en", "spans": [{"start": 0, "end": 9, "kind": "email"}]}',
    SummaryRow: '{"turns": [{"role": "customer", "text": "…"}], "reference_summaries": ["…"]}',
    FeaturesRow: '{"turns": [{"role": "customer", "text": "…"}], "language": "en", "labels": {"sentiment": "negative", '
    '"primary_topic": "…", "intent": "…", "resolution_status": "resolved", "urgency": 0.2, "csat": 0.6}, '
    '"reference_summaries_en": ["…"], "reference_summary_local": "…", "key_facts": ["…"]}',
}

R = TypeVar("R", bound=Row)


def read_rows(paths: Sequence[Path], model: type[R]) -> list[R]:
    """The rows of some files, in order.

    Raises:
        FatalError: A file cannot be read or holds no row, or a row is wrong: file, line, what, and the remedy.
    """
    shape = _shape(model)
    rows = [_row(place, value, model) for place, value in json_objects(paths, shape)]
    if not rows:
        named = ", ".join(str(path) for path in paths)
        raise FatalError(f"{named}: no rows; write one JSON object per line: {shape}")
    return rows


def _shape(model: type[Row]) -> str:
    """How a row is written; what comes from another kind of row is written like it."""
    return next(_SHAPES[kind] for kind in model.__mro__ if kind in _SHAPES)


def _row(place: str, value: dict[str, Any], model: type[R]) -> R:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        member = ".".join(str(part) for part in first["loc"])
        what = "is missing" if first["type"] == "missing" else str(first["msg"]).removeprefix("Value error, ")
        raise FatalError(f"{place}: {member + ': ' if member else ''}{what}; write {_shape(model)}") from error
