"""Durations as people write them on a command line."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

import typer

_DURATION: Final = re.compile(r"^(\d+)([smhd])$")
_UNIT_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def parse_duration(text: str) -> timedelta:
    """30m, 2h, 3d as a duration.

    Raises:
        typer.BadParameter: Something else.
    """
    match = _DURATION.match(text)
    if match is None:
        raise typer.BadParameter(f"{text}: a number and one of s, m, h, d is expected, 2h say")
    return timedelta(seconds=int(match.group(1)) * _UNIT_SECONDS[match.group(2)])
