"""Settings that several services share; each service adds its own beside them.

All come from the environment, or from files of the same names in `FLOODGATE_SECRETS_DIR`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

from keyflow.errors import FatalError
from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

if TYPE_CHECKING:
    from floodgate.kafka_tokens import TokenSource

T = TypeVar("T", bound=BaseSettings)

SECRETS_DIR: Final = "FLOODGATE_SECRETS_DIR"
"""Environment variable: a folder with a file for each secret, named as its variable (a mounted secret, say)."""
_NEEDS: Final[dict[str, Sequence[str]]] = {
    "scram": ("username", "password"),
    "certificate": ("certificate_file", "key_file"),
    "oauth": ("oauth_token_url", "oauth_client_id", "oauth_client_secret"),
    "iam": ("iam_region",),
}
READERS: Final = "reader."
"""After the prefix: begins the groups that nobody joins. Kafka wants a name of every consumer, and an ACL for it."""
_FILES: Final = ("ca_file", "certificate_file", "key_file")


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
    partitions: int | None = Field(
        default=None,
        ge=2,
        description="Of every topic that is declared with more than one; unset: as declared. Change it with "
        "`floodgate topics repartition`.",
    )
    auth: Literal["none", "scram", "certificate", "oauth", "iam"] = Field(
        default="none",
        description="How to sign in: SCRAM-SHA-512, a client certificate, OAuth client credentials, MSK's IAM.",
    )
    tls: bool | None = Field(default=None, description="Encrypt; by default wherever somebody signs in.")
    ca_file: Path | None = Field(default=None, description="Who signs the brokers; by default the system's list.")
    certificate_file: Path | None = None
    key_file: Path | None = None
    key_password: SecretStr | None = None
    username: str | None = None
    password: SecretStr | None = None
    oauth_token_url: str | None = None
    oauth_client_id: str | None = None
    oauth_client_secret: SecretStr | None = None
    oauth_scope: str = ""
    iam_region: str | None = Field(default_factory=lambda: os.environ.get("AWS_REGION"))
    client: dict[str, str | int | bool] = Field(
        default={}, repr=False, description="Further librdkafka settings as JSON; they win over all others."
    )

    @model_validator(mode="after")
    def _complete(self) -> KafkaSettings:
        missing = [name for name in _NEEDS.get(self.auth, ()) if not getattr(self, name)]
        if missing:
            raise ValueError(f"FLOODGATE_KAFKA_AUTH={self.auth} needs {', '.join(map(_variable, missing))}")
        if self.auth in ("certificate", "iam") and self.tls is False:
            raise ValueError(f"FLOODGATE_KAFKA_AUTH={self.auth} needs TLS: leave FLOODGATE_KAFKA_TLS out")
        for name in _FILES:
            path = getattr(self, name)
            if path is not None and not os.access(path, os.R_OK):
                raise ValueError(f"{_variable(name)}: {path} cannot be read")
        return self

    def connection(self) -> dict[str, Any]:
        """What every client of librdkafka begins with: where Kafka is, encryption, how to sign in."""
        return {**self._encryption(), **self._sign_in(), **self.client, "bootstrap.servers": self.bootstrap_servers}

    def partitions_of(self, declared: int) -> int:
        """How many partitions a topic has here that is declared with so many; one is one everywhere."""
        return declared if self.partitions is None or declared == 1 else self.partitions

    def reader(self, purpose: str) -> dict[str, Any]:
        """Settings of a consumer of committed records that joins no group and commits nothing.

        Args:
            purpose: Names it to Kafka.
        """
        return {
            **self.connection(),
            "group.id": f"{self.group_prefix}{READERS}{purpose}",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
        }

    def _encryption(self) -> dict[str, Any]:
        encrypted = self.tls if self.tls is not None else self.auth != "none"
        if not encrypted:
            return {} if self.auth == "none" else {"security.protocol": "SASL_PLAINTEXT"}
        found = {
            "security.protocol": "SSL" if self.auth in ("none", "certificate") else "SASL_SSL",
            "ssl.ca.location": self.ca_file,
            "ssl.certificate.location": self.certificate_file,
            "ssl.key.location": self.key_file,
            "ssl.key.password": None if self.key_password is None else self.key_password.get_secret_value(),
        }
        return {name: str(value) for name, value in found.items() if value is not None}

    def _sign_in(self) -> dict[str, Any]:
        if self.auth == "scram":
            assert self.password is not None
            secret = self.password.get_secret_value()
            return {"sasl.mechanism": "SCRAM-SHA-512", "sasl.username": self.username, "sasl.password": secret}
        if self.auth in ("oauth", "iam"):
            return {"sasl.mechanism": "OAUTHBEARER", "oauth_cb": self._tokens()}
        return {}

    def _tokens(self) -> TokenSource:
        from floodgate.kafka_tokens import ClientCredentialTokens, IamTokens  # noqa: PLC0415 - brings AWS's library

        if self.auth == "iam":
            return IamTokens(str(self.iam_region))
        assert self.oauth_client_secret is not None
        return ClientCredentialTokens(
            str(self.oauth_token_url), str(self.oauth_client_id), self.oauth_client_secret, self.oauth_scope
        )


class RegistrySettings(BaseSettings):
    """Where the schema registry is (Confluent's API), and how to sign in."""

    model_config = SettingsConfigDict(env_prefix="FLOODGATE_SCHEMA_REGISTRY_")

    url: str
    ca_file: Path | None = Field(default=None, description="Who signs the registry; by default the system's list.")
    username: str | None = None
    password: SecretStr | None = None
    token: SecretStr | None = Field(default=None, description="A bearer token, instead of user and password.")
    logical_cluster: str = Field(default="", description="Which registry of a provider's the token is for.")

    @model_validator(mode="after")
    def _complete(self) -> RegistrySettings:
        if (self.username is None) != (self.password is None):
            raise ValueError("FLOODGATE_SCHEMA_REGISTRY_USERNAME and …_PASSWORD belong together")
        if self.token is not None and self.username is not None:
            raise ValueError("FLOODGATE_SCHEMA_REGISTRY_TOKEN and …_USERNAME: one of them")
        if (self.token or self.password) and not self.url.startswith("https://"):
            raise ValueError("FLOODGATE_SCHEMA_REGISTRY_URL: a secret goes over https:// only")
        if self.ca_file is not None and not os.access(self.ca_file, os.R_OK):
            raise ValueError(f"FLOODGATE_SCHEMA_REGISTRY_CA_FILE: {self.ca_file} cannot be read")
        return self

    def connection(self) -> dict[str, Any]:
        """Settings of the registry's client."""
        found: dict[str, Any] = {"url": self.url}
        if self.ca_file is not None:
            found["ssl.ca.location"] = str(self.ca_file)
        if self.password is not None:
            found["basic.auth.user.info"] = f"{self.username}:{self.password.get_secret_value()}"
        if self.token is not None:
            found["bearer.auth.credentials.source"] = "STATIC_TOKEN"
            found["bearer.auth.token"] = self.token.get_secret_value()
            found["bearer.auth.logical.cluster"] = self.logical_cluster
        return found


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
    """Reads settings from the environment and the folder of secrets.

    Raises:
        FatalError: Something is missing or wrong; names the variables, never their values.
    """
    secrets = os.environ.get(SECRETS_DIR)
    if secrets and not Path(secrets).is_dir():
        raise FatalError(f"settings: {SECRETS_DIR}: there is no folder {secrets}")
    try:
        return kind(_secrets_dir=secrets or None)
    except ValidationError as error:
        prefix = str(kind.model_config.get("env_prefix", ""))
        problems = "; ".join(_problem(prefix, dict(item)) for item in error.errors(include_input=False))
        raise FatalError(f"settings: {problems} (with the local stack: run `floodgate stack env`)") from None


def _problem(prefix: str, item: dict[str, Any]) -> str:
    said = str(item["msg"]).removeprefix("Value error, ")
    if not item["loc"]:
        return said  # of several together, which it names itself
    name = prefix + "_".join(str(part) for part in item["loc"]).upper()
    return f"{name} is not set" if item["type"] == "missing" else f"{name}: {said}"


def _variable(name: str) -> str:
    return f"FLOODGATE_KAFKA_{name.upper()}"
