"""Settings of the agent: FLOODGATE_AGENT_*, FLOODGATE_SHOP_*."""

from __future__ import annotations

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class AgentSettings(BaseSettings):
    """How long things may take."""

    model_config = SettingsConfigDict(env_prefix="FLOODGATE_AGENT_", extra="ignore", frozen=True)

    budget_seconds: float = Field(default=120.0, gt=0, description="Of a record, from its first attempt.")
    look_up_patience_seconds: float = Field(
        default=60.0, ge=0, description="A look-up is tried again while more than this is left of the budget."
    )
    reading_seconds: float = Field(default=15.0, gt=0, description="For the model to read an answer.")
    retrieval_seconds: float = Field(default=1.5, gt=0, description="For the knowledge; it costs only the citation.")
    reply_ttl_seconds: float = Field(default=3_600.0, gt=0, description="A reply older than this is not sent.")
    action_ttl_seconds: float = Field(default=3_600.0, gt=0, description="An action decided longer ago is not done.")
    approval_ttl_seconds: float = Field(
        default=14_400.0, gt=0, description="A proposal that nobody decided about in this time is handed over."
    )
    bar_seconds: float = Field(
        default=300.0, ge=0, description="Between two looks of the first instance at the evidence; 0: it does not look."
    )
    limits_store: str = Field(
        default="",
        description="Where actions are counted against their limits: s3://bucket/prefix, file:///folder or a path. "
        "Empty: s3://$FLOODGATE_S3_BUCKET/agent.",
    )
    state_ttl_seconds: float = Field(default=7 * 86_400.0, gt=0, description="A conversation is forgotten after it.")


class BucketSettings(BaseSettings):
    """The bucket that the services share."""

    model_config = SettingsConfigDict(env_prefix="FLOODGATE_", extra="ignore", frozen=True)

    s3_bucket: str = ""


class ShopSettings(BaseSettings):
    """Where the shop is."""

    model_config = SettingsConfigDict(env_prefix="FLOODGATE_SHOP_", extra="ignore", frozen=True)

    base_url: str = Field(pattern=r"^https?://")
    token: SecretStr
    timeout_seconds: float = Field(default=10.0, gt=0, le=60)
    max_connections: int = Field(default=64, gt=0)


class FirstInstance(BaseSettings):
    """Which instance this is: what has to be done once is the first one's."""

    model_config = SettingsConfigDict(env_prefix="FLOODGATE_", extra="ignore", frozen=True)

    kafka_instance: str = "0"
