"""Templates: everything is escaped, undefined names are errors, numbers, times and unseen characters are shown."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse

from console.domain import charts
from console.domain.access import Person, Role
from console.domain.words import PAGES, TERMS, readable, visible
from console.http.security import token

_THEMES: Final = ("light", "dark")
_MINUTE: Final = 60
_HOUR: Final = 3600
_DAY: Final = 86_400


def ago(seconds: float | None) -> str:
    """A time span as people say it."""
    if seconds is None:
        return "–"
    if seconds < 1:
        return "under 1 s"
    for size, unit in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}" if seconds >= 10 * size else f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"


def moment(value: Any) -> str:
    """A time in UTC, without what is obvious."""
    if value in (None, ""):
        return "–"
    when = (
        datetime.fromtimestamp(value / 1000, UTC) if isinstance(value, int | float) else datetime.fromisoformat(value)
    )
    return when.astimezone(UTC).strftime("%d %b %H:%M:%S")


def number(value: float | None) -> str:
    """A count."""
    return "–" if value is None else f"{value:,.0f}"


def money(value: float | None) -> str:
    """US dollars, with as many digits as say something."""
    if value is None:
        return "–"
    if value and abs(value) < 0.01:
        return f"${value:.5f}"
    return f"${value:,.2f}"


def percent(value: float | None) -> str:
    """A share; near nothing and near all a whole number would hide what matters."""
    if value is None:
        return "–"
    is_plain = value in (0, 1) or 0.1 <= value <= 0.9
    return f"{value:.0%}" if is_plain else f"{value:.1%}"


def pretty(value: Any) -> str:
    """JSON for people."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


def _shown(value: Any) -> Any:
    """What a template writes: markup of our own as it is, texts without unseen characters."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def environment() -> Environment:
    """The templates."""
    found = Environment(
        loader=PackageLoader("console"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters |= {
        "ago": ago,
        "moment": moment,
        "number": number,
        "money": money,
        "percent": percent,
        "pretty": pretty,
        "readable": readable,
    }
    found.globals |= {"charts": charts, "terms": TERMS, "pages": PAGES, "Role": Role}
    return found


class Renderer:
    """Renders pages."""

    def __init__(self) -> None:
        self._templates = environment()

    def page(
        self, request: Request, name: str, person: Person | None, view: Mapping[str, Any], status: int = 200
    ) -> HTMLResponse:
        """A whole page, or its live part where the script asks for that."""
        theme = request.cookies.get("theme", "")
        context = {
            "person": person,
            "csrf": token(request) if person is not None else "",
            "theme": theme if theme in _THEMES else "",
            "here": name,
            "path": request.url.path,
            "query": request.url.query,
            "flash": request.session.pop("flash", None),
            **view,
        }
        return HTMLResponse(self._templates.get_template(f"{name}.html").render(context), status)
