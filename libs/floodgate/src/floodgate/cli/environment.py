"""The local stack's env file: read when no other environment was given."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Final

from keyflow.errors import FatalError

_NAMES_A_STACK: Final = "FLOODGATE_KAFKA_BOOTSTRAP_SERVERS"


def read_env_file(path: Path) -> dict[str, str]:
    """KEY=VALUE lines, values quoted as for a shell where they need it; blank lines and comments are skipped.

    Raises:
        FatalError: The file cannot be read, or a line is something else.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise FatalError(f"{path}: {error.strerror}") from error
    values: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        text = line.strip().removeprefix("export ")
        if not text or text.startswith("#"):
            continue
        name, separator, value = text.partition("=")
        if not separator:
            raise FatalError(f"{path}:{number}: not KEY=VALUE")
        try:
            values[name.strip()] = _unquoted(value.strip())
        except ValueError as error:
            raise FatalError(f"{path}:{number}: a quotation does not end") from error
    return values


def _unquoted(value: str) -> str:
    # Without quotes the value is taken as it stands: a backslash in it is one.
    return " ".join(shlex.split(value)) if set(value) & {"'", '"'} else value


def default_env_file() -> Path:
    """Where the local stack writes its environment."""
    return Path(os.environ.get("FLOODGATE_STATE", ".floodgate")) / "env"


def load_local_environment(path: Path | None) -> None:
    """Adds the file's values to the environment; what is set already wins.

    Raises:
        FatalError: A file was named and cannot be read.
    """
    if path is None:
        if _NAMES_A_STACK in os.environ or not default_env_file().exists():
            return
        path = default_env_file()
    for name, value in read_env_file(path).items():
        os.environ.setdefault(name, value)
