"""Intercom's conversation search: its operators, its groups, its pages."""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Callable, Sequence
from typing import Any, Final, Literal

from floodgate_local.intercom.errors import invalid
from floodgate_local.intercom.records import Conversation

DEFAULT_PER_PAGE: Final = 20
MAX_PER_PAGE: Final = 150
_MAX_IN_GROUP: Final = 15
_MAX_DEPTH: Final = 2
Predicate = Callable[[Conversation], bool]
Kind = Literal["string", "number", "boolean"]
_OPERATORS: Final[dict[Kind, frozenset[str]]] = {
    "string": frozenset({"=", "!=", "IN", "NIN", "~", "!~", "^", "$"}),
    "number": frozenset({"=", "!=", "IN", "NIN", ">", "<", ">=", "<="}),
    "boolean": frozenset({"=", "!="}),
}
_ALL_OPERATORS: Final = frozenset().union(*_OPERATORS.values())


def _number(value: str | None) -> int | None:
    return None if value is None else int(value)


_FIELDS: Final[dict[str, tuple[Kind, Callable[[Conversation], Any]]]] = {
    "id": ("string", lambda c: c.id),
    "created_at": ("number", lambda c: c.created_at),
    "updated_at": ("number", lambda c: c.updated_at),
    "waiting_since": ("number", lambda c: c.waiting_since),
    "snoozed_until": ("number", lambda c: c.snoozed_until),
    "state": ("string", lambda c: c.state),
    "open": ("boolean", lambda c: c.state == "open"),
    "read": ("boolean", lambda c: c.read),
    "priority": ("string", lambda c: "none"),
    "title": ("string", lambda c: c.title),
    "source.type": ("string", lambda c: "conversation"),
    "source.id": ("string", lambda c: c.source_id),
    "source.delivered_as": ("string", lambda c: "customer_initiated"),
    "source.subject": ("string", lambda c: c.source_subject),
    "source.body": ("string", lambda c: c.source_body),
    "source.author.id": ("string", lambda c: c.contact_id),
    "contact_ids": ("string", lambda c: [c.contact_id]),
    "teammate_ids": ("string", lambda c: c.teammate_ids),
    "admin_assignee_id": ("number", lambda c: _number(c.admin_assignee_id)),
    "team_assignee_id": ("number", lambda c: _number(c.team_assignee_id)),
    "tag_ids": ("string", lambda c: [tag["id"] for tag in c.tags]),
    "statistics.last_contact_reply_at": ("number", lambda c: c.statistics.get("last_contact_reply_at")),
    "statistics.last_admin_reply_at": ("number", lambda c: c.statistics.get("last_admin_reply_at")),
    "statistics.last_close_at": ("number", lambda c: c.statistics.get("last_close_at")),
    "statistics.first_close_at": ("number", lambda c: c.statistics.get("first_close_at")),
    "statistics.count_conversation_parts": (
        "number",
        lambda c: c.statistics.get("count_conversation_parts"),
    ),
}


def compile_query(query: Any, *, depth: int = 0) -> Predicate:
    """Turns a query into a predicate.

    Raises:
        ApiError: 400, when the query is not one that the description accepts.
    """
    if not isinstance(query, dict):
        raise invalid("must be an object", field="query")
    operator = query.get("operator")
    if operator in ("AND", "OR"):
        return _compile_group(operator, query.get("value"), depth)
    return _compile_condition(query)


def _compile_group(operator: str, value: Any, depth: int) -> Predicate:
    if depth >= _MAX_DEPTH:
        raise invalid(f"filters nest at most {_MAX_DEPTH} deep", field="query")
    if not isinstance(value, list) or not value:
        raise invalid("a group needs a list of filters", field="value")
    if len(value) > _MAX_IN_GROUP:
        raise invalid(f"a group takes at most {_MAX_IN_GROUP} filters", field="value")
    groups = [isinstance(item, dict) and item.get("operator") in ("AND", "OR") for item in value]
    if any(groups) and not all(groups):
        raise invalid("a group holds either filters or groups, not both", field="value")
    predicates = [compile_query(item, depth=depth + 1) for item in value]
    decide = all if operator == "AND" else any
    return lambda conversation: decide(predicate(conversation) for predicate in predicates)


def _compile_condition(query: dict[str, Any]) -> Predicate:
    field, operator = query.get("field"), query.get("operator")
    if not isinstance(field, str):
        raise invalid("must be a string", field="field")
    if not isinstance(operator, str) or operator not in _ALL_OPERATORS:
        raise invalid("is not one of the operators", field="operator")
    kind, get = _field(field)
    if operator not in _OPERATORS[kind]:
        raise invalid(f"{operator} does not fit a {kind}", field="operator")
    if "value" not in query:
        raise invalid("must be present", field="value")
    wanted = _wanted(query["value"], kind, many=operator in ("IN", "NIN"))
    return _comparison(operator, get, wanted)


def _field(name: str) -> tuple[Kind, Callable[[Conversation], Any]]:
    if name in _FIELDS:
        return _FIELDS[name]
    prefix, _, attribute = name.partition(".")
    if prefix == "custom_attribute" and attribute:
        return "string", lambda c: c.custom_attributes.get(attribute)
    raise invalid(f"{name} cannot be searched", field="field")


def _wanted(value: Any, kind: Kind, *, many: bool) -> Any:
    if many:
        if not isinstance(value, list):
            raise invalid("must be a list for IN and NIN", field="value")
        return [_wanted(item, kind, many=False) for item in value]
    accepted: tuple[type, ...] = {"number": (int, str), "boolean": (bool,), "string": (str, int)}[kind]
    if isinstance(value, accepted) and (kind == "boolean" or not isinstance(value, bool)):
        return _read_as(value, kind)
    raise invalid(f"must be a {kind}", field="value")


def _read_as(value: Any, kind: Kind) -> Any:
    if kind == "boolean":
        return value
    if kind == "string":
        return str(value)
    # The description's own example sends a time as a string of digits.
    if isinstance(value, str) and not (value.isascii() and value.isdigit()):
        raise invalid("must be a number", field="value")
    return int(value)


def _contains(value: Any, wanted: Any) -> bool:
    return value is not None and str(wanted).casefold() in str(value).casefold()


_TESTS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "=": lambda value, wanted: value == wanted,
    "IN": lambda value, wanted: value in wanted,
    # The description: ">" is "greater (or equal) than", and "<" likewise.
    ">": lambda value, wanted: value is not None and value >= wanted,
    "<": lambda value, wanted: value is not None and value <= wanted,
    "~": _contains,
    "^": lambda value, wanted: value is not None and str(value).startswith(str(wanted)),
    "$": lambda value, wanted: value is not None and str(value).endswith(str(wanted)),
}
_ALIASES: Final = {">=": ">", "<=": "<"}
_NEGATIONS: Final = {"!=": "=", "NIN": "IN", "!~": "~"}


def _comparison(operator: str, get: Callable[[Conversation], Any], wanted: Any) -> Predicate:
    """A list in the conversation (its tags, say) matches when any of its items does."""
    negated = operator in _NEGATIONS
    test = _TESTS[_NEGATIONS.get(operator, _ALIASES.get(operator, operator))]

    def predicate(conversation: Conversation) -> bool:
        value = get(conversation)
        values: Sequence[Any] = value if isinstance(value, list) else [value]
        return any(test(item, wanted) for item in values) is not negated

    return predicate


def page_of(
    matching: Sequence[Conversation], *, per_page: int, starting_after: str | None
) -> tuple[list[Conversation], dict[str, Any]]:
    """One page, the latest conversations first, and the `pages` member that goes with it.

    The order is by creation, so that a conversation that changes meanwhile keeps its place and none is skipped.

    Raises:
        ApiError: 400, when the cursor is not one of ours.
    """
    ordered = sorted(matching, key=lambda c: (c.created_at, int(c.id)), reverse=True)
    begin = 0
    if starting_after is not None:
        after = _read_cursor(starting_after)
        begin = next((i for i, c in enumerate(ordered) if (c.created_at, int(c.id)) < after), len(ordered))
    page = ordered[begin : begin + per_page]
    pages: dict[str, Any] = {
        "type": "pages",
        "page": begin // per_page + 1,
        "per_page": per_page,
        "total_pages": math.ceil(len(ordered) / per_page),
    }
    if begin + per_page < len(ordered):
        pages["next"] = {"per_page": per_page, "starting_after": _write_cursor(page[-1])}
    return page, pages


def read_query_per_page(value: str | None) -> int:
    """The page size of a query string. Raises ApiError (400) when it is no number from 1 to 150."""
    if value is None:
        return DEFAULT_PER_PAGE
    return read_per_page(int(value) if value.isascii() and value.isdigit() else value)


def read_per_page(value: Any) -> int:
    """The page size of a body. Raises ApiError (400) when it is no number from 1 to 150."""
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MAX_PER_PAGE:
        raise invalid(f"must be a number from 1 to {MAX_PER_PAGE}", field="per_page")
    return value


def _write_cursor(conversation: Conversation) -> str:
    said = json.dumps([conversation.created_at, int(conversation.id)])
    return base64.urlsafe_b64encode(said.encode()).decode()


def _read_cursor(cursor: str) -> tuple[int, int]:
    try:
        created_at, conversation_id = json.loads(base64.urlsafe_b64decode(cursor.encode()))
        return int(created_at), int(conversation_id)
    except (ValueError, TypeError, binascii.Error):
        raise invalid("is not a cursor", field="starting_after") from None
