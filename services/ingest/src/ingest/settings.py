"""Settings of the ingest service, from the environment."""

from __future__ import annotations

from typing import Self

from pydantic import AliasChoices, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

MIN_API_KEY_CHARACTERS = 16


class IngestSettings(BaseSettings):
    """`FLOODGATE_INGEST_…`."""

    model_config = SettingsConfigDict(
        env_prefix="FLOODGATE_INGEST_", extra="ignore", frozen=True, populate_by_name=True
    )

    host: str = "127.0.0.1"
    """Address to listen on; containers set 0.0.0.0."""
    port: int = Field(default=8080, ge=0, le=65535)
    api_key: SecretStr = SecretStr("")
    """Keys of the REST API, separated by commas: a new one is added before the old one is taken away. Empty:
    every call is refused."""
    max_body_bytes: int = Field(default=1_048_576, gt=0)
    produce_timeout_seconds: float = Field(default=4.0, gt=0)
    """How long an HTTP caller waits for Kafka before it is told 503. Intercom gives up after 5 s."""

    bot_admin_ids: str = ""
    """More Intercom admins, separated by commas, who are machines and not people, besides Floodgate's own."""
    language_attribute: str = "language"
    country_attribute: str = "country"
    button_paths: dict[str, str] = {}
    """JSON: path by uuid of a fixed Messenger button."""
    reconcile_interval_seconds: float = Field(default=300.0, ge=0)
    """0 switches the reconciler off."""
    reconcile_lookback_seconds: float = Field(default=7200.0, gt=0)
    """How far back the first pass after a start looks."""
    reconcile_overlap_seconds: float = Field(default=900.0, ge=0)
    """How much of the last window each pass looks at again."""
    reconcile_grace_seconds: float = Field(default=60.0, ge=0)
    """Parts younger than this are left to their webhooks."""

    sqs_queue_url: str = Field(
        default="", validation_alias=AliasChoices("FLOODGATE_INGEST_SQS_QUEUE_URL", "FLOODGATE_SQS_QUEUE_URL")
    )
    """Queue of S3 notifications; empty switches the S3 poller off."""
    s3_prefix: str = "interactions/"
    """Only objects whose key begins so are read."""
    sqs_wait_seconds: int = Field(default=5, ge=0, le=20)
    sqs_visibility_seconds: int = Field(default=120, ge=10, le=43_200)
    """How long a notification stays hidden; renewed while its object is being read."""

    @field_validator("api_key")
    @classmethod
    def _keys_are_long_enough(cls, value: SecretStr) -> SecretStr:
        keys = [key.strip() for key in value.get_secret_value().split(",") if key.strip()]
        if any(len(key) < MIN_API_KEY_CHARACTERS for key in keys):
            raise ValueError(f"a key has fewer than {MIN_API_KEY_CHARACTERS} characters: use a longer one")
        return value

    @model_validator(mode="after")
    def _overlap_covers_the_grace(self) -> Self:
        if self.reconcile_overlap_seconds < self.reconcile_grace_seconds:
            raise ValueError(
                "FLOODGATE_INGEST_RECONCILE_OVERLAP_SECONDS must be at least"
                " FLOODGATE_INGEST_RECONCILE_GRACE_SECONDS: what a pass leaves to the webhooks, the next looks at"
            )
        return self

    @property
    def api_keys(self) -> tuple[bytes, ...]:
        keys = self.api_key.get_secret_value().split(",")
        return tuple(key.strip().encode() for key in keys if key.strip())

    @property
    def extra_bot_admin_ids(self) -> frozenset[str]:
        return frozenset(part.strip() for part in self.bot_admin_ids.split(",") if part.strip())
