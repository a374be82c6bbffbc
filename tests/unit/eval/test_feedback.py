"""Judgements become rows, and rows become examples only where they fit."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from floodgate.catalogue import CatalogueIndex, load_catalogue
from floodgate.events import Decision, Feedback, FeedbackLabel, Message, MessageKind, Misuse, Verdict, Versions
from floodgate_eval.feedback import rows_of
from floodgate_eval.feedback_cli import rows_from_feedback
from floodgate_eval.promote import additions_of, inserted, with_examples, write_examples
from floodgate_eval.rows import IntentRow, Task
from keyflow import FatalError

ROOT = Path(__file__).parents[3]
NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def index() -> CatalogueIndex:
    return CatalogueIndex(load_catalogue(ROOT / "catalogue"))


def verdict(conversation: str = "c:1", text: str = "I want my money back", **more: Any) -> Verdict:
    minutes = more.pop("minutes", 0)
    message = Message(
        event_id=uuid4(), occurred_at=NOW, conversation_id=conversation, kind=MessageKind.USER_MESSAGE,
        channel="intercom", contact_id="p", text=text, chosen_path=more.pop("path", "tickets/change"),
    )  # fmt: skip
    values: dict[str, Any] = {
        "event_id": uuid4(), "occurred_at": NOW + timedelta(minutes=minutes), "conversation_id": conversation,
        "decision": Decision.PASS, "message": message, "category": "change_booking", "misuse": Misuse.NONE,
        "urgent": False, "urgency": 0.0, "confidence": 0.9, "explanation": "-", "language": "en",
        "matches_chosen_path": True, "versions": Versions(prompt="assess@1"),
    }  # fmt: skip
    return Verdict(**{**values, **more})


def judgement(label: str, should_be: str | None = None, conversation: str = "c:1", minutes: int = 60) -> Feedback:
    return Feedback(
        event_id=uuid4(), occurred_at=NOW + timedelta(minutes=minutes), conversation_id=conversation,
        label=FeedbackLabel(label), should_be=should_be, source="intercom",
    )  # fmt: skip


def test_a_right_verdict_gives_its_category(index: CatalogueIndex) -> None:
    found = rows_of([judgement("ok")], [verdict()], index, Task.INTENT)
    assert found.rows == [{"text": "I want my money back", "lang": "en", "intent": "change_booking"}]


def test_a_wrong_one_gives_what_the_reviewer_said_by_path_or_category(index: CatalogueIndex) -> None:
    for named in ("tickets/refund", "refund_tickets"):
        found = rows_of([judgement("wrong_path", named)], [verdict()], index, Task.INTENT)
        assert found.rows[0]["intent"] == "refund_tickets"


def test_match_rows_tell_whether_the_chosen_path_was_right(index: CatalogueIndex) -> None:
    wrong = rows_of([judgement("wrong_path", "tickets/refund")], [verdict()], index, Task.MATCH)
    right = rows_of([judgement("ok")], [verdict()], index, Task.MATCH)
    assert (wrong.rows[0]["chosen_category"], wrong.rows[0]["match"]) == ("change_booking", False)
    assert right.rows[0]["match"] is True


def test_the_latest_judgement_of_a_conversation_holds(index: CatalogueIndex) -> None:
    judged = [judgement("wrong_path", "tickets/refund", minutes=90), judgement("ok", minutes=10)]
    assert rows_of(judged, [verdict()], index, Task.INTENT).rows[0]["intent"] == "refund_tickets"


def test_the_opening_message_is_taken_and_not_a_later_answer(index: CatalogueIndex) -> None:
    later = verdict(text="yes", minutes=5)
    click = verdict(text="Refund", minutes=-5, versions=Versions())
    found = rows_of([judgement("ok")], [later, click, verdict()], index, Task.INTENT)
    assert found.rows[0]["text"] == "I want my money back"


def test_personal_data_stays_behind(index: CatalogueIndex) -> None:
    found = rows_of([judgement("ok")], [verdict(text="write to ana@example.org please")], index, Task.INTENT)
    assert found.rows[0]["text"] == "write to <EMAIL_1> please"


def test_what_gives_no_row_is_counted_with_its_reason(index: CatalogueIndex) -> None:
    judged = [judgement("ok", conversation="c:9"), judgement("wrong_path", "nowhere")]
    found = rows_of(judged, [verdict()], index, Task.INTENT)
    assert found.rows == []
    assert sum(found.skipped.values()) == 2


def test_a_file_needs_no_more_than_conversation_and_label(tmp_path: Path) -> None:
    judged, known = tmp_path / "f.jsonl", tmp_path / "v.jsonl"
    judged.write_text(json.dumps({"conversation_id": "c:1", "label": "ok"}))
    known.write_text(verdict().model_dump_json())
    found = rows_from_feedback([judged], [known], catalogue_dir=ROOT / "catalogue", task=Task.INTENT)
    assert len(found.rows) == 1
    judged.write_text('\n{"label": "ok"}')
    with pytest.raises(FatalError, match=r"f\.jsonl:2: conversation_id: is missing"):
        rows_from_feedback([judged], [known], catalogue_dir=ROOT / "catalogue", task=Task.INTENT)


def test_only_new_short_texts_of_known_categories_and_languages_are_added(index: CatalogueIndex) -> None:
    known = index.categories["refund_tickets"].examples["en"][0]
    rows = [
        IntentRow(text="a new way of asking", intent="refund_tickets", lang="en"),
        IntentRow(text="A new  way of asking", intent="refund_tickets", lang="en"),
        IntentRow(text=known, intent="refund_tickets", lang="en"),
        IntentRow(text="x", intent="oos", lang="en"),
        IntentRow(text="x", intent="refund_tickets", lang="tr"),
        IntentRow(text="x" * 500, intent="refund_tickets", lang="en"),
    ]
    additions, left_out = additions_of(rows, index.catalogue)
    assert additions == {("refund_tickets", "en"): ["a new way of asking"]}
    assert sum(left_out.values()) == 5
    grown = CatalogueIndex(with_examples(index.catalogue, additions))
    assert grown.categories["refund_tickets"].examples["en"][-1] == "a new way of asking"
    assert "a new way of asking" not in index.categories["refund_tickets"].examples["en"]


def test_examples_are_written_behind_the_last_one_and_nothing_else_changes(tmp_path: Path) -> None:
    directory = tmp_path / "catalogue"
    shutil.copytree(ROOT / "catalogue", directory)
    file = directory / "categories/refund_tickets.yaml"
    before = file.read_text(encoding="utf-8")
    added = 'say "refund": now # please'
    assert write_examples(directory, {("refund_tickets", "nl"): [added]}) == [file]
    after = file.read_text(encoding="utf-8").splitlines()
    assert [line for line in after if line not in before.splitlines()] == [f"    - {json.dumps(added)}"]
    index = CatalogueIndex(load_catalogue(directory))
    assert index.categories["refund_tickets"].examples["nl"][-1] == added


def test_an_invalid_catalogue_is_not_left_behind(tmp_path: Path) -> None:
    directory = tmp_path / "catalogue"
    shutil.copytree(ROOT / "catalogue", directory)
    file = directory / "categories/refund_tickets.yaml"
    before = file.read_text(encoding="utf-8")
    elsewhere = CatalogueIndex(load_catalogue(directory)).categories["sign_in"].examples["en"][0]
    with pytest.raises(FatalError, match="would not be valid"):
        write_examples(directory, {("refund_tickets", "en"): [elsewhere]})
    assert file.read_text(encoding="utf-8") == before


def test_a_list_on_one_line_is_left_to_people() -> None:
    with pytest.raises(FatalError, match="by hand"):
        inserted("examples:\n  en: [a, b]\n", "en", ["c"])
