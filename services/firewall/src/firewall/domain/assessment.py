"""The model's answer: its closed sets, and what of it survives the code's own check."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from floodgate.catalogue import GENERIC_CATEGORY, CatalogueIndex
from floodgate.events import Misuse
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, create_model

NONE: Final = GENERIC_CATEGORY
MAX_EVIDENCE: Final = 3
MAX_QUOTE_CHARS: Final = 120
MAX_WANTS_CHARS: Final = 160
_SPACES: Final = re.compile(r"\s+")


class AssessMessage(BaseModel):
    """The input of the tool `assess_message`; `assess_message_model` closes its sets over a catalogue.

    Lengths stand in the schema for the model only: an overlong quote is cut, it does not cost a second call.
    """

    model_config = ConfigDict(extra="ignore")

    evidence: list[str] = Field(default_factory=list, json_schema_extra={"maxItems": MAX_EVIDENCE})
    wants: str = Field(default="", json_schema_extra={"maxLength": MAX_WANTS_CHARS})
    language: str = Field(default="", json_schema_extra={"maxLength": 2})
    category: str
    belongs_to_chosen_path: bool
    belongs_probability: float = Field(default=0.5, ge=0, le=1)
    suggested_path: str
    in_scope_probability: float = Field(default=0.5, ge=0, le=1)
    misuse: Literal["none", "injection", "abuse", "spam"]
    misuse_probability: float = Field(default=0.5, ge=0, le=1)
    urgency: float = Field(ge=0, le=1)
    urgency_reasons: list[str] = Field(default_factory=list)
    workflow: str
    confidence: float = Field(ge=0, le=1)


@dataclass(frozen=True, slots=True)
class Assessment:
    """What the model said, as far as the code believes it.

    Attributes:
        category: None when the model said none.
        workflow: The model's candidate; whether it may run is decided by policy.
        belongs_probability: That it belongs to the chosen path; None where the model left it out. The same holds for
            `in_scope_probability` (some category fits) and `misuse_probability` (misuse of any kind).
    """

    category: str | None
    belongs_to_chosen_path: bool
    suggested_path: str | None
    misuse: Misuse
    urgency: float
    urgency_reasons: tuple[str, ...]
    workflow: str | None
    confidence: float
    evidence: tuple[str, ...] = ()
    wants: str = ""
    language: str = ""
    belongs_probability: float | None = None
    in_scope_probability: float | None = None
    misuse_probability: float | None = None


def assess_message_model(index: CatalogueIndex) -> type[AssessMessage]:
    """The output model for one catalogue, its values in a fixed order so that the schema stays byte-identical."""
    workflows = dict.fromkeys(c.workflow for c in index.categories.values() if c.workflow)
    fields: dict[str, Any] = {
        "category": (_one_of((*index.categories, NONE)), ...),
        "suggested_path": (_one_of((*index.paths, NONE)), ...),
        "workflow": (_one_of((*workflows, NONE)), ...),
    }
    if index.urgency_rules:
        reason = _one_of(tuple(index.urgency_rules))
        fields["urgency_reasons"] = (list[reason], Field(default_factory=list))  # type: ignore[valid-type]  # built at run time
    return create_model("AssessMessage", __base__=AssessMessage, **fields)


def _one_of(values: Sequence[str]) -> Any:
    allowed = frozenset(values)

    def check(value: str) -> str:
        if value not in allowed:
            raise ValueError("not one of the allowed values")
        return value

    return Annotated[str, AfterValidator(check), Field(json_schema_extra={"enum": list(values)})]


def interpret(answer: AssessMessage, index: CatalogueIndex, text: str) -> Assessment:
    """The answer held against the catalogue and the text once more; never raises.

    Args:
        answer: What the model said.
        index: Its closed sets.
        text: What the model was shown of the message: quotes must stand in it.
    """
    category = answer.category if answer.category in index.categories else None
    suggested = index.categories[category].path if category is not None else answer.suggested_path
    workflows = {c.workflow for c in index.categories.values()}
    return Assessment(
        category=category,
        belongs_to_chosen_path=answer.belongs_to_chosen_path,
        suggested_path=suggested if suggested in index.paths else None,
        misuse=Misuse(answer.misuse),
        urgency=answer.urgency,
        urgency_reasons=tuple(dict.fromkeys(r for r in answer.urgency_reasons if r in index.urgency_rules)),
        workflow=answer.workflow if answer.workflow in workflows else None,
        confidence=answer.confidence,
        evidence=_quotes(answer.evidence, text),
        wants=_squeeze(answer.wants)[:MAX_WANTS_CHARS],
        language=answer.language.lower()[:2],
        belongs_probability=_given(answer, "belongs_probability"),
        in_scope_probability=_given(answer, "in_scope_probability"),
        misuse_probability=_given(answer, "misuse_probability"),
    )


def _given(answer: AssessMessage, name: str) -> float | None:
    """What the model said itself: a default is nobody's opinion."""
    return float(getattr(answer, name)) if name in answer.model_fields_set else None


def _quotes(quotes: Sequence[str], text: str) -> tuple[str, ...]:
    """Only what the customer really wrote counts as evidence."""
    haystack = _squeeze(text).casefold()
    found = (_squeeze(quote)[:MAX_QUOTE_CHARS] for quote in quotes)
    return tuple(dict.fromkeys(quote for quote in found if quote and quote.casefold() in haystack))[:MAX_EVIDENCE]


def _squeeze(text: str) -> str:
    return _SPACES.sub(" ", text).strip()
