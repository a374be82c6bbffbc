"""Settings of the model client, from the environment."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import AliasChoices, Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class BedrockSettings(BaseSettings):
    """`FLOODGATE_BEDROCK_*`; the region and the cap on spending also have their usual names.

    Without a region here, boto's own configuration decides.
    """

    model_config = SettingsConfigDict(
        env_prefix="FLOODGATE_BEDROCK_", populate_by_name=True, extra="ignore", env_ignore_empty=True
    )

    region: str | None = Field(
        default=None,
        validation_alias=AliasChoices("FLOODGATE_BEDROCK_REGION", "AWS_REGION", "AWS_DEFAULT_REGION"),
    )
    model_id: str = "eu.amazon.nova-lite-v1:0"
    # Asked while the first model is out; it needs access, a price, and answers that were evaluated too.
    fallback_model_id: str | None = None
    embed_model_id: str = "amazon.titan-embed-text-v2:0"
    embed_dimensions: int = Field(default=256, ge=1)
    embed_cache_size: int = Field(default=4_096, ge=0)
    max_in_flight: int = Field(default=256, ge=1, le=2_048)
    # The account's quota per minute, as `floodgate bedrock doctor` shows it. Without it, throttling alone is the limit.
    requests_per_minute: float | None = Field(default=None, gt=0)
    tokens_per_minute: float | None = Field(default=None, gt=0)
    embed_requests_per_minute: float | None = Field(default=None, gt=0)
    embed_tokens_per_minute: float | None = Field(default=None, gt=0)
    instances: int = Field(default=1, ge=1, description="Processes that share the quota; each takes an equal part.")
    max_attempts: int = Field(default=4, ge=1)
    connect_timeout_seconds: float = Field(default=3.0, gt=0)
    read_timeout_seconds: float = Field(default=20.0, gt=0)
    deadline_seconds: float = Field(default=60.0, gt=0)
    max_usd: float | None = Field(
        default=None, ge=0, validation_alias=AliasChoices("FLOODGATE_BEDROCK_MAX_USD", "MAX_USD")
    )
    price_file: Path | None = None

    @model_validator(mode="after")
    def _two_models(self) -> Self:
        if self.fallback_model_id == self.model_id:
            raise ValueError("fallback_model_id is the model that it should stand in for: name another one")
        return self

    def share(self, per_minute: float | None) -> float | None:
        """This process's part of a quota."""
        return None if per_minute is None else per_minute / self.instances
