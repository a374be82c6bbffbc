"""Which variables a service reads, and which of them it cannot start without, by its own code."""

from __future__ import annotations

import importlib
import re
from functools import cache
from pathlib import Path
from typing import Final

from pydantic import AliasChoices
from pydantic_settings import BaseSettings

ROOT: Final = Path(__file__).parents[2]
SERVICES: Final = sorted(path.parent.name for path in (ROOT / "services").glob("*/pyproject.toml"))
_SHARED: Final = ("floodgate.settings", "floodgate.bedrock.settings", "floodgate.intercom.settings")
# Read before there are settings, by the service's frame, the client libraries or the command line.
_OUTSIDE: Final = {
    "FLOODGATE_METRICS_PORT", "FLOODGATE_METRICS_HOST", "FLOODGATE_SERVICE", "FLOODGATE_WEBHOOK_TARGET",
    "FLOODGATE_TOPICS_REPLICATION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_BEDROCK",
    "AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY",
}  # fmt: skip


@cache
def settings_classes(service: str) -> tuple[type[BaseSettings], ...]:
    """Every class of settings that the code of a service loads; the catalogue's by `serve` too."""
    folder = ROOT / f"services/{service}/src/{service}"
    code = "\n".join(path.read_text("utf-8") for path in sorted(folder.rglob("bootstrap*.py")))
    names = set(re.findall(r"\bload\(([A-Z]\w+)\)", code)) | ({"CatalogueSettings"} if "serve(" in code else set())
    names |= {"KafkaSettings"} if "Service(" in code else set()
    if "open_catalogue(" in code:
        names.add("CatalogueSettings")
    modules = [importlib.import_module(name) for name in (*_SHARED, f"{service}.settings")]
    classes = [next(getattr(each, name) for each in modules if hasattr(each, name)) for name in sorted(names)]
    return tuple(classes)


def variables(kind: type[BaseSettings], *, required: bool = False) -> set[str]:
    """The names of a class's variables: all of them, or one for each that has no default."""
    prefix = str(kind.model_config.get("env_prefix", ""))
    found: set[str] = set()
    for name, field in kind.model_fields.items():
        if required and not field.is_required():
            continue
        alias = field.validation_alias
        if isinstance(alias, AliasChoices):
            found |= {str(choice) for choice in alias.choices}
        elif alias is not None:
            found.add(str(alias))
        if alias is None or (kind.model_config.get("populate_by_name") and not required):
            found.add(f"{prefix}{name}".upper())
    return found


def needed(service: str) -> set[str]:
    """What has to be set; Intercom is wanted by whoever can speak to it."""
    return {name for kind in settings_classes(service) for name in variables(kind, required=True)}


@cache
def known() -> frozenset[str]:
    """Every variable that any service reads."""
    classes = {kind for service in SERVICES for kind in settings_classes(service)}
    return frozenset(_OUTSIDE.union(*(variables(kind) for kind in classes)))
