"""Queries of Intercom's search, built so that a wrong operator does not type-check."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

Operator = Literal["=", "!=", "IN", "NIN", "<", "<=", ">", ">=", "~", "!~", "^", "$"]
Value = str | int | bool | list[str] | list[int]
Query = Mapping[str, Any]


def where(field: str, operator: Operator, value: Value) -> Query:
    """One condition, for example `where("updated_at", ">", 1700000000)`.

    Intercom describes `>` and `<` as "or equal": read a window with an overlap and drop what is known.
    """
    return {"field": field, "operator": operator, "value": value}


def all_of(*queries: Query) -> Query:
    """Every condition holds. At most 15 in a group, groups at most two deep."""
    return {"operator": "AND", "value": list(queries)}


def any_of(*queries: Query) -> Query:
    """At least one condition holds. At most 15 in a group, groups at most two deep."""
    return {"operator": "OR", "value": list(queries)}
