"""What the console's forms hold, as its OpenAPI description says it: they are read by hand, token first."""

from __future__ import annotations

from typing import Any, Final

_TEXT: Final = {"type": "string"}


def form_of(*required: str, optional: tuple[str, ...] = ()) -> dict[str, Any]:
    """The part of a route's description about its form; every form carries the token of its session."""
    names = ("csrf", *required)
    schema = {
        "type": "object",
        "properties": dict.fromkeys((*names, *optional), _TEXT),
        "required": list(names),
        "additionalProperties": False,
    }
    content = {"application/x-www-form-urlencoded": {"schema": schema}}
    return {"requestBody": {"required": True, "content": content}}
