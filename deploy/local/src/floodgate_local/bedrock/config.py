"""The server's configuration file (YAML or JSON); every field has a default, so the file is optional."""

from __future__ import annotations

import importlib
import math
import random
from pathlib import Path
from typing import Final, Protocol, Self, cast

import yaml
from floodgate_nlu.types import Completion, ModelCall
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from floodgate_local.bedrock.faults import FaultSettings

_Z_95: Final = 1.6448536269514722  # the 95th percentile of the standard normal distribution


class ConfigError(ValueError):
    """The configuration cannot be used; the message names the file and the field."""


class TextModel(Protocol):
    """What the server needs of the model behind it (`floodgate_nlu.local_model.LocalModel`)."""

    def complete(self, call: ModelCall) -> Completion: ...

    def embed(self, text: str, dimensions: int) -> list[float]: ...


class LatencySettings(BaseModel):
    """Log-normal response time. Off while `median_ms` is 0; the model's own time counts as part of it."""

    model_config = ConfigDict(extra="forbid")

    median_ms: float = Field(default=0.0, ge=0)
    p95_ms: float = Field(default=0.0, ge=0)
    seed: int = 0

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.median_ms and self.p95_ms < self.median_ms:
            raise ValueError("p95_ms must not be below median_ms")
        return self


class Latency:
    """Draws response times."""

    def __init__(self, settings: LatencySettings) -> None:
        self.settings = settings
        self._random = random.Random(settings.seed)  # noqa: S311 - reproducible latency, not a secret

    def draw_seconds(self) -> float:
        median_ms = self.settings.median_ms
        if not median_ms:
            return 0.0
        sigma = math.log(self.settings.p95_ms / median_ms) / _Z_95
        return median_ms * math.exp(sigma * self._random.gauss(0, 1)) / 1_000


class ServerConfig(BaseModel):
    """What `--config FILE` may hold.

    `model` is the class behind the server as `module:name`; it is called with the catalogue directory.
    """

    model_config = ConfigDict(extra="forbid")

    model: str = "floodgate_nlu.local_model:LocalModel"
    model_threads: int = Field(default=2, ge=1, le=64)
    latency: LatencySettings = LatencySettings()
    faults: FaultSettings = FaultSettings()


def load_config(path: Path | None) -> ServerConfig:
    """Read the configuration file.

    Raises:
        ConfigError: One line that names the file and what is wrong in it.
    """
    if path is None:
        return ServerConfig()
    try:
        return ServerConfig.model_validate(yaml.safe_load(path.read_text("utf-8")) or {})
    except OSError as error:
        raise ConfigError(f"cannot read --config {path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not valid YAML or JSON") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "the file"
        raise ConfigError(f"{path}: {field}: {first['msg']}") from error


def load_model(specification: str, catalogue_dir: Path | None) -> TextModel:
    """Make the model behind the server.

    Raises:
        ConfigError: When there is no such class, or the catalogue cannot be read.
    """
    module_name, _, name = specification.partition(":")
    try:
        factory = getattr(importlib.import_module(module_name), name)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"the model {specification!r} cannot be loaded: {error}") from error
    try:
        return cast(TextModel, factory(catalogue_dir))
    except (OSError, ValueError) as error:
        raise ConfigError(f"the model cannot read the catalogue {catalogue_dir}: {error}") from error
