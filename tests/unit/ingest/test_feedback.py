"""Judgements of a file: all of them, or one line that says what is wrong; the same file twice is the same feedback."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from floodgate.catalogue import CatalogueIndex, load_catalogue
from floodgate.events import AvroModel, FeedbackLabel, Pseudonyms
from floodgate.feedback import give, judgement
from ingest.feedback_cli import judgements
from keyflow.errors import FatalError

ROOT = Path(__file__).parents[3]
NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
KEY = Pseudonyms(b"0123456789abcdef")


@pytest.fixture(scope="module")
def index() -> CatalogueIndex:
    return CatalogueIndex(load_catalogue(ROOT / "catalogue"))


def written(path: Path, *rows: dict[str, Any]) -> list[Path]:
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return [path]


def test_a_file_gives_judgements_with_paths_and_pseudonyms(tmp_path: Path, index: CatalogueIndex) -> None:
    files = written(
        tmp_path / "f.jsonl",
        {"conversation_id": "intercom:1", "label": "ok", "reviewer": "ana@example.org"},
        {"conversation_id": "intercom:2", "label": "wrong_path", "should_be": "refund_tickets"},
        {
            "conversation_id": "intercom:3", "label": "wrong_path", "should_be": "tickets/refund",
            "occurred_at": "2026-11-21T08:00:00Z",
        },
    )  # fmt: skip
    right, by_category, by_path = judgements(files, index, KEY, NOW)
    assert (right.label, right.should_be, right.occurred_at, right.source) == (FeedbackLabel.OK, None, NOW, "file")
    assert right.reviewer == KEY.contact_id("reviewer", "ana@example.org")
    assert by_category.should_be == by_path.should_be == "tickets/refund"
    assert by_path.occurred_at == datetime(2026, 11, 21, 8, 0, tzinfo=UTC)


def test_the_same_file_again_is_the_same_feedback(tmp_path: Path, index: CatalogueIndex) -> None:
    files = written(tmp_path / "f.jsonl", {"conversation_id": "intercom:1", "label": "ok"})
    [first], [again] = (judgements(files, index, KEY, at) for at in (NOW, NOW + timedelta(days=1)))
    assert first.event_id == again.event_id


def test_who_changes_their_mind_and_back_says_three_things() -> None:
    said = [
        judgement("c:1", label, source="console", at=NOW + timedelta(minutes=minute), should_be=should_be)
        for minute, (label, should_be) in enumerate(
            [(FeedbackLabel.OK, None), (FeedbackLabel.WRONG_PATH, "tickets/refund"), (FeedbackLabel.OK, None)]
        )
    ]
    assert len({one.event_id for one in said}) == 3


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ({"label": "ok"}, "conversation_id: is missing"),
        ({"conversation_id": "1", "label": "ok"}, "write the channel before it"),
        ({"conversation_id": "c:1", "label": "fine"}, "label: Input should be"),
        ({"conversation_id": "c:1", "label": "unknown"}, "label: say ok or wrong_path"),
        ({"conversation_id": "c:1", "label": "wrong_path"}, "should_be: missing"),
        ({"conversation_id": "c:1", "label": "wrong_path", "should_be": "nowhere"}, "'nowhere' is no path"),
        ({"conversation_id": "c:1", "label": "ok", "should_be": "tickets/refund"}, "only a wrong path"),
        ({"conversation_id": "c:1", "label": "ok", "occurred_at": "2026-11-22T09:00:00"}, "occurred_at: "),
    ],
)
def test_a_wrong_row_is_named_with_its_line(tmp_path: Path, index: CatalogueIndex, row: Any, what: str) -> None:
    files = written(tmp_path / "f.jsonl", {"conversation_id": "c:0", "label": "ok"}, row)
    with pytest.raises(FatalError, match=rf"f\.jsonl:2: .*{what}"):
        judgements(files, index, KEY, NOW)


def test_a_file_that_is_not_utf8_is_named(tmp_path: Path, index: CatalogueIndex) -> None:
    file = tmp_path / "f.jsonl"
    file.write_bytes('{"conversation_id": "c:1", "label": "ok", "reviewer": "é"}'.encode("latin-1"))
    with pytest.raises(FatalError, match=r"f\.jsonl: is not UTF-8"):
        judgements([file], index, KEY, NOW)


async def test_a_judgement_is_written_under_its_conversation_with_its_id_as_a_header() -> None:
    sent: list[Any] = []

    class Sink:
        async def send(self, topic: str, key: str, value: AvroModel, headers: Any = ()) -> None:
            sent.append((topic, key, value, headers))

    verdict = uuid4()
    one = judgement("c:1", FeedbackLabel.OK, source="console", at=NOW, verdict_id=verdict)
    await give(Sink(), one)
    assert sent == [("support.feedback", "c:1", one, (("event-id", str(one.event_id).encode()),))]
    assert one.causation_id == verdict
