"""Readers: good rows in their variants, bad ones with file, line and remedy."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from floodgate_eval.rows import (
    InjectionRow,
    IntentRow,
    MatchRow,
    PrivacyRow,
    SummaryRow,
    UrgencyRow,
    read_rows,
)
from keyflow import FatalError


def write(path: Path, *rows: object) -> Path:
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows), encoding="utf-8")
    return path


def test_further_members_and_blank_lines_are_ignored(tmp_path: Path) -> None:
    file = write(
        tmp_path / "a.jsonl", {"text": "Hi", "intent": "greet", "domain": "talk"}, "", {"text": "x", "intent": "y"}
    )
    rows = read_rows([file], IntentRow)
    assert [row.intent for row in rows] == ["greet", "y"]
    assert rows[0].group == "und"


def test_a_line_separator_inside_a_text_does_not_end_the_row(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text('{"text": "one\u2028two", "intent": "x"}\n', encoding="utf-8")
    assert read_rows([file], IntentRow)[0].text == "one\u2028two"


def test_several_files_are_read_in_order(tmp_path: Path) -> None:
    first = write(tmp_path / "a.jsonl", {"text": "1", "label": 1})
    second = write(tmp_path / "b.jsonl", {"text": "2", "label": "benign"}, {"text": "3", "label": True})
    assert [row.label for row in read_rows([first, second], InjectionRow)] == [1, 0, 1]


@pytest.mark.parametrize(
    ("line", "model", "said"),
    [
        ("{", IntentRow, "is not JSON"),
        ("[1]", IntentRow, "is not an object"),
        ('{"text": "a"}', IntentRow, "intent: is missing"),
        ('{"text": "a", "intent": 3}', IntentRow, "intent: "),
        ('{"text": "a", "chosen_category": "b", "match": "yes"}', MatchRow, "match: "),
        ('{"text": "a", "label": 7}', InjectionRow, "label: "),
        ('{"text": "a", "urgent": 1}', UrgencyRow, "urgent: "),
        ('{"text": "ab", "spans": [{"start": 0, "end": 3, "kind": "email"}]}', PrivacyRow, "not inside the text"),
        ('{"turns": [{"role": "robot", "text": "a"}], "reference_summaries": ["b"]}', SummaryRow, "turns.0.role"),
        ('{"turns": [], "reference_summaries": ["b"]}', SummaryRow, "turns: "),
    ],
)
def test_a_bad_row_names_file_line_and_remedy(tmp_path: Path, line: str, model: type[IntentRow], said: str) -> None:
    good = {
        IntentRow: '{"text": "a", "intent": "b"}',
        MatchRow: '{"text": "a", "chosen_category": "b", "match": true}',
        InjectionRow: '{"text": "a", "label": 0}',
        UrgencyRow: '{"text": "a", "urgent": true}',
        PrivacyRow: '{"text": "a", "spans": []}',
        SummaryRow: '{"turns": [{"role": "user", "text": "a"}], "reference_summaries": ["b"]}',
    }
    file = write(tmp_path / "rows.jsonl", good[model], line)
    with pytest.raises(FatalError) as caught:
        read_rows([file], model)
    assert f"{file}:2: " in str(caught.value)
    assert said in str(caught.value)
    assert "write " in str(caught.value)


def test_an_error_never_quotes_the_text(tmp_path: Path) -> None:
    file = write(tmp_path / "rows.jsonl", {"text": "my secret words", "label": "maybe"})
    with pytest.raises(FatalError) as caught:
        read_rows([file], InjectionRow)
    assert "secret" not in str(caught.value)


def test_a_missing_and_an_empty_file_are_told(tmp_path: Path) -> None:
    with pytest.raises(FatalError, match="No such file"):
        read_rows([tmp_path / "none.jsonl"], IntentRow)
    with pytest.raises(FatalError, match="no rows"):
        read_rows([write(tmp_path / "empty.jsonl")], IntentRow)


def test_a_file_that_is_not_utf_8_is_told(tmp_path: Path) -> None:
    file = tmp_path / "latin.jsonl"
    file.write_bytes('{"text": "é", "intent": "x"}'.encode("latin-1"))
    with pytest.raises(FatalError, match="UTF-8"):
        read_rows([file], IntentRow)


def test_kinds_of_personal_data_have_one_name_each(tmp_path: Path) -> None:
    spans = [{"start": 0, "end": 1, "kind": kind} for kind in ("EMAIL", "credit-card", "Phone Number", "national_id")]
    file = write(tmp_path / "p.jsonl", {"text": "abc", "lang": "en", "spans": spans})
    assert [span.kind for span in read_rows([file], PrivacyRow)[0].spans] == ["email", "card", "phone", "national_id"]


def test_roles_of_other_systems_are_understood(tmp_path: Path) -> None:
    turns = [{"role": role, "text": "x"} for role in ("User", "assistant", "bot", "system")]
    file = write(tmp_path / "s.jsonl", {"turns": turns, "reference_summaries": ["y"]})
    assert [turn.role for turn in read_rows([file], SummaryRow)[0].turns] == ["customer", "agent", "bot", "system"]
