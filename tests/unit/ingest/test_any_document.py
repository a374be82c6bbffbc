"""Whatever JSON comes in: it is understood, or refused with a reason; nothing else ever happens."""

from __future__ import annotations

import copy
import json
from contextlib import suppress
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from ingest.domain.errors import DocumentError
from ingest.domain.intercom import NEEDED_TOPICS, feedback_of, map_envelope, messages_of_conversation
from ingest.domain.lines import interaction_of, messages_of
from ingest.domain.s3_notices import parse_notice
from ingest_fakes import NOW
from ingest_samples import BOT_ADMIN, BUTTON, PSEUDONYMS, RULES, author, conversation, envelope, part

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
    """The document with one or two places replaced by anything."""
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


@settings(max_examples=400)
@given(st.sampled_from(NEEDED_TOPICS).flatmap(lambda topic: damaged(envelope(topic, CONVERSATION))))
def test_any_envelope_is_mapped_or_refused(document: Any) -> None:
    with suppress(DocumentError):
        mapped = map_envelope(document, RULES)
        for event in mapped.events:
            event.model_dump_json().encode()


@settings(max_examples=200)
@given(damaged(CONVERSATION).filter(lambda document: isinstance(document, dict)))
def test_any_conversation_is_read_or_refused(document: Any) -> None:
    with suppress(DocumentError):
        messages_of_conversation(document, RULES)
        feedback_of(document)


@settings(max_examples=300)
@given(damaged(INTERACTION).filter(lambda document: isinstance(document, dict)))
def test_any_interaction_is_read_or_refused(document: Any) -> None:
    with suppress(DocumentError):
        interaction_of(document, PSEUDONYMS, source="s3", origin="s3://b/k:1", read_at=NOW).model_dump_json()


@settings(max_examples=200)
@given(damaged(FILE_CONVERSATION).filter(lambda document: isinstance(document, dict)))
def test_any_conversation_of_a_file_is_read_or_refused(document: Any) -> None:
    with suppress(DocumentError):
        for message in messages_of(document, PSEUDONYMS, read_at=NOW):
            message.model_dump_json()


@given(json_values | st.text())
def test_any_queue_message_is_a_notice_or_refused(document: Any) -> None:
    with suppress(DocumentError):
        parse_notice(document if isinstance(document, str) else json.dumps(document))
