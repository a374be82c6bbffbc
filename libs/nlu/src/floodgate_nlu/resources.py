"""Reads the package's data files."""

from functools import cache
from importlib.resources import files
from typing import Any

import yaml


@cache
def load_yaml(name: str) -> Any:
    """The parsed YAML file `data/<name>` of this package."""
    # The C loader is five times as fast and as safe.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load(read_text(name), Loader=loader)  # noqa: S506 - both loaders are safe


def read_text(name: str) -> str:
    """The text of `data/<name>`."""
    return files("floodgate_nlu").joinpath("data", name).read_text(encoding="utf-8")


def read_bytes(name: str) -> bytes | None:
    """The bytes of `data/<name>`, or None when the package ships no such file."""
    path = files("floodgate_nlu").joinpath("data", name)
    return path.read_bytes() if path.is_file() else None


def phrases(value: str | list[str] | None) -> list[str]:
    """A list of phrases, written either as a YAML list or as one text separated by commas or line breaks."""
    if value is None:
        return []
    if isinstance(value, list):
        return [str(item) for item in value]
    return [part.strip() for line in str(value).splitlines() for part in line.split(",") if part.strip()]
