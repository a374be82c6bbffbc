"""The calibration of the feature record: plain numbers that `floodgate calibrate` fits from labelled interactions."""

from __future__ import annotations

import hashlib
from datetime import date
from itertools import pairwise
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, model_validator

Share = Annotated[float, Field(ge=0, le=1)]
Place = Annotated[str, Field(pattern=r"^[a-z]{2}(-[A-Z]{2})?$")]
"""A language, or a language in a country: `nl`, `nl-BE`. The narrower one decides where both are there."""
_VERSION_DIGITS: Final = 8


class _Numbers(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class NumberCalibration(_Numbers):
    """How a number of 0 to 1 is corrected: along a rising curve, then by a place's own amount."""

    curve: tuple[tuple[Share, Share], ...] = Field(default=(), description="Said and meant; empty: as it was said.")
    shift: dict[Place, Annotated[float, Field(ge=-1, le=1)]] = {}

    @model_validator(mode="after")
    def _rises(self) -> NumberCalibration:
        if any(a[0] >= b[0] or a[1] > b[1] for a, b in pairwise(self.curve)):
            raise ValueError("the curve has to rise from point to point")
        return self


class SentimentCalibration(_Numbers):
    """Where the customer's mood is cut into negative, neutral and positive.

    The mood is the said sentiment (-1, 0, 1) and half a step of satisfaction (csat - 0.5); at -0.5 and 0.5 it says what
    the model said.
    """

    cuts: tuple[float, float] = (-0.5, 0.5)
    of: dict[Place, tuple[float, float]] = {}

    @model_validator(mode="after")
    def _in_order(self) -> SentimentCalibration:
        if any(low > high for low, high in (self.cuts, *self.of.values())):
            raise ValueError("the cut towards negative has to lie below the one towards positive")
        return self


class FeatureCalibration(_Numbers):
    """What is added to what one model says under one prompt."""

    model: str = Field(description="As feature records name it; what another model said is left as it is.")
    prompt: str = Field(description="Name and version of the prompt, such as summarize@2.")
    fitted_on: date
    rows: dict[Place, int] = Field(default={}, description="Labelled interactions by language.")
    sentiment: SentimentCalibration = SentimentCalibration()
    urgency: NumberCalibration = NumberCalibration()
    csat: NumberCalibration = NumberCalibration()

    def fits(self, model: str, prompt: str) -> bool:
        """Whether it was fitted for what this model says under this prompt."""
        return (self.model, self.prompt) == (model, prompt)

    @property
    def version(self) -> str:
        """First digits of the SHA-256 of its numbers."""
        numbers = self.model_dump_json(exclude={"fitted_on", "rows"})
        return hashlib.sha256(numbers.encode()).hexdigest()[:_VERSION_DIGITS]
