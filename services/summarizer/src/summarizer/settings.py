"""Settings of the summarizer: FLOODGATE_SUMMARIZER_*, and of the feature group: FLOODGATE_FEATURE_*."""

from __future__ import annotations

from typing import Final, Self

from pydantic import AliasChoices, Field, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

AS_INTERACTION: Final = "interaction"
_ALERT_SECONDS: Final = 300.0


class SummarizerSettings(BaseSettings):
    """How interactions become feature records."""

    model_config = SettingsConfigDict(env_prefix="FLOODGATE_SUMMARIZER_")

    # Long: nobody waits for a record, and one that waits for a slot while the model throttles is not to blame.
    budget_seconds: float = Field(default=900.0, gt=0, description="From the first attempt, while other calls succeed.")
    margin_seconds: float = Field(default=1.0, ge=0, description="Kept back from the model for writing the record.")
    max_transcript_chars: int = Field(default=24_000, ge=1_000, description="Beyond it the middle is left out.")
    summary_language: str = Field(
        default=AS_INTERACTION, description='"interaction", or the ISO 639-1 code of one language for all.'
    )
    state_ttl_seconds: float = Field(default=30 * 86_400.0, gt=0)
    batch_after_hours: float | None = Field(
        default=None, ge=0, description="What ended longer ago goes to batch inference; unset: never."
    )
    online_usd_per_day: float | None = Field(
        default=None, ge=0, description="Beyond it the rest of the day (UTC) goes to batch inference; per process."
    )
    online_slo_seconds: float = Field(default=60.0, gt=0, description="How old a record may be at most, online.")
    batch_slo_seconds: float = Field(default=26 * 3600.0, gt=0, description="The same for batch inference.")

    @field_validator("summary_language")
    @classmethod
    def _known(cls, value: str) -> str:
        if value != AS_INTERACTION and not (len(value) == 2 and value.isalpha() and value.islower()):
            raise ValueError('must be "interaction" or a code of two letters such as "en"')
        return value


class BatchSettings(BaseSettings):
    """How batch inference jobs are made."""

    model_config = SettingsConfigDict(env_prefix="FLOODGATE_SUMMARIZER_BATCH_")

    s3_uri: str | None = Field(
        default=None,
        pattern=r"^s3://[^/]+(/[^/]+)*/?$",
        description="Where inputs and outputs of the jobs are, not in the bucket of the drops; unset: no jobs.",
    )
    role_arn: str = Field(
        default="arn:aws:iam::000000000000:role/floodgate-batch",
        description="Role with which Bedrock reads and writes there.",
    )
    min_records: int = Field(default=100, ge=100, description="Bedrock refuses a job with fewer.")
    max_records: int = Field(default=10_000, ge=100, le=50_000)
    max_bytes: int = Field(default=64 * 1024 * 1024, ge=1_000_000)
    max_wait_seconds: float = Field(
        default=3600.0, gt=0, description="How long a record waits for others; then it goes, or back online."
    )
    poll_seconds: float = Field(default=30.0, gt=0, description="Between two looks at the jobs.")
    timeout_hours: int = Field(default=24, ge=24, le=168, description="Then Bedrock lets a job expire.")


class LedgerSettings(BaseSettings):
    """How the books of completeness are kept."""

    model_config = SettingsConfigDict(env_prefix="FLOODGATE_LEDGER_")

    hours: float = Field(default=48.0, gt=0, description="How far back the books go.")
    grace_seconds: float = Field(default=180.0, ge=0, description="How long an interaction may take online.")
    batch_grace_hours: float = Field(default=26.0, ge=0, description="The same for batch inference.")
    look_seconds: float = Field(default=60.0, gt=0, le=240, description="Between two looks.")
    drops_uri: str | None = Field(default=None, description="s3://bucket/prefix of the drops, to count objects too.")

    @model_validator(mode="after")
    def _tells_in_time(self) -> Self:
        if self.grace_seconds + self.look_seconds > _ALERT_SECONDS:
            raise ValueError("GRACE_SECONDS and LOOK_SECONDS together must not be over 300, the time to an alert")
        return self


class FeatureStoreSettings(BaseSettings):
    """Where feature records are kept."""

    model_config = SettingsConfigDict(env_prefix="FLOODGATE_FEATURE_", populate_by_name=True)

    group: str = Field(default="floodgate-interactions", min_length=1, max_length=64)
    region: str | None = Field(
        default=None,
        validation_alias=AliasChoices("FLOODGATE_FEATURE_REGION", "AWS_REGION", "AWS_DEFAULT_REGION"),
    )
    connect_timeout_seconds: float = Field(default=3.0, gt=0)
    read_timeout_seconds: float = Field(default=10.0, gt=0)
    max_concurrency: int = Field(default=32, ge=1, le=512, description="Calls at a time.")
    batch_size: int = Field(default=25, ge=1, le=25, description="Records in a BatchWriteRecord; 1: PutRecord.")
    batch_linger_seconds: float = Field(default=0.1, ge=0, le=10, description="Wait for more records of a batch.")
    budget_seconds: float = Field(default=120.0, gt=0)
    control_endpoint_url: str | None = Field(
        default=None,
        validation_alias=AliasChoices(
            "AWS_ENDPOINT_URL_SAGEMAKER",
            # A stand-in of the runtime answers for the group's declaration as well.
            "AWS_ENDPOINT_URL_SAGEMAKER_FEATURESTORE_RUNTIME",
        ),
    )
    role_arn: str = Field(
        default="arn:aws:iam::000000000000:role/floodgate-feature-store",
        description="Role with which Feature Store writes its offline store.",
    )
    offline_s3_uri: str | None = Field(default=None, description="s3://bucket/prefix; without it online only.")
