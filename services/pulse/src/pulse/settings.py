"""Settings of pulse: FLOODGATE_PULSE_*, FLOODGATE_NOTIFY_*."""

from __future__ import annotations

from typing import Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class PulseSettings(BaseSettings):
    """How windows close, and how long silence may last."""

    model_config = SettingsConfigDict(env_prefix="FLOODGATE_PULSE_", extra="ignore", frozen=True)

    grace_seconds: float = Field(default=15.0, ge=0, description="A window is written so long after its end.")
    gap_minutes: float = Field(default=30.0, gt=0, description="An interaction without a record for longer is a gap.")
    budget_usd_per_day: float = Field(
        default=0.0, ge=0, description="What model calls may cost in a day before an alert says so; 0: no alert."
    )
    stall_seconds: float = Field(
        default=60.0, ge=5, description="With something to read and nothing taken for so long, the process exits."
    )
    recovery_seconds: float = Field(default=600.0, ge=10, description="How long reading the table may take at a start.")


class NotifySettings(BaseSettings):
    """Who is told. Nobody by default: alerts stand on support.metrics alone then."""

    model_config = SettingsConfigDict(env_prefix="FLOODGATE_NOTIFY_", extra="ignore", frozen=True)

    webhook_url: SecretStr | None = Field(default=None, description="Slack's incoming webhook, or what takes the same.")
    pagerduty_routing_key: SecretStr | None = Field(default=None, description="Integration key of Events API v2.")
    pagerduty_url: str = "https://events.pagerduty.com/v2/enqueue"
    smtp_host: str | None = None
    smtp_port: int = 587
    smtp_user: str | None = None
    smtp_password: SecretStr | None = None
    smtp_starttls: bool = True
    mail_from: str = ""
    mail_to: tuple[str, ...] = Field(default=(), description='JSON list of addresses: ["ops@example.org"].')
    timeout_seconds: float = Field(default=10.0, gt=0, le=60)
    budget_seconds: float = Field(
        default=3600.0,
        gt=0,
        description="How long an alert is tried; then it is a dead letter. An outage is waited out.",
    )

    @model_validator(mode="after")
    def _mail_is_whole(self) -> Self:
        if self.smtp_host is not None and not (self.mail_from and self.mail_to):
            raise ValueError("FLOODGATE_NOTIFY_SMTP_HOST needs FLOODGATE_NOTIFY_MAIL_FROM and FLOODGATE_NOTIFY_MAIL_TO")
        return self
