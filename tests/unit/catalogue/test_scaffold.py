"""A new language or country is put in every place that needs it, and the lint refuses it until it is written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from floodgate.catalogue import CatalogueError, load_catalogue, thresholds_for
from floodgate.catalogue.cli import app
from floodgate.catalogue.loader import inspect_files, load_files
from floodgate.catalogue.scaffold import Scaffold, add_country, add_language
from floodgate.catalogue.source import UNFINISHED, read_files
from floodgate.catalogue.yaml_edit import Addition, add_members
from keyflow.errors import FatalError
from typer.testing import CliRunner

OWN = Path(__file__).parents[3] / "catalogue"


def scaffolded(files: dict[str, bytes], scaffold: Scaffold) -> dict[str, bytes]:
    return {**files, **{name: text.encode() for name, text in scaffold.files.items()}}


@pytest.mark.parametrize("language", ["da", "no"])
def test_a_language_lacks_nothing_but_words_in_our_own_catalogue(language: str) -> None:
    files = read_files(OWN)
    scaffold = add_language(files, load_files(files), language)
    after = scaffolded(files, scaffold)
    with pytest.raises(CatalogueError) as refused:
        load_files(after)
    assert {problem.file for problem in refused.value.problems} == set(scaffold.marks)
    assert all(UNFINISHED in problem.message for problem in refused.value.problems)
    catalogue = load_files(after, unfinished=True)
    assert catalogue.languages[-1] == language
    assert all(len(category.examples[language]) == 5 for category in catalogue.categories)
    assert any(article.language == language for article in catalogue.articles)


SUITES = "# What the gate measures.\nsuites:\n  own/intent: {task: intent, test: [corpora/intent.jsonl]}\n"


def test_a_language_comes_with_the_gate_that_it_has_to_pass() -> None:
    files = read_files(OWN)
    catalogue = load_files(files)
    gate = add_language(files, catalogue, "da", SUITES).gate
    suites = yaml.safe_load(gate["suites.yaml"])["suites"]
    assert gate["suites.yaml"].startswith(SUITES.rstrip())
    assert suites["da/intent"] == {
        "task": "intent", "test": ["corpora/da.jsonl"], "at_least": {"accuracy": 0.8},
    }  # fmt: skip
    rows = [json.loads(line) for line in gate["corpora/da.jsonl"].splitlines()]
    assert {row["intent"] for row in rows} == {category.id for category in catalogue.categories}
    assert all(row["lang"] == "da" and UNFINISHED in row["text"] for row in rows)
    assert not add_language(files, catalogue, "da").gate


def test_a_language_on_trial_is_held_back_until_its_thresholds_are_removed(on_disk: Any) -> None:
    files = read_files(on_disk.directory)
    after = scaffolded(files, add_language(files, load_files(files), "da"))
    report = inspect_files({name: body.replace(UNFINISHED.encode(), b"skrevet") for name, body in after.items()})
    catalogue = report.catalogue
    assert catalogue is not None
    assert thresholds_for(catalogue, "refunds", "NL", "da").automate_confidence == 1.0
    assert thresholds_for(catalogue, "refunds", "NL", "nl").automate_confidence == 0.8
    assert any("'da' is on trial" in problem.message for problem in report.warnings)


def test_the_command_writes_the_gate_beside_the_catalogue(tmp_path: Path, on_disk: Any) -> None:
    evaluation = on_disk.directory.parent / "eval"
    evaluation.mkdir(exist_ok=True)
    (evaluation / "suites.yaml").write_text(SUITES)
    result = CliRunner().invoke(app, ["add-language", "da", "--dir", str(on_disk.directory)])
    assert result.exit_code == 0, result.output
    assert (evaluation / "corpora/da.jsonl").is_file()
    assert "da/intent" in yaml.safe_load((evaluation / "suites.yaml").read_text())["suites"]


def test_a_language_whose_marks_are_replaced_can_be_used(on_disk: Any) -> None:
    files = read_files(on_disk.directory)
    after = scaffolded(files, add_language(files, load_files(files), "da"))
    written = {name: body.replace(UNFINISHED.encode(), b"skrevet") for name, body in after.items()}
    catalogue = load_files(written)
    assert catalogue.languages == ("en", "nl", "da")
    [rule] = catalogue.urgency
    assert rule.phrases["da"] == ("skrevet fraud: as unmistakable as “stolen card”",)


def test_nothing_else_of_a_file_is_touched(on_disk: Any) -> None:
    files = read_files(OWN)
    scaffold = add_language(files, load_files(files), "da")
    for name, text in scaffold.files.items():
        if name in files:
            lines = text.splitlines()
            kept = iter(lines)
            lost = [line for line in files[name].decode().splitlines() if line not in kept]
            # What stands in one line with the others is longer now; no other line is different.
            assert all(line.rstrip("}] ") in text for line in lost), name


def test_a_country_begins_on_trial_with_a_gate_of_rows_for_every_category(on_disk: Any) -> None:
    files = read_files(on_disk.directory)
    scaffold = add_country(files, load_files(files), "NO", SUITES)
    assert scaffold.marks == {}
    catalogue = load_files(scaffolded(files, scaffold))
    assert catalogue.countries == ("NL", "GB", "NO")
    for category in (None, *(category.id for category in catalogue.categories)):
        assert thresholds_for(catalogue, category, "NO").automate_confidence == 1.0
    assert set(scaffold.gate) == {"suites.yaml", "corpora/NO.jsonl"}
    suite = yaml.safe_load(scaffold.gate["suites.yaml"])["suites"]["NO/match"]
    assert suite == {"task": "match", "test": ["corpora/NO.jsonl"], "at_least": {"accuracy": 0.9}}
    rows = [json.loads(line) for line in scaffold.gate["corpora/NO.jsonl"].splitlines()]
    assert {(row["chosen_category"], row["match"]) for row in rows} == {
        (category.id, match) for category in catalogue.categories for match in (True, False)
    }


def test_a_country_on_trial_is_held_back_whatever_a_category_says_and_the_lint_reminds_of_it(on_disk: Any) -> None:
    files = read_files(OWN)
    after = scaffolded(files, add_country(files, load_files(files), "NO"))
    catalogue = load_files(after)
    assert thresholds_for(catalogue, "refund_tickets", "NL").automate_confidence == 0.7
    assert thresholds_for(catalogue, "refund_tickets", "NO").automate_confidence == 1.0
    assert any("country 'NO' is on trial" in problem.message for problem in inspect_files(after).warnings)


def test_a_country_and_then_a_language_may_be_added_before_either_is_written(on_disk: Any) -> None:
    for command in (["add-country", "NO"], ["add-language", "no"]):
        result = CliRunner().invoke(app, [*command, "--dir", str(on_disk.directory)])
        assert result.exit_code == 0, result.output
        assert "Next:" in result.stdout
    result = CliRunner().invoke(app, ["lint", str(on_disk.directory)])
    assert result.exit_code == 1
    assert "cannot be used" in result.stdout


@pytest.mark.parametrize(
    ("add", "code", "words"),
    [
        (add_language, "danish", "is no language"),
        (add_language, "nl", "is served already"),
        (add_country, "no", "is no country"),
        (add_country, "NL", "is served already"),
    ],
)
def test_what_is_no_code_or_there_already_is_refused(on_disk: Any, add: Any, code: str, words: str) -> None:
    files = read_files(on_disk.directory)
    with pytest.raises(FatalError, match=words):
        add(files, load_files(files), code)


def test_a_word_of_spanish_is_no_mark(on_disk: Any) -> None:
    on_disk.edit("categories/refunds.yaml", "refund please", "QUIERO TODO MI DINERO")
    load_catalogue(on_disk.directory)


@pytest.mark.parametrize(
    ("text", "additions"),
    [
        ("a: {}\n", [Addition(("a",), "x y", key="b")]),
        ("a: {c: 1}  # why\n", [Addition(("a",), "x", key="no")]),
        ("a:\n  c: 1  # why\n\n# end\nb: 2\n", [Addition(("a",), ("x: y", "- z"), key="d")]),
        ("a:\n  c: |\n    text\n    more\n\nb: 2\n", [Addition(("a",), "x", key="d")]),
        ("a:\n  c: >-\n    text", [Addition(("a",), "x", key="d")]),
        ("a:\n  - b: {c: 1}\n  - b:\n      c:\n        [1,\n         2]\n", [Addition(("a", 1, "b"), "x", key="d")]),
        ("a: [x,\n    y]\n", [Addition(("a",), "z")]),
        ("a:\n- x\n- y # last\nb: 1\n", [Addition(("a",), "NO")]),
        ("a: []\n", [Addition(("a",), "z")]),
        ("a: 1\n", [Addition((), {"X": {}}, key="b")]),
    ],
)
def test_members_are_added_to_every_layout(text: str, additions: list[Addition]) -> None:
    after = add_members("file.yaml", text, additions)
    data: Any = yaml.safe_load(after)
    for addition in additions:
        found = data
        for part in addition.place:
            found = found[part]
        value = list(addition.value) if isinstance(addition.value, tuple) else addition.value
        assert (found[-1] if addition.key is None else found[addition.key]) == value
    for line in text.splitlines():
        assert line.split("  #")[0].rstrip("}] ") in after


@pytest.mark.parametrize("text", ["a: 1\n", "b: {}\n", "a:\n"])
def test_a_layout_that_cannot_be_extended_is_told(text: str) -> None:
    with pytest.raises(FatalError, match=r"file\.yaml.*by hand"):
        add_members("file.yaml", text, [Addition(("a",), "x", key="d")])
