"""The declared backends as they are shipped."""

from __future__ import annotations

from importlib import resources
from typing import Any, Final

import yaml

from agent.domain.calls import read_calls


def _read(name: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(resources.files("agent.backends").joinpath(name).read_text("utf-8"))
    return content


SHOP: Final = _read("shop.yaml")
CALLS: Final = read_calls(SHOP)
