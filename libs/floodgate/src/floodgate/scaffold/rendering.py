"""The templates: text with `{{place}}` (a backslash before it keeps it) and lines `%if`, `%if not`, `%end`. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from keyflow.errors import FatalError

_PLACE: Final = re.compile(r"(\\?)(\{\{(\w+)\}\})")
_IF: Final = re.compile(r"%if (not )?(\w+)")


def rendered(text: str, places: Mapping[str, str | bool], where: str) -> str:
    """A template filled in; a part whose condition does not hold is left out.

    Raises:
        FatalError: A place is not known, or a condition does not end.
    """
    lines: list[str] = []
    shown: list[bool] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if condition := _IF.fullmatch(line.strip()):
            shown.append(_value(places, condition[2], f"{where}:{number}") is not bool(condition[1]))
        elif line.strip() == "%end":
            if not shown:
                raise FatalError(f"{where}:{number}: %end without %if")
            shown.pop()
        elif all(shown):
            lines.append(_PLACE.sub(lambda place: _filled(place, places, where), line))
    if shown:
        raise FatalError(f"{where}: %if without %end")
    return "\n".join(lines) + "\n"


def _filled(place: re.Match[str], places: Mapping[str, str | bool], where: str) -> str:
    return place[2] if place[1] else str(_value(places, place[3], where))


def _value(places: Mapping[str, str | bool], name: str, where: str) -> str | bool:
    if name not in places:
        raise FatalError(f"{where}: no such place: {name}")
    return places[name]
