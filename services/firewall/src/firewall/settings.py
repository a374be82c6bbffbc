"""Settings of the firewall: FLOODGATE_FIREWALL_*."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class FirewallSettings(BaseSettings):
    """How long a message may take and how much of it is read."""

    model_config = SettingsConfigDict(env_prefix="FLOODGATE_FIREWALL_")

    budget_seconds: float = Field(default=20.0, gt=0, description="From the first attempt; then local rules decide.")
    retrieval_seconds: float = Field(default=2.0, gt=0, description="Examples and knowledge; then without them.")
    retrieval_concurrency: int = Field(default=4, ge=1, description="Retrievals at the same time; others wait.")
    retrieval_wait_seconds: float = Field(default=6.0, ge=0, description="For a turn to retrieve; then without.")
    margin_seconds: float = Field(default=1.0, ge=0, description="Kept back from the model for writing the verdict.")
    burst_seconds: float = Field(default=15.0, ge=0, description="Messages so close together are assessed as one.")
    burst_wait_seconds: float = Field(default=2.0, ge=0, description="For the next message, before a person is asked.")
    max_text_chars: int = Field(default=8_000, ge=200, description="Beyond it the middle of a message is left out.")
    max_examples: int = Field(default=8, ge=0, le=32)
    max_passages: int = Field(default=2, ge=0, le=8)
    state_ttl_seconds: float = Field(default=30 * 86_400.0, gt=0, description="A conversation is forgotten after it.")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.retrieval_seconds + self.margin_seconds >= self.budget_seconds:
            raise ValueError("retrieval_seconds and margin_seconds leave nothing of budget_seconds for the model")
        return self
