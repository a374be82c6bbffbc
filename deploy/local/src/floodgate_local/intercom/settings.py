"""The stand-in's settings, from the environment and the command line."""

from __future__ import annotations

from pathlib import Path

from pydantic import AliasChoices, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from floodgate_local.intercom.workspace import SCREENING_TEAM_ID


class StandInSettings(BaseSettings):
    """`FLOODGATE_INTERCOM_…`, shared with the client where the two must agree."""

    model_config = SettingsConfigDict(
        env_prefix="FLOODGATE_INTERCOM_", extra="ignore", populate_by_name=True, frozen=True
    )

    token: SecretStr = Field(min_length=8)
    client_secret: SecretStr = Field(min_length=8)
    state_dir: Path = Path(".floodgate/intercom")
    rate_limit_per_minute: int = Field(default=10_000, ge=6)
    webhook_target: str | None = Field(
        default=None,
        pattern=r"^https?://",
        validation_alias=AliasChoices("webhook_target", "FLOODGATE_WEBHOOK_TARGET"),
    )
    screening_team_id: str = Field(default=SCREENING_TEAM_ID, pattern=r"^\d*$")
    """The inbox in which new conversations begin; empty: none."""
    release_after_seconds: float = Field(default=0.0, ge=0)
    """How long a conversation waits in the screening inbox before the workspace's own timer lets it go; 0: for ever."""
