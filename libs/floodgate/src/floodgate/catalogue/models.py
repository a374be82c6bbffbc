"""The catalogue as typed, immutable models: what a support team edits under `catalogue/`."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Annotated, Any, Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, field_validator

from floodgate.catalogue.calibration import FeatureCalibration

GENERIC_CATEGORY: Final = "none"
PERSON_PATH: Final = "person"

Language = Annotated[str, Field(pattern=r"^[a-z]{2}$")]
Country = Annotated[str, Field(pattern=r"^[A-Z]{2}$")]
Id = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*(/[a-z0-9_]+)*$", max_length=64)]
Texts = dict[Language, str]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
OpenHours = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d$")]


class CatalogueModel(BaseModel):
    """Immutable; unknown members are refused so that a typing error is found at once."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Owned(CatalogueModel):
    """A piece that somebody answers for."""

    owner: str = Field(description="Team or role that answers for it.")
    review_by: date = Field(description="When it has to be looked at again.")


class Automation(StrEnum):
    """How far a category may be automated."""

    OFF = "off"
    SHADOW = "shadow"
    PROPOSE = "propose"
    ON = "on"


class Path(CatalogueModel):
    """A path of buttons that a user can choose."""

    id: Id
    label: Texts = Field(description="What the button says, per served language.")
    category: str | None = Field(default=None, description="Category that belongs here; null for a generic path.")
    generic: bool = Field(default=False, description='True for "Other" and the like.')


class Bar(CatalogueModel):
    """What has to be shown before a category's automation is `on`, and what it must not break while it is.

    Shares are compared by the ends of their 95 % interval: shown means surely reached, broken means surely missed.
    """

    min_cases: int = Field(default=50, ge=20, description="Proposals that a person judged.")
    min_agreement: float = Field(default=0.9, gt=0.5, lt=1, description="Share of them that the person approved.")
    max_reopened: float = Field(default=0.15, gt=0, lt=0.5, description="Of what was resolved, within seven days.")
    max_wrong_path: float = Field(default=0.1, gt=0, lt=0.5, description="Of what a reviewer gave feedback on.")
    window_days: int = Field(default=28, ge=7, le=90, description="How far back is looked.")


class Category(Owned):
    """Something that users write about."""

    id: Id
    title: Texts
    path: str = Field(description="Id of the button path where it belongs.")
    team: str
    automation: Automation = Automation.OFF
    never_automate: bool = False
    workflow: str | None = None
    bar: Bar = Field(default=Bar(), description="What has to be shown for `automation: on`.")
    confusable_with: tuple[str, ...] = ()
    examples: dict[Language, tuple[str, ...]] = Field(description="Short texts that customers could have written.")

    @field_validator("automation", mode="before")
    @classmethod
    def _yaml_switch(cls, value: Any) -> Any:
        """YAML reads a bare `on` and `off` as true and false; the author meant the words."""
        if isinstance(value, bool):
            return Automation.ON if value else Automation.OFF
        return value


class UrgencyRule(Owned):
    """When a message is urgent whatever else it is."""

    id: Id
    title: str
    team: str
    quarantine_never: bool = True
    phrases: dict[Language, tuple[str, ...]] = Field(description="Words that make it hold, per language.")
    reply: str | None = Field(default=None, description="Template with approved wording.")


class Team(Owned):
    """A human queue."""

    id: Id
    title: str
    intercom_team_id: str
    low_priority: bool = False
    time_zone: str = Field(default="UTC", description="IANA name of the zone that hours and holidays are meant in.")
    hours: dict[Weekday, tuple[OpenHours, ...]] = Field(
        default={}, description="Per weekday from-until, as 09:00-17:30; empty: it is there day and night."
    )
    holidays: tuple[date, ...] = Field(default=(), description="Days on which nobody is there.")
    capacity: int | None = Field(default=None, gt=0, description="From so many waiting conversations on it is busy.")

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"{value!r} is no time zone: write Europe/Amsterdam or the like") from error
        return value

    @field_validator("hours")
    @classmethod
    def _in_order(cls, value: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        for day, spans in value.items():
            times = [time for span in spans for time in span.split("-")]
            if times != sorted(set(times)):
                raise ValueError(f"{day}: {', '.join(spans)} is not in order, or ends before it begins")
        return value


class Template(Owned):
    """A reply in every served language; {places} are filled from slots."""

    id: Id
    texts: Texts


class Thresholds(CatalogueModel):
    """Where the firewall draws its lines."""

    min_confidence: float = Field(default=0.45, ge=0, le=1, description="Below this a human looks.")
    redirect_confidence: float = Field(
        default=0.6, ge=0, le=1, description="At or above this a wrong path is redirected."
    )
    urgent: float = Field(default=0.7, ge=0, le=1)
    belongs: float = Field(default=0.5, ge=0, le=1, description="Below this a text does not belong to its path.")
    in_scope: float = Field(default=0.5, ge=0, le=1, description="Below this no category fits.")
    misuse: float = Field(default=0.6, ge=0, le=1, description="At or above this it is misuse.")
    automate_confidence: float = Field(default=0.6, ge=0, le=1)


class Cascade(CatalogueModel):
    """Where the local classifier may answer alone instead of the model: nowhere, unless a language is named."""

    certainty: dict[Language, Annotated[float, Field(gt=0, le=1)]] = Field(
        default={}, description="Per language that is switched on: from how sure on it answers."
    )
    audit_share: float = Field(default=0.02, ge=0, le=1, description="Of its answers: the model is asked all the same.")
    max_error: float = Field(default=0.03, gt=0, lt=1, description="Audited error above which it is switched off.")


class Article(Owned):
    """A curated piece of knowledge in one language."""

    id: Id
    language: Language
    title: str
    countries: tuple[Country, ...] = Field(default=(), description="Empty: everywhere.")
    category: str | None = None
    body: str


class SourceKind(StrEnum):
    """Where knowledge outside the catalogue comes from."""

    DIRECTORY = "directory"
    S3 = "s3"
    FEED = "feed"
    SITEMAP = "sitemap"
    CONFLUENCE = "confluence"


class KnowledgeSource(Owned):
    """Knowledge that others keep: the daily job reads it and keeps what is allowed."""

    id: Id
    kind: SourceKind
    location: str = Field(min_length=1, description="Folder or file, s3://bucket/prefix, or https:// address.")
    language: Language = Field(description="Its language, where `languages` says no other.")
    languages: dict[str, Language] = Field(default={}, description="Language by a part of the address or name.")
    category: str | None = Field(default=None, description="Its category, where `categories` says no other.")
    categories: dict[str, str] = Field(default={}, description="Category by a part of the address or name.")
    countries: tuple[Country, ...] = Field(default=(), description="Empty: everywhere.")
    allow: tuple[str, ...] = Field(default=(), description="Beginnings of addresses or names; the rest stays out.")
    deny: tuple[str, ...] = Field(default=(), description="Beginnings that stay out although they are allowed.")
    max_documents: int = Field(default=500, ge=1, le=5_000)
    max_document_bytes: int = Field(default=1_000_000, ge=1_000, le=20_000_000)
    stale_after_days: int = Field(default=365, ge=1, description="Older documents are told in the report.")

    @property
    def on_the_web(self) -> bool:
        """Whether it is read over HTTP."""
        return self.kind in {SourceKind.FEED, SourceKind.SITEMAP}


class Catalogue(CatalogueModel):
    """One version of everything."""

    version: str = Field(description="First twelve hexadecimal digits of the SHA-256 of its files.")
    company: str
    languages: tuple[Language, ...]
    countries: tuple[Country, ...]
    default_language: Language = "en"
    max_redirects: int = 2
    thresholds: Thresholds = Thresholds()
    category_thresholds: dict[str, Thresholds] = {}
    country_thresholds: dict[str, Thresholds] = {}
    cascade: Cascade = Cascade()
    language_thresholds: dict[str, Thresholds] = {}
    paths: tuple[Path, ...]
    categories: tuple[Category, ...]
    urgency: tuple[UrgencyRule, ...]
    teams: tuple[Team, ...]
    templates: tuple[Template, ...]
    articles: tuple[Article, ...]
    sources: tuple[KnowledgeSource, ...] = ()
    topics: tuple[str, ...] = Field(description="Closed set for the feature record's primary_topic.")
    intents: tuple[str, ...] = Field(description="Closed set for the feature record's intent.")
    calibration: FeatureCalibration | None = Field(default=None, description="Of the feature record's numbers.")
    workflows: dict[str, Any] = Field(default={}, description="Raw YAML by workflow id; the agent gives them meaning.")
