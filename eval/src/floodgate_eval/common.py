"""What every command here needs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import structlog
from floodgate.settings import CatalogueSettings, load
from floodgate_local.state import repository_root

_WARNING: Final = 30
_ERROR: Final = 40


def own_catalogue_dir() -> Path:
    """The configured catalogue; from elsewhere than the repository's root, the repository's own."""
    configured = load(CatalogueSettings).dir
    return configured if configured.is_dir() or configured.is_absolute() else repository_root() / configured


def say(line: str, *, quiet: bool = False) -> None:
    """Tell whoever waits, on standard error: standard output may be the result."""
    if not quiet:
        sys.stderr.write(line + "\n")
        sys.stderr.flush()


def calm_logs(*, local: bool) -> None:
    """Only what needs attention, on standard error.

    Args:
        local: Nobody has to be told of prompt caches and repairs, as at the local model: they are in the figures.
    """
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(_ERROR if local else _WARNING),
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),  # as it is when something is said
    )
