"""Settings that several services share; each service adds its own beside them. All come from the environment."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, TypeVar

from keyflow.errors import FatalError
from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

T = TypeVar("T", bound=BaseSettings)


class KafkaSettings(BaseSettings):
    """Where Kafka is, and how to speak to it."""

    model_config = SettingsConfigDict(env_prefix="FLOODGATE_KAFKA_")

    bootstrap_servers: str
    group_prefix: str = Field(default="floodgate.", description="Put before a processor's name to make its group.")
    instance: str = Field(default="0", description="Stable name of this instance's slot.")
    max_in_flight: int = 256
    start_over: bool = Field(
        default=False, description="Accept a group without offsets beside state that is there: a new group, meant so."
    )
    commit_interval_seconds: float = Field(
        default=0.005, ge=0, description="Shortest time between two commits; longer means fewer transactions."
    )
    group_protocol: Literal["classic", "consumer"] = Field(
        default="classic", description='"consumer" is KIP-848: partitions that do not move go on during a rebalance.'
    )
    leave_on_stop: bool = Field(
        default=True,
        description="A stop hands the partitions over at once; false keeps them for the restart of this slot.",
    )
    client: dict[str, str | int | bool] = Field(
        default={}, description="Further librdkafka settings as JSON: TLS, SASL and the like."
    )


class RegistrySettings(BaseSettings):
    """Where the schema registry is (Confluent's API)."""

    model_config = SettingsConfigDict(env_prefix="FLOODGATE_SCHEMA_REGISTRY_")

    url: str


class OpenSearchSettings(BaseSettings):
    """Where OpenSearch is."""

    model_config = SettingsConfigDict(env_prefix="FLOODGATE_OPENSEARCH_")

    url: str
    user: str | None = None
    password: SecretStr | None = None


class CatalogueSettings(BaseSettings):
    """Where the catalogue is."""

    model_config = SettingsConfigDict(env_prefix="FLOODGATE_CATALOGUE_")

    dir: Path = Path("catalogue")
    store: str = Field(
        default="",
        description="Where versions are published: s3://bucket/prefix, file:///folder or a path. Empty: the directory.",
    )
    poll_seconds: float = Field(
        default=3.0, gt=0, le=300, description="Between two looks at the store while a service runs."
    )


class PrivacySettings(BaseSettings):
    """The key that makes pseudonyms."""

    model_config = SettingsConfigDict(env_prefix="FLOODGATE_")

    pseudonym_key: SecretStr


def load(kind: type[T]) -> T:
    """Reads settings from the environment.

    Raises:
        FatalError: Something is missing or wrong; names the variables, never their values.
    """
    try:
        return kind()
    except ValidationError as error:
        prefix = str(kind.model_config.get("env_prefix", ""))
        problems = "; ".join(_problem(prefix, dict(item)) for item in error.errors(include_input=False))
        raise FatalError(f"settings: {problems} (with the local stack: run `floodgate stack env`)") from None


def _problem(prefix: str, item: dict[str, Any]) -> str:
    name = prefix + "_".join(str(part) for part in item["loc"]).upper()
    return f"{name} is not set" if item["type"] == "missing" else f"{name}: {item['msg']}"
