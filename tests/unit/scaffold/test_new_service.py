"""`floodgate new-service`: names, the lines in shared files, and every form of a service."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from floodgate.scaffold.edits import EDITS, makefile, topics_yaml
from floodgate.scaffold.naming import NewService, TopicRecord, named, record_of, snake
from floodgate.scaffold.rendering import rendered
from floodgate.scaffold.writing import ask_for, new_files, scaffold
from keyflow.errors import FatalError
from support.scaffolded import ENOUGH, ROOT, Copy, copy_checkout

TOPICS: dict[str, dict[str, Any]] = {
    "support.summaries": {"record": "Summary", "key": "interaction_id"},
    "support.intercom.raw": {"record": None, "key": "conversation_id"},
}
SERVICE = NewService(
    "warehouse",
    TopicRecord("warehouse.readings", "Reading", declared=False),
    TopicRecord("warehouse.findings", "Finding", declared=False),
    "sensor_id",
    model=False,
    state=True,
)


def ask(name: str = "depot", reads: str = "depot.readings", writes: str = "depot.findings", **more: Any) -> NewService:
    key = more.pop("key", None)
    return named(
        name,
        reads,
        writes,
        key,
        model=False,
        state=False,
        topics=TOPICS,
        records=("Summary",),
        services=("agent",),
        **more,
    )


@pytest.mark.parametrize(
    ("topic", "record"),
    [
        ("warehouse.readings", "Reading"),
        ("support.summaries", "Summary"),
        ("fleet.gps-positions", "GpsPosition"),
        ("plant.losses", "Loss"),
        ("plant.stress", "Stress"),
    ],
)
def test_a_record_is_named_after_its_topic(topic: str, record: str) -> None:
    assert record_of(topic) == record


def test_a_record_can_be_named_and_gives_the_step_of_its_id() -> None:
    service = ask(writes="depot.notes:StockNotice")
    assert (service.writes.record, snake(service.writes.record)) == ("StockNotice", "stock_notice")


def test_a_declared_topic_brings_its_record_and_its_key() -> None:
    service = ask(reads="support.summaries")
    assert service.reads == TopicRecord("support.summaries", "Summary", declared=True)
    assert service.key == "interaction_id"


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"name": "Depot"}, "small letters"),
        ({"name": "import"}, "small letters"),
        ({"name": "agent"}, "services/agent is there already"),
        ({"name": "json", "packages": ("json",)}, "a package of this name"),
        ({"reads": "readings"}, "at least one dot"),
        ({"writes": "support.summaries"}, "is declared and has its writer"),
        ({"writes": "depot.readings"}, "would read what it writes"),
        ({"reads": "support.intercom.raw"}, "raw bytes"),
        ({"writes": "depot.summaries"}, "there is a record Summary already"),
        ({"writes": "depot.findings:finding"}, "named like Reading"),
        ({"key": "Sensor"}, "such as sensor_id"),
    ],
)
def test_what_cannot_be_made_is_told_with_the_remedy(asked: dict[str, Any], why: str) -> None:
    with pytest.raises(FatalError, match=why):
        ask(**asked)


def test_topics_are_declared_and_the_dead_letters_get_their_writer() -> None:
    before = (ROOT / "schemas/topics.yaml").read_text(encoding="utf-8")
    contract = yaml.safe_load(topics_yaml(before, SERVICE))
    topics = contract["topics"]
    assert contract["services"]["warehouse"] == {"processors": ["warehouse"]}
    assert topics["warehouse.readings"]["readers"] == ["warehouse"]
    assert topics["warehouse.findings"]["writers"] == ["warehouse"]
    assert topics["support.warehouse.redrive"]["readers"] == ["warehouse"]
    assert topics["support.warehouse.state"]["cleanup"] == "compact"
    assert "warehouse" in topics["support.dead-letters"]["writers"]
    assert set(yaml.safe_load(before)["topics"]) < set(topics)


def test_a_service_joins_the_readers_of_a_declared_topic() -> None:
    service = replace(SERVICE, reads=TopicRecord("support.summaries", "Summary", declared=True), state=False)
    topics = yaml.safe_load(topics_yaml((ROOT / "schemas/topics.yaml").read_text(encoding="utf-8"), service))["topics"]
    assert "warehouse" in topics["support.summaries"]["readers"]
    assert "support.warehouse.state" not in topics


def test_a_shared_file_of_another_form_is_left_alone() -> None:
    with pytest.raises(FatalError, match="ROOMS is not there in the known form"):
        makefile("all:\n\techo\n", SERVICE)


def test_a_template_keeps_what_a_backslash_marks_and_leaves_out_what_does_not_hold() -> None:
    text = "{{name}} \\{{legend}}\n%if model\nmodel\n%end\n%if not model\nnone\n%end\n"
    assert rendered(text, {"name": "depot", "model": False}, "t") == "depot {{legend}}\nnone\n"


@pytest.mark.parametrize("text", ["{{nothing}}", "%if model", "%end", "%if nothing\n%end"])
def test_a_broken_template_is_told_with_its_place(text: str) -> None:
    with pytest.raises(FatalError, match=r"^t:"):
        rendered(text, {"model": True}, "t")


@pytest.fixture
def enough(tmp_path: Path) -> Copy:
    return copy_checkout(tmp_path, ENOUGH)


@pytest.mark.parametrize("model", [False, True])
@pytest.mark.parametrize("state", [False, True])
def test_every_form_of_a_service_passes_the_linter(enough: Copy, *, model: bool, state: bool) -> None:
    service = ask_for(
        enough.root, "warehouse", "warehouse.readings", "warehouse.findings", None, model=model, state=state
    )
    done = scaffold(enough.root, service)
    assert all((enough.root / path).is_file() for path in (*done.written, *done.changed))
    python = [path for path in done.written if path.endswith(".py")]
    checked = enough.run("-m", "ruff", "check", "-q", *python)
    assert checked.returncode == 0, checked.stdout
    assert enough.run("-m", "ruff", "format", "--check", *python).returncode == 0
    left = [path for path in done.written if re.search(r"^%(if|end)|\{\{name", (enough.root / path).read_text("utf-8"))]
    assert left == []


def test_nothing_is_written_where_something_is_in_the_way(enough: Copy) -> None:
    (enough.root / "docs").mkdir()
    (enough.root / "docs/warehouse.md").write_text("mine", encoding="utf-8")
    before = {path: (enough.root / path).read_text(encoding="utf-8") for path in EDITS}
    with pytest.raises(FatalError, match=r"docs/warehouse\.md is there already: nothing was written"):
        scaffold(enough.root, SERVICE)
    assert before == {path: (enough.root / path).read_text(encoding="utf-8") for path in EDITS}
    assert not (enough.root / "services/warehouse").exists()


def test_a_folder_that_is_no_checkout_is_told(tmp_path: Path) -> None:
    with pytest.raises(FatalError, match="run this at the root of the checkout"):
        ask_for(tmp_path, "depot", "depot.readings", "depot.findings", None, model=False, state=False)


def test_every_template_belongs_to_a_file() -> None:
    folder = ROOT / "libs/floodgate/src/floodgate/scaffold/templates"
    assert len(list(folder.glob("*.tmpl"))) == 13
    assert len(new_files(replace(SERVICE, model=True))) == 13 + 4 + 2
