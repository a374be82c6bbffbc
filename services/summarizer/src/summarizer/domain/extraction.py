"""The question to the model and the closed sets of its answer."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final, Literal

from floodgate.bedrock import ModelRequest, Prompt, load_prompt
from floodgate.catalogue import Catalogue
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, create_model

from summarizer.domain.transcript import Transcript
from summarizer.domain.vocabulary import folded

MAX_SUMMARY_CHARS: Final = 200
_HIDDEN: Final = frozenset({"Cc", "Cf", "Cn", "Co", "Cs"})


def _plain(value: str) -> str:
    """One line; what nobody can see has no place in a feature."""
    if not value.isprintable() and any(unicodedata.category(c) in _HIDDEN for c in value if c not in "\n\t\r"):
        raise ValueError("contains characters that cannot be seen; write plain text")
    return " ".join(value.split())


class SummarizeInteraction(BaseModel):
    """The input of the tool `summarize_interaction`; `output_model` closes its sets over a catalogue."""

    model_config = ConfigDict(extra="ignore", str_strip_whitespace=True)

    summary: Annotated[str, AfterValidator(_plain), Field(min_length=1, max_length=MAX_SUMMARY_CHARS)]
    sentiment: Literal["positive", "neutral", "negative"]
    primary_topic: str
    intent: str
    resolution_status: Literal["resolved", "escalated", "pending"]
    # Strict: a text, true or a value that is no number is the model's mistake, not ours to read kindly.
    urgency_score: float = Field(ge=0, le=1, strict=True, allow_inf_nan=False)
    csat_indicator: float = Field(ge=0, le=1, strict=True, allow_inf_nan=False)
    language: str = Field(default="", json_schema_extra={"maxLength": 2})


def output_model(catalogue: Catalogue) -> type[SummarizeInteraction]:
    """The output model for one catalogue; its values keep the catalogue's order, so the schema stays byte-identical."""
    fields: dict[str, Any] = {
        "primary_topic": (_one_of(catalogue.topics), ...),
        "intent": (_one_of(catalogue.intents), ...),
    }
    return create_model("SummarizeInteraction", __base__=SummarizeInteraction, **fields)


def summarize_prompt(catalogue: Catalogue) -> Prompt[SummarizeInteraction]:
    """The versioned prompt, byte-identical for one catalogue version.

    Raises:
        FatalError: The prompt file is missing or malformed.
    """
    return load_prompt("summarizer.prompts", "summarize.md", output_model(catalogue), company=catalogue.company)


def words_of_the_house(catalogue: Catalogue) -> frozenset[str]:
    """Folded words that a summary may use without support: the company and what the catalogue calls its things."""
    texts = [catalogue.company, *catalogue.topics, *catalogue.intents]
    texts += [title for category in catalogue.categories for title in category.title.values()]
    return frozenset(word for text in texts for word in re.findall(r"[^\W\d_]+", folded(text)))


def plan(
    prompt: Prompt[SummarizeInteraction],
    transcript: Transcript,
    *,
    language: str,
    summary_language: str,
    check: Callable[[SummarizeInteraction], None],
    deadline_seconds: float | None = None,
) -> ModelRequest[SummarizeInteraction]:
    """The request for one interaction.

    Args:
        prompt: The fixed part.
        transcript: What is shown.
        language: Of the interaction.
        summary_language: Of the summary.
        check: Refuses what types cannot; its message is what the model is shown for the one repair.
        deadline_seconds: Time for the call, repair included.
    """
    return ModelRequest(
        prompt=prompt,
        user_text=(
            f"<language>{language}</language>\n<summary_language>{summary_language}</summary_language>\n"
            f"<transcript>\n{transcript.rendered()}\n</transcript>"
        ),
        metadata={"service": "summarizer", "prompt": f"{prompt.name}-{prompt.version}"},
        deadline_seconds=deadline_seconds,
        check=check,
    )


def _one_of(values: Sequence[str]) -> Any:
    allowed = frozenset(values)

    def check(value: str) -> str:
        if value not in allowed:
            raise ValueError("not one of the allowed values")
        return value

    return Annotated[str, AfterValidator(check), Field(json_schema_extra={"enum": list(values)})]
