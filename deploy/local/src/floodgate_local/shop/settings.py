"""The shop's settings, from the environment and the command line."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class ShopSettings(BaseSettings):
    """`FLOODGATE_SHOP_…`: the token is required; `today` moves the shop's calendar."""

    model_config = SettingsConfigDict(env_prefix="FLOODGATE_SHOP_", extra="ignore")

    token: SecretStr = Field(min_length=8)
    today: date | None = None
    state_dir: Path = Path(".floodgate/shop")
