"""Settings of the console, from the environment."""

from __future__ import annotations

import ipaddress
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class ConsoleSettings(BaseSettings):
    """`FLOODGATE_CONSOLE_*`."""

    model_config = SettingsConfigDict(env_prefix="FLOODGATE_CONSOLE_")

    host: str = "127.0.0.1"
    port: int = Field(default=8400, ge=1, le=65_535)
    access: Literal["local", "proxy", "oidc"] = Field(
        default="local",
        description="local: whoever reaches loopback is the operator; proxy: a trusted proxy names the person; "
        "oidc: people sign in.",
    )
    public_url: str = Field(default="", description="Address that people type; needed beyond loopback.")
    session_secret: SecretStr | None = Field(
        default=None, description="Signs session cookies; without it a start signs everybody out."
    )
    session_hours: float = Field(default=12, gt=0, le=168)

    proxy_secret: SecretStr | None = Field(default=None, description="The proxy sends it as X-Console-Proxy-Secret.")
    proxy_user_header: str = "X-Forwarded-User"
    proxy_groups_header: str = "X-Forwarded-Groups"

    oidc_issuer: str = ""
    oidc_client_id: str = ""
    oidc_client_secret: SecretStr | None = None
    oidc_groups_claim: str = "groups"

    viewers: list[str] = Field(default=["*"], description="Groups that may look; * is everybody who is signed in.")
    reviewers: list[str] = Field(default=["floodgate-reviewers"], description="Groups that may judge and unmask.")
    operators: list[str] = Field(default=["floodgate-operators"], description="Groups that may change things.")

    index: str = Field(default="floodgate-console", pattern=r"^[a-z0-9-]+$", description="Alias of the projection.")
    knowledge_syncs: str = Field(
        default="floodgate-syncs", pattern=r"^[a-z0-9-]+$", description="Where the knowledge job notes its runs."
    )
    keep_days: int = Field(default=30, ge=1, description="Older events leave the projection.")
    daily_budget_usd: float | None = Field(default=None, gt=0)
    two_person_services: list[str] = Field(
        default=["agent"], description="What goes back to these may move money: a second person confirms it."
    )
    redrive_per_second: int = Field(default=20, ge=1, le=1_000)
    metrics_urls: dict[str, str] = Field(
        default={}, description='Where services show their figures: {"firewall": "http://host:9100"}.'
    )
    baseline_cost_per_case_usd: float | None = Field(
        default=None, gt=0, description="Recorded before Floodgate: what a human answer to one case cost."
    )
    baseline_minutes_per_case: float | None = Field(
        default=None, gt=0, description="Recorded before Floodgate: minutes of a human's work on one case."
    )
    baseline_urgent_wait_minutes: float | None = Field(
        default=None, gt=0, description="Recorded before Floodgate: how long urgent cases waited."
    )

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def is_https(self) -> bool:
        """Whether people reach it over TLS."""
        return urlsplit(self.public_url).scheme == "https"

    @model_validator(mode="after")
    def _access_is_whole(self) -> Self:
        """Nobody shall find out after the start that everybody could get in."""
        if self.access == "local" and not self.on_loopback:
            raise ValueError(
                f"host {self.host} is beyond loopback: set FLOODGATE_CONSOLE_ACCESS=oidc, or proxy with "
                "FLOODGATE_CONSOLE_PROXY_SECRET"
            )
        if self.access == "proxy" and (self.proxy_secret is None or len(self.proxy_secret.get_secret_value()) < 16):
            raise ValueError("access=proxy needs FLOODGATE_CONSOLE_PROXY_SECRET with at least 16 characters")
        if self.access == "oidc":
            self._check_oidc()
        if not self.on_loopback and not self.is_https:
            raise ValueError("beyond loopback FLOODGATE_CONSOLE_PUBLIC_URL has to be an https:// address")
        return self

    def _check_oidc(self) -> None:
        wanted = {
            "FLOODGATE_CONSOLE_OIDC_ISSUER": self.oidc_issuer,
            "FLOODGATE_CONSOLE_OIDC_CLIENT_ID": self.oidc_client_id,
            "FLOODGATE_CONSOLE_PUBLIC_URL": self.public_url,
            "FLOODGATE_CONSOLE_SESSION_SECRET": self.session_secret,
        }
        missing = [name for name, value in wanted.items() if not value]
        if missing:
            raise ValueError(f"access=oidc needs {', '.join(missing)}")
