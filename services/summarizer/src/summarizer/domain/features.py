"""The feature record: made from an answer, and laid flat for the feature store."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, get_args
from uuid import UUID

from floodgate.bedrock import ModelResult
from floodgate.catalogue.calibration import FeatureCalibration
from floodgate.events import (
    AvroModel,
    Interaction,
    ResolutionStatus,
    Sentiment,
    Summary,
    Versions,
    derive_event_id,
)
from pydantic import BaseModel

from summarizer.domain.calibration import calibrated, set_version
from summarizer.domain.extraction import SummarizeInteraction

SUMMARY_STEP: Final = "summary"
IDENTIFIER_FEATURE: Final = "interaction_id"
EVENT_TIME_FEATURE: Final = "event_time"
SET_VERSION_FEATURE: Final = "feature_set_version"


@dataclass(frozen=True, slots=True)
class Feature:
    """One feature of the group.

    Attributes:
        kind: Integral, Fractional or String, as Feature Store calls them.
    """

    name: str
    kind: str
    description: str


def event_time_of(interaction: Interaction) -> datetime:
    """When the interaction ended; its last known moment where the source does not say."""
    if interaction.ended_at is not None:
        return interaction.ended_at
    known = [turn.at for turn in interaction.turns if turn.at is not None]
    return known[-1] if known else interaction.occurred_at


def content_hash(interaction: Interaction, feature_set: str = "") -> str:
    """The same for the same conversation under the same prompt and calibration, whichever event brought it."""
    digest = hashlib.sha256(feature_set.encode() + b"\0")
    for part in (event_time_of(interaction).isoformat(), interaction.country or "", interaction.contact_id):
        digest.update(part.encode() + b"\0")
    for turn in interaction.turns:
        digest.update(turn.role.value.encode() + b"\1" + turn.text.encode(errors="surrogatepass") + b"\0")
    return digest.hexdigest()[:32]


def summary_of(
    interaction: Interaction,
    result: ModelResult[SummarizeInteraction],
    *,
    language: str,
    now: datetime,
    versions: Versions,
    calibration: FeatureCalibration | None = None,
) -> Summary:
    """The feature record of one interaction; its id follows from the interaction's event.

    Calibration is applied to what the model said that it was fitted for, and to nothing else.
    """
    answer, usage = result.value, result.usage
    applied = calibration if calibration is not None and calibration.fits(usage.model_label, versions.prompt) else None
    if applied is not None:
        answer = calibrated(answer, applied, language=language, country=interaction.country)
    return Summary(
        event_id=derive_event_id(interaction.event_id, SUMMARY_STEP),
        occurred_at=now,
        causation_id=interaction.event_id,
        interaction_id=interaction.interaction_id,
        contact_id=interaction.contact_id,
        summary=answer.summary,
        sentiment=Sentiment(answer.sentiment),
        primary_topic=answer.primary_topic,
        intent=answer.intent,
        resolution_status=ResolutionStatus(answer.resolution_status),
        urgency_score=answer.urgency_score,
        csat_indicator=answer.csat_indicator,
        language=language,
        country=interaction.country,
        model=usage.model_label,
        repaired=result.repaired,
        usage=usage.to_record(),
        versions=versions,
        feature_set_version=set_version(versions.prompt, applied),
        event_time=event_time_of(interaction),
    )


def feature_definitions() -> tuple[Feature, ...]:
    """The features of the group, read off the record so that the two cannot drift apart."""
    return tuple(
        Feature(name, _kind(annotation), description) for name, annotation, description in _fields(Summary, "")
    )


def feature_values(summary: Summary) -> dict[str, str]:
    """The record as Feature Store takes it: every value as text, absent ones left out."""
    values = {name: _text(value) for name, value in _flat(summary, "") if value is not None}
    # Records of before the field was there say it by their prompt.
    return values | {SET_VERSION_FEATURE: summary.feature_set_version or summary.versions.prompt}


def typed_values(values: Mapping[str, str]) -> dict[str, str | int | float]:
    """Values as they came from the store, with their types."""
    kinds = {feature.name: feature.kind for feature in feature_definitions()}
    read = {"Integral": int, "Fractional": float}
    return {name: read.get(kinds.get(name, ""), str)(value) for name, value in values.items()}


def _fields(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, Any, str]]:
    for name, field in model.model_fields.items():
        annotation = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, AvroModel):
            yield from _fields(annotation, f"{prefix}{name}_")
        else:
            yield f"{prefix}{name}", annotation, field.description or ""


def _flat(model: AvroModel, prefix: str) -> Iterator[tuple[str, Any]]:
    for name in type(model).model_fields:
        value = getattr(model, name)
        if isinstance(value, AvroModel):
            yield from _flat(value, f"{prefix}{name}_")
        else:
            yield f"{prefix}{name}", value


def _kind(annotation: Any) -> str:
    kinds = {kind for kind in (get_args(annotation) or (annotation,)) if kind is not type(None)}
    if kinds <= {bool, int}:
        return "Integral"
    return "Fractional" if kinds == {float} else "String"


def _text(value: Any) -> str:
    match value:
        case bool():
            return "1" if value else "0"
        case StrEnum():
            return value.value
        case datetime():
            return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        case UUID():
            return str(value)
        case float():
            return repr(value)
        case _:
            return str(value)
