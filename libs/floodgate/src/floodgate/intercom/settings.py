"""Where Intercom is, and as whom we speak to it."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

API_VERSION: Final = "2.16"
HOSTS: Final[dict[str, str]] = {
    "us": "https://api.intercom.io",
    "eu": "https://api.eu.intercom.io",
    "au": "https://api.au.intercom.io",
}


class IntercomSettings(BaseSettings):
    """`FLOODGATE_INTERCOM_…`. An explicit base URL wins over the region."""

    model_config = SettingsConfigDict(env_prefix="FLOODGATE_INTERCOM_", extra="ignore", frozen=True)

    token: SecretStr
    """The app's access token."""
    client_secret: SecretStr
    """The app's client secret, which signs the webhooks."""
    bot_admin_id: str = Field(default="", pattern=r"^\d*$")
    """The admin in whose name Floodgate writes; empty: the admin of the token, which `GET /me` names."""
    region: Literal["us", "eu", "au"] = "us"
    base_url: str | None = Field(default=None, pattern=r"^https?://")
    path_attribute: str = "floodgate_path"
    """The conversation attribute that carries the path which the user chose."""
    screening_team_id: str = Field(default="", pattern=r"^\d*$")
    """The team whose inbox holds conversations until their verdict; empty: none."""
    timeout_seconds: float = Field(default=10.0, gt=0, le=60)
    max_connections: int = Field(default=50, gt=0)

    @property
    def url(self) -> str:
        """The API's address without a trailing slash."""
        return (self.base_url or HOSTS[self.region]).rstrip("/")
