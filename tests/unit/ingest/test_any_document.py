"""Whatever JSON comes in: it is understood, or refused with a reason; nothing else ever happens."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from floodgate.events import Interaction
from hypothesis import given, settings
from hypothesis import strategies as st
from ingest.domain.errors import DocumentError, FieldProblem
from ingest.domain.intercom import NEEDED_TOPICS, feedback_of, map_envelope, messages_of_conversation
from ingest.domain.json_text import load_json
from ingest.domain.lines import interaction_of, messages_of
from ingest.domain.s3_notices import parse_notice
from ingest.edge import EdgeEvent, address_of
from ingest_fakes import NOW
from ingest_samples import BOT_ADMIN, BUTTON, PSEUDONYMS, RULES, author, conversation, envelope, part

T = TypeVar("T")
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=8) | st.just("\ud83d"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
CONVERSATION = conversation(
    part("1", metadata={"quick_reply_uuid": BUTTON}, attachments=[{"type": "upload"}]),
    part("2", "assignment", by=author("admin", BOT_ADMIN), assigned_to={"type": "admin", "id": "5"}),
    part("3", "close", by=author("admin", "7")),
    tags={"tags": [{"id": "1", "name": "floodgate:ok", "applied_at": 1_795_000_000}]},
    custom_attributes={"floodgate_path": "other", "language": "nl", "country": "NL"},
)
INTERACTION: dict[str, Any] = {
    "interaction_id": "3f0c9d3a-0f4e-4a69-9a53-0d2f0b3c4d5e",
    "contact": {"external_id": "cust-0001"},
    "turns": [{"role": "customer", "text": "Hello", "at": "2026-11-20T10:00:00Z"}],
    "started_at": "2026-11-20T10:00:00Z",
    "language": "nl",
    "country": "NL",
}
FILE_CONVERSATION: dict[str, Any] = {
    "conversation_id": "c",
    "contact": {"id": "u", "verified": True},
    "messages": [{"id": "m", "text": "Hello", "at": "2026-11-20T10:00:00Z"}],
}


def places(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place within a document."""
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [path] + [place for key, child in children for place in places(child, (*path, key))]


@st.composite
def damaged(draw: st.DrawFn, document: Any) -> Any:
    """The document with one or two places replaced by anything, as every edge reads it: through `load_json`."""
    return load_json(json.dumps(draw(_damaged(document))))


@st.composite
def _damaged(draw: st.DrawFn, document: Any) -> Any:
    changed = copy.deepcopy(document)
    for _ in range(draw(st.integers(1, 2))):
        place = draw(st.sampled_from(places(changed)))
        if not place:
            return draw(json_values)
        node = changed
        for key in place[:-1]:
            node = node[key]
        node[place[-1]] = draw(json_values)
    return changed


NOTICE: dict[str, Any] = {
    "Records": [
        {
            "eventName": "ObjectCreated:Put",
            "s3": {"bucket": {"name": "drops"}, "object": {"key": "interactions/a+b.jsonl"}},
        }
    ]
}


def understood(read: Callable[[], T]) -> T | None:
    """What is read; None when it is refused, for reasons that each name a place."""
    problems: Sequence[FieldProblem] = ()
    try:
        return read()
    except DocumentError as refusal:
        problems = refusal.problems
    assert problems
    assert all(problem.field and problem.detail for problem in problems)
    return None


def read_or_refused(read: Callable[[], Iterable[EdgeEvent]]) -> list[EdgeEvent]:
    """The events, each of which can be written and read again and has an address; none when refused."""
    events = list(understood(read) or ())
    for event in events:
        topic, key = address_of(event)
        assert topic.startswith("support.")
        assert key
        assert type(event).model_validate_json(event.model_dump_json().encode()) == event
    return events


@settings(max_examples=400)
@given(st.sampled_from(NEEDED_TOPICS).flatmap(lambda topic: damaged(envelope(topic, CONVERSATION))))
def test_any_envelope_is_mapped_or_refused(document: Any) -> None:
    events = read_or_refused(lambda: map_envelope(document, RULES).events)
    assert all(address_of(event)[1].startswith("intercom:") for event in events)


@settings(max_examples=200)
@given(damaged(CONVERSATION).filter(lambda document: isinstance(document, dict)))
def test_any_conversation_is_read_or_refused(document: Any) -> None:
    messages = read_or_refused(lambda: messages_of_conversation(document, RULES))
    feedback = read_or_refused(lambda: feedback_of(document, RULES))
    # All of one conversation: whatever is damaged, nothing reaches another one.
    assert len({address_of(event)[1] for event in (*messages, *feedback)}) <= 1


@settings(max_examples=300)
@given(damaged(INTERACTION).filter(lambda document: isinstance(document, dict)))
def test_any_interaction_is_read_or_refused(document: Any) -> None:
    origin = "s3://b/k:1"
    found = read_or_refused(
        lambda: [interaction_of(document, PSEUDONYMS, source="s3", origin=origin, read_at=NOW)],
    )
    assert all(isinstance(event, Interaction) and event.turns and event.origin == origin for event in found)


@settings(max_examples=200)
@given(damaged(FILE_CONVERSATION).filter(lambda document: isinstance(document, dict)))
def test_any_conversation_of_a_file_is_read_or_refused(document: Any) -> None:
    found = read_or_refused(lambda: messages_of(document, PSEUDONYMS, read_at=NOW))
    assert all(address_of(event)[1].startswith("file:") for event in found)


@settings(max_examples=300)
@given(json_values | st.text() | damaged(NOTICE))
def test_any_queue_message_is_a_notice_or_refused(document: Any) -> None:
    notice = understood(lambda: parse_notice(document if isinstance(document, str) else json.dumps(document)))
    assert notice is None or all(found.bucket and found.key for found in notice.objects)
