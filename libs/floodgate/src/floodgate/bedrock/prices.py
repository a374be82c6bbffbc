"""What a call costs and what a model allows, from a dated table."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from importlib import resources
from pathlib import Path
from typing import Final, Self

import yaml
from keyflow.errors import FatalError
from pydantic import BaseModel, ConfigDict, Field, ValidationError

PACKAGED_TABLE: Final = "prices-2026-11.yaml"
_TOKENS_PER_PRICE: Final = 1_000_000
_PROFILE: Final = re.compile(r"(?:.*/)?(?:(?P<geography>us|eu|apac|global)\.)?(?P<model>[a-z0-9-]+\..+)")


class ModelPrice(BaseModel):
    """One row: USD per 1 million tokens, and what the model allows. `cache_minimum` is in tokens."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    input: float = Field(ge=0)
    output: float = Field(ge=0)
    cache_read: float | None = Field(default=None, ge=0)
    cache_write: float | None = Field(default=None, ge=0)
    cache_minimum: int | None = Field(default=None, ge=1)
    accepts_sampling: bool = True
    regional_surcharge: float = Field(default=1.0, ge=1)
    batch_factor: float = Field(default=0.5, gt=0, le=1)
    unverified: bool = False

    @property
    def caches(self) -> bool:
        return self.cache_minimum is not None

    def scaled(self) -> Self:
        """The row with the regional surcharge worked in."""
        factor = self.regional_surcharge
        return self.model_copy(
            update={
                "input": self.input * factor,
                "output": self.output * factor,
                "cache_read": None if self.cache_read is None else self.cache_read * factor,
                "cache_write": None if self.cache_write is None else self.cache_write * factor,
                "regional_surcharge": 1.0,
            }
        )

    def cost_usd(
        self, input_tokens: int, output_tokens: int, cache_read_tokens: int = 0, cache_write_tokens: int = 0
    ) -> float:
        """The price of these tokens; without a cache price, cached tokens cost what plain ones do."""
        read = self.input if self.cache_read is None else self.cache_read
        write = self.input if self.cache_write is None else self.cache_write
        total = (
            input_tokens * self.input
            + output_tokens * self.output
            + cache_read_tokens * read
            + cache_write_tokens * write
        )
        return total / _TOKENS_PER_PRICE

    def most_usd(self, input_tokens: int, output_tokens: int) -> float:
        """The price if every input token were written to the cache where that costs more."""
        dearest = max(self.input, self.cache_write or 0.0)
        return (input_tokens * dearest + output_tokens * self.output) / _TOKENS_PER_PRICE


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid")

    dated: date
    currency: str = "USD"
    models: dict[str, ModelPrice]


@dataclass(frozen=True)
class PriceTable:
    """A price list of one date."""

    source: str
    dated: date
    models: Mapping[str, ModelPrice]

    @classmethod
    def load(cls, path: Path | None = None) -> PriceTable:
        """Read the packaged table, or the file that overrides it.

        Raises:
            FatalError: When the file cannot be read or a row is wrong; the line names it.
        """
        if path is None:
            text = resources.files("floodgate.bedrock").joinpath(PACKAGED_TABLE).read_text("utf-8")
            return cls.parse(text, PACKAGED_TABLE)
        try:
            return cls.parse(path.read_text("utf-8"), str(path))
        except OSError as error:
            raise FatalError(f"the price table {path} cannot be read: {error.strerror}") from error

    @classmethod
    def parse(cls, text: str, source: str) -> PriceTable:
        """Read a table from its text; see `load`."""
        try:
            table = _Table.model_validate(yaml.safe_load(text))
        except yaml.YAMLError as error:
            raise FatalError(f"the price table {source} is not valid YAML") from error
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or "the file"
            raise FatalError(f"the price table {source}: {where}: {first['msg']}") from error
        return cls(source, table.dated, table.models)

    def price(self, model_id: str) -> ModelPrice:
        """The row of a model id, an inference profile id or the ARN of either, surcharge included.

        The ARN of an application's own profile does not say the model: a table may have it as a row, taken as it is.

        Raises:
            FatalError: For a model that the table does not have.
        """
        if model_id in self.models and model_id.startswith("arn:"):
            return self.models[model_id]
        found = _PROFILE.fullmatch(model_id)
        row = self.models.get(found["model"]) if found else None
        if row is None:
            raise FatalError(
                f"no price for the model {model_id!r} in {self.source}: copy that table, add the model under "
                "`models`, and name the copy in FLOODGATE_BEDROCK_PRICE_FILE"
            )
        regional = found is not None and found["geography"] in {"us", "eu", "apac"}
        return row.scaled() if regional else row
