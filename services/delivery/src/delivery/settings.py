"""Settings of delivery: FLOODGATE_DELIVERY_*, FLOODGATE_WEBHOOK_*."""

from __future__ import annotations

from typing import Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class DeliverySettings(BaseSettings):
    """How fast, for how long, and what a resolved case becomes."""

    model_config = SettingsConfigDict(env_prefix="FLOODGATE_DELIVERY_", extra="ignore", frozen=True)

    budget_seconds: float = Field(default=300.0, gt=0, description="For one command, tries included.")
    intercom_calls_per_minute: float = Field(
        default=6_000.0, gt=0, le=10_000, description="Intercom allows an app 10,000; ingest reads with the same app."
    )
    intercom_burst: int = Field(
        default=100, ge=1, le=1_000, description="Calls at once; Intercom counts in 10 s windows."
    )
    close_resolved: bool = Field(default=True, description="Close a conversation that a workflow resolved.")
    general_team: str = Field(default="general", description="Team that gets what belongs to no other.")
    state_ttl_seconds: float = Field(default=30 * 86_400.0, gt=0, description="A conversation is forgotten after it.")


class WebhookSettings(BaseSettings):
    """Where commands of other channels go; without a URL their callers poll."""

    model_config = SettingsConfigDict(env_prefix="FLOODGATE_WEBHOOK_", extra="ignore", frozen=True)

    url: str | None = Field(default=None, pattern=r"^https?://")
    signing_secret: SecretStr | None = None
    timeout_seconds: float = Field(default=10.0, gt=0, le=60)

    @model_validator(mode="after")
    def _signed(self) -> Self:
        if self.url is not None and (self.signing_secret is None or len(self.signing_secret.get_secret_value()) < 16):
            raise ValueError("FLOODGATE_WEBHOOK_URL needs FLOODGATE_WEBHOOK_SIGNING_SECRET of 16 characters or more")
        return self
