"""The models cannot drift from the schemas; ids and pseudonyms are the same for the same input."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import pytest
import yaml
from floodgate.events import Pseudonyms, codegen, derive_event_id, edge_event_id, golden
from floodgate.events.topics import schema, topics
from hypothesis import given
from hypothesis import strategies as st

ROOT = Path(__file__).parents[3]
SCHEMAS = ROOT / "schemas"
PACKAGE = Path(codegen.__file__).parent


@pytest.mark.parametrize(
    ("name", "write"), [("generated.py", codegen.write_models), ("contract.json", codegen.write_contract)]
)
def test_what_is_shipped_is_what_the_schemas_say(name: str, write: object) -> None:
    assert callable(write)
    assert (PACKAGE / name).read_text(encoding="utf-8") == write(SCHEMAS)


def test_every_schema_is_published_with_golden_bytes() -> None:
    assert golden.unpublished(SCHEMAS) == []


def test_every_topic_states_who_writes_reads_and_how_long_it_keeps() -> None:
    for topic in topics().values():
        assert topic.writers, topic.name
        assert topic.readers, topic.name
        assert topic.retention_days is not None or topic.cleanup == "compact", topic.name


def test_topics_of_one_conversation_have_the_same_number_of_partitions() -> None:
    counts = {topic.partitions for topic in topics().values() if topic.key in ("conversation_id", "original")}
    assert len(counts) == 1


def test_no_field_holds_a_person_in_clear() -> None:
    suspicious = {"name", "email", "phone", "address", "external_id", "customer_id", "user_id"}
    records = {topic.record for topic in topics().values() if topic.record} - {"Metric"}
    found = {
        (record, field["name"])
        for record in records
        for field in schema(record)["fields"]
        if field["name"] in suspicious
    }
    assert found == set()


def test_topics_yaml_names_only_records_that_exist() -> None:
    declared = yaml.safe_load((SCHEMAS / "topics.yaml").read_text(encoding="utf-8"))["topics"]
    missing = {entry["record"] for entry in declared.values() if entry["record"]} - set(codegen.load_schemas(SCHEMAS))
    assert missing == set()


def test_a_file_named_unlike_its_record_is_refused(tmp_path: Path) -> None:
    (tmp_path / "Other.avsc").write_text('{"type": "record", "name": "Thing", "fields": []}', encoding="utf-8")
    with pytest.raises(ValueError, match=r"Other\.avsc: holds the record 'Thing'"):
        codegen.load_schemas(tmp_path)


@given(st.text(min_size=1), st.text())
def test_the_same_delivery_is_the_same_event(channel: str, channel_id: str) -> None:
    assert edge_event_id(channel, channel_id) == edge_event_id(channel, channel_id)


def test_steps_of_one_event_have_different_ids() -> None:
    cause = UUID(int=1)
    assert len({derive_event_id(cause, step) for step in ("verdict", "escalation", "reply")}) == 3


@given(st.text(st.characters(codec="utf-8", exclude_characters=":"), min_size=1), st.text(st.characters(codec="utf-8")))
def test_a_pseudonym_comes_back_with_its_key_and_with_no_other(namespace: str, person: str) -> None:
    mine, other = Pseudonyms(b"k" * 16), Pseudonyms(b"o" * 16)
    contact_id = mine.contact_id(namespace, person)
    assert mine.reveal(contact_id) == (namespace, person)
    with pytest.raises(ValueError, match="not made with the configured"):
        other.reveal(contact_id)


def test_a_short_pseudonym_key_is_refused() -> None:
    with pytest.raises(ValueError, match="FLOODGATE_PSEUDONYM_KEY"):
        Pseudonyms(b"short")
