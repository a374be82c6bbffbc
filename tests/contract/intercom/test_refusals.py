"""What Intercom's description refuses, the stand-in refuses too."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest

UUID = "a5e1c524-5ddd-4c3e-9328-6bca5d6e3edb"
COMMENT = {"message_type": "comment", "type": "admin", "admin_id": "5001", "body": "hello"}
QUICK = {
    "message_type": "quick_reply",
    "type": "admin",
    "admin_id": "5001",
    "reply_options": [{"text": "Yes", "uuid": UUID}],
}
CONTACT = {"message_type": "comment", "type": "user", "intercom_user_id": "{contact_id}", "body": "hello"}
CLOSE = {"message_type": "close", "type": "admin", "admin_id": "5001", "body": "bye"}
SNOOZE = {"message_type": "snoozed", "admin_id": "5001", "snoozed_until": 2_000_000_000}
OPEN = {"message_type": "open", "admin_id": "5001"}
ASSIGN = {"message_type": "assignment", "type": "team", "admin_id": "5001", "assignee_id": "1002"}
CREATE = {"from": {"type": "user", "id": "{contact_id}"}, "body": "hello"}
UPDATE = {"read": True, "title": "t", "custom_attributes": {"language": "nl"}}
CONDITION = {"field": "updated_at", "operator": ">", "value": 1}
SEARCH = {"query": CONDITION, "pagination": {"per_page": 5}}
GROUP = {"query": {"operator": "AND", "value": [CONDITION]}}

REPLY, PARTS, TAGS = (f"/conversations/{{conversation_id}}/{rest}" for rest in ("reply", "parts", "tags"))
VALID = {
    "comment": ("POST", REPLY, COMMENT),
    "note": ("POST", REPLY, {**COMMENT, "message_type": "note"}),
    "quick_reply": ("POST", REPLY, QUICK),
    "contact_reply": ("POST", REPLY, CONTACT),
    "clicked": ("POST", REPLY, {**CONTACT, "reply_options": [{"text": "Yes", "uuid": UUID}]}),
    "close": ("POST", PARTS, CLOSE),
    "snooze": ("POST", PARTS, SNOOZE),
    "open": ("POST", PARTS, OPEN),
    "assign": ("POST", PARTS, ASSIGN),
    "attach_tag": ("POST", TAGS, {"id": "9001", "admin_id": "5001"}),
    "create": ("POST", "/conversations", CREATE),
    "update": ("PUT", "/conversations/{conversation_id}", UPDATE),
    "search": ("POST", "/conversations/search", SEARCH),
    "group": ("POST", "/conversations/search", GROUP),
    "create_tag": ("POST", "/tags", {"name": "new"}),
}
REFUSED_BY_THE_DESCRIPTION = [
    ("POST", REPLY, {**COMMENT, "message_type": "shout"}),
    ("POST", REPLY, {**COMMENT, "type": "bot"}),
    ("POST", REPLY, {**COMMENT, "admin_id": 5001}),
    ("POST", REPLY, {**COMMENT, "attachment_urls": ["https://example.org/a.png"] * 11}),
    ("POST", REPLY, {**COMMENT, "attachment_files": [{"name": "a"}] * 11}),
    ("POST", REPLY, {**COMMENT, "skip_notifications": "yes"}),
    ("POST", REPLY, {**COMMENT, "created_at": "2026-11-22"}),
    ("POST", REPLY, {**QUICK, "reply_options": [{"text": "Yes"}]}),
    ("POST", REPLY, {**QUICK, "reply_options": [{"text": "Yes", "uuid": "not-a-uuid"}]}),
    ("POST", REPLY, {**QUICK, "reply_options": [{"text": 1, "uuid": UUID}]}),
    ("POST", REPLY, {**QUICK, "reply_options": {"text": "Yes", "uuid": UUID}}),
    ("POST", REPLY, {**CONTACT, "message_type": "note"}),
    ("POST", REPLY, {**CONTACT, "message_type": "quick_reply"}),
    ("POST", REPLY, {**CONTACT, "user_id": "cust-0001"}),
    ("POST", REPLY, {"message_type": "comment", "type": "user", "body": "whose?"}),
    ("POST", REPLY, {}),
    ("POST", REPLY, []),
    ("POST", PARTS, {**CLOSE, "type": "team"}),
    ("POST", PARTS, {**CLOSE, "message_type": "closed"}),
    ("POST", PARTS, {**ASSIGN, "assignee_id": 1002}),
    ("POST", PARTS, {**ASSIGN, "type": "user"}),
    ("POST", PARTS, {**SNOOZE, "snoozed_until": "tomorrow"}),
    ("POST", TAGS, {"id": 9001, "admin_id": "5001"}),
    ("POST", TAGS, {"id": "9001"}),
    ("POST", "/conversations", {"from": {"type": "admin", "id": "{contact_id}"}, "body": "hello"}),
    ("POST", "/conversations", {"from": {"type": "user", "id": "short"}, "body": "hello"}),
    ("POST", "/conversations", {**CREATE, "attachment_urls": ["https://example.org/a.png"] * 11}),
    ("PUT", "/conversations/{conversation_id}", {"read": "yes"}),
    ("PUT", "/conversations/{conversation_id}", {"custom_attributes": ["language"]}),
    ("PUT", "/conversations/{conversation_id}", {"custom_attributes": {"language": 1.5}}),
    ("POST", "/conversations/search", {}),
    ("POST", "/conversations/search", {"query": {**CONDITION, "operator": "LIKE"}}),
    ("POST", "/conversations/search", {"query": {**CONDITION, "value": {"a": 1}}}),
    ("POST", "/conversations/search", {"query": {"operator": "AND", "value": [CONDITION, GROUP["query"]]}}),
    ("POST", "/conversations/search", {**SEARCH, "pagination": {"per_page": "many"}}),
    ("POST", "/conversations/search", {**SEARCH, "pagination": {"starting_after": 7}}),
    ("POST", "/tags", {"id": "9001"}),
    ("POST", "/tags", {"name": 7}),
]
REFUSED_BY_ITS_PROSE = [
    ("POST", REPLY, {name: value for name, value in COMMENT.items() if name != "body"}),
    ("POST", REPLY, {**COMMENT, "body": "  "}),
    ("POST", REPLY, {**QUICK, "reply_options": []}),
    ("POST", "/conversations/search", {"query": {"operator": "AND", "value": [CONDITION] * 16}}),
    (
        "POST",
        "/conversations/search",
        {"query": {"operator": "OR", "value": [{"operator": "OR", "value": [GROUP["query"]]}]}},
    ),
    ("POST", "/conversations/search", {"query": {**CONDITION, "value": "yesterday"}}),
    ("POST", "/conversations/search", {"query": {"field": "state", "operator": ">", "value": "open"}}),
    ("POST", "/conversations/search", {"query": {"field": "no_such_field", "operator": "=", "value": "x"}}),
    ("POST", "/conversations/search", {**SEARCH, "pagination": {"per_page": 151}}),
]
REFUSED_ON_THE_SAFE_SIDE = [
    ("POST", REPLY, {**QUICK, "reply_options": [{"text": "Yes", "uuid": UUID}] * 11}),
]


def filled(value: Any, begun: dict[str, str]) -> Any:
    """The same request with this conversation's ids."""
    if isinstance(value, str):
        return value.replace("{conversation_id}", begun["conversation_id"]).replace("{contact_id}", begun["contact_id"])
    if isinstance(value, dict):
        return {name: filled(member, begun) for name, member in value.items()}
    return [filled(item, begun) for item in value] if isinstance(value, list) else value


def damaged(body: Any) -> Iterator[tuple[str, Any]]:
    """A body with one member at a time left out, or replaced by a value of every JSON type."""
    for path in paths(body):
        missing = copy.deepcopy(body)
        del parent_of(missing, path)[path[-1]]
        yield f"without {path}", missing
        for wrong in (None, True, 7, 1.5, "wrong", [], {}, ["wrong"], {"wrong": 1}):
            changed = copy.deepcopy(body)
            parent_of(changed, path)[path[-1]] = wrong
            yield f"{path} = {wrong!r}", changed


def paths(node: Any, here: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    members = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in members:
        yield (*here, key)
        yield from paths(value, (*here, key))


def parent_of(body: Any, path: tuple[Any, ...]) -> Any:
    for key in path[:-1]:
        body = body[key]
    return body


def refused(response) -> bool:
    return 400 <= response.status_code < 500 and response.json()["type"] == "error.list"


@pytest.mark.parametrize(("method", "path", "body"), REFUSED_BY_THE_DESCRIPTION)
async def test_what_the_description_refuses_is_refused(description, local, begun, method, path, body):
    path, body = filled(path, begun), filled(body, begun)
    assert description.problems_of_body(method, path, body), "the description has nothing against it"
    before = (await local.get("/_local/summary")).json()
    assert refused(await local.request(method, path, json=body))
    assert (await local.get("/_local/summary")).json() == before


@pytest.mark.parametrize(("method", "path", "body"), REFUSED_BY_ITS_PROSE + REFUSED_ON_THE_SAFE_SIDE)
async def test_what_only_words_refuse_is_refused_too(local, begun, method, path, body):
    assert refused(await local.request(method, filled(path, begun), json=filled(body, begun)))


@pytest.mark.parametrize("name", VALID)
async def test_nothing_is_accepted_that_the_description_refuses(description, exchanges, local, begun, name):
    """Every body with one member damaged in every way: accepted only when the description has nothing against it."""
    method, path, body = VALID[name]
    path, body = filled(path, begun), filled(body, begun)
    assert description.problems_of_body(method, path, body) == []
    assert (await local.request(method, path, json=body)).status_code == 200
    judged = 0
    for what, wrong in damaged(body):
        response = await local.request(method, path, json=wrong)
        assert response.status_code == 200 or refused(response), what
        problems = description.problems_of_body(method, path, wrong)
        judged += bool(problems)
        assert not (problems and response.status_code == 200), f"accepted {what}: {problems}"
        if response.status_code == 200:
            assert description.problems_of_response(*exchanges.kept[-1]) == [], what
    assert judged > 3


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff", b"null", b"7"])
@pytest.mark.parametrize("name", VALID)
async def test_a_body_that_is_no_object_is_refused(local, begun, name, raw):
    method, path, _ = VALID[name]
    response = await local.request(
        method, filled(path, begun), content=raw, headers={"Content-Type": "application/json"}
    )
    assert refused(response)


@pytest.mark.parametrize("per_page", ["0", "151", "many", "-1"])
async def test_a_page_size_out_of_bounds_is_refused(local, per_page):
    assert refused(await local.get("/conversations", params={"per_page": per_page}))
