"""Settings of the knowledge job, from the environment."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class KnowledgeSettings(BaseSettings):
    """`FLOODGATE_KNOWLEDGE_*`; the bucket is the one that all services share."""

    model_config = SettingsConfigDict(env_prefix="FLOODGATE_KNOWLEDGE_", populate_by_name=True, extra="ignore")

    bucket: str = Field(validation_alias="FLOODGATE_S3_BUCKET", description="Where the content is kept.")
    prefix: str = Field(default="knowledge", pattern=r"^[a-z0-9-]+(/[a-z0-9-]+)*$")
    keep_versions: int = Field(default=3, ge=1, description="Versions kept in S3, the current one included.")
    replicas: int = Field(default=0, ge=0, description="Copies of each index beside the first.")
    embed_batch_size: int = Field(default=64, ge=1, le=512, description="Texts embedded at the same time.")
    index_timeout_seconds: float = Field(default=30.0, gt=0, description="For one request to OpenSearch.")
    alias_prefix: str = Field(default="floodgate", pattern=r"^[a-z0-9-]+$")
