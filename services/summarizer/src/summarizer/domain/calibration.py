"""What calibration makes of an answer's sentiment, urgency and satisfaction. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal, TypeVar

from floodgate.catalogue.calibration import FeatureCalibration, NumberCalibration

from summarizer.domain.extraction import SummarizeInteraction
from summarizer.domain.validation import HAPPY_CSAT, UNHAPPY_CSAT

SentimentName = Literal["positive", "neutral", "negative"]
_STEP: Final[Mapping[str, int]] = {"negative": -1, "neutral": 0, "positive": 1}
_EVEN: Final = 0.5
# Less than a whole step, so that no satisfaction alone turns one sentiment into another.
_PULL: Final = 0.98
_DIGITS: Final = 4
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Judged:
    """The three judgements of an interaction."""

    sentiment: SentimentName
    urgency: float
    csat: float


def set_version(prompt: str, calibration: FeatureCalibration | None) -> str:
    """`summarize@2`, or with a calibration that was fitted for that prompt `summarize@2+1f2e3d4c`."""
    return f"{prompt}+{calibration.version}" if calibration and calibration.prompt == prompt else prompt


def calibrated(
    answer: SummarizeInteraction, calibration: FeatureCalibration, *, language: str, country: str | None
) -> SummarizeInteraction:
    """The answer with its judgements corrected; still free of contradictions."""
    said = Judged(answer.sentiment, answer.urgency_score, answer.csat_indicator)
    meant = corrected(said, calibration, language=language, country=country)
    return answer.model_copy(
        update={"sentiment": meant.sentiment, "urgency_score": meant.urgency, "csat_indicator": meant.csat}
    )


def corrected(said: Judged, calibration: FeatureCalibration, *, language: str, country: str | None) -> Judged:
    """What is meant by what was said."""
    cuts = of_place(calibration.sentiment.of, language, country) or calibration.sentiment.cuts
    sentiment = cut(mood(said), cuts)
    csat = number(said.csat, calibration.csat, language, country)
    # What validation would refuse of the model, calibration must not make either.
    if sentiment == "positive":
        csat = max(csat, UNHAPPY_CSAT)
    elif sentiment == "negative":
        csat = min(csat, HAPPY_CSAT)
    return Judged(sentiment, number(said.urgency, calibration.urgency, language, country), csat)


def mood(said: Judged) -> float:
    """One scale for sentiment and satisfaction, about -1.5 to 1.5."""
    return _STEP[said.sentiment] + _PULL * (said.csat - _EVEN)


def cut(value: float, cuts: Sequence[float]) -> SentimentName:
    """The sentiment of a mood. At the cuts themselves the mood is neutral."""
    low, high = cuts
    return "negative" if value < low else "positive" if value > high else "neutral"


def number(said: float, calibration: NumberCalibration, language: str, country: str | None) -> float:
    """A number along its curve, and by its place's shift; 0 to 1."""
    shift = of_place(calibration.shift, language, country) or 0.0
    return round(min(max(along(said, calibration.curve) + shift, 0.0), 1.0), _DIGITS)


def along(said: float, curve: Sequence[tuple[float, float]]) -> float:
    """A number on a curve of points; straight between them, level beyond them."""
    if not curve:
        return said
    if said <= curve[0][0]:
        return curve[0][1]
    for (x0, y0), (x1, y1) in pairwise(curve):
        if said <= x1:
            return y0 + (y1 - y0) * (said - x0) / (x1 - x0)
    return curve[-1][1]


def of_place(values: Mapping[str, V], language: str, country: str | None) -> V | None:
    """The value of a language in a country, else of the language."""
    return values.get(f"{language}-{country}", values.get(language))
