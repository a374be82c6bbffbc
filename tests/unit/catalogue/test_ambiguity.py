"""The lint tells of examples that teach confusion, of texts too rich, and of sources that cannot be."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from floodgate.catalogue import inspect_catalogue
from floodgate.catalogue.problems import Severity

TODAY = date(2029, 1, 1)


def warned(on_disk: Any) -> list[tuple[str, int | None, str]]:
    report = inspect_catalogue(on_disk.directory, today=TODAY)
    assert report.catalogue is not None, [str(problem) for problem in report.errors]
    return [(problem.file, problem.line, problem.message) for problem in report.warnings]


def with_examples(on_disk: Any, category: str, *texts: str) -> int:
    """Put English examples first; the line of the first."""
    path = on_disk.directory / f"categories/{category}.yaml"
    lines = path.read_text().splitlines()
    at = next(number for number, line in enumerate(lines) if line.strip().startswith("en:") and "[" not in line)
    path.write_text("\n".join([*lines[: at + 1], *(f"    - {text}" for text in texts), *lines[at + 1 :]]) + "\n")
    return at + 2


@pytest.fixture
def clean(on_disk: Any) -> Any:
    path = on_disk.directory
    for category, texts in {
        "refunds": ("money back for concert tickets", "I would like a refund", "please return what I paid"),
        "status": ("has my order been confirmed", "where does my purchase stand", "is the booking through"),
    }.items():
        on_disk.write(
            f"categories/{category}.yaml",
            f"id: {category}\npath: orders/{'refund' if category == 'refunds' else 'status'}\nteam: orders\nowner: o\n"
            f"review_by: 2030-01-01\ntitle: {{en: {category}, nl: {category}}}\nexamples:\n  en:\n"
            + "".join(f"    - {text}\n" for text in texts)
            + f"  nl: [een {category}, twee {category}]\n",
        )
    assert path.is_dir()
    return on_disk


def test_an_example_nearer_to_another_category_is_told_with_both_lines(clean: Any) -> None:
    line = with_examples(clean, "status", "money back for the big concert")
    found = [problem for problem in warned(clean) if "nearer to 'refunds'" in problem[2]]
    assert [(file, at) for file, at, _ in found] == [("categories/status.yaml", line)]
    assert "line 9 (“money back for concert tickets”)" in found[0][2]


def test_nearly_the_same_example_in_two_categories_is_told(clean: Any) -> None:
    with_examples(clean, "status", "Money back for concert ticket")
    assert any("nearly the same example stands in 'refunds'" in message for _, _, message in warned(clean))


def test_an_example_of_its_own_words_is_not_told(clean: Any) -> None:
    assert not [message for _, _, message in warned(clean) if "example" in message and "near" in message]


def test_texts_too_rich_are_told(clean: Any) -> None:
    clean.edit("paths.yaml", "label: {en: Refund,", f"label: {{en: {'Refund ' * 9},")
    clean.edit("urgency.yaml", "phrases: {en: [stolen card]", f"phrases: {{en: [{'stolen card ' * 9}, ab]")
    clean.edit("categories/refunds.yaml", "title: {en: refunds", f"title: {{en: {'refunds ' * 9}")
    told = [message for _, _, message in warned(clean)]
    assert sum("has 2 characters" in message for message in told) == 1
    assert sum("the label in en" in message for message in told) == 1
    assert sum("the title in en" in message for message in told) == 1


SOURCES = "owner: o\nreview_by: {due}\nsources:\n  - {{id: help, language: {language}, {rest}}}\n"


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        (
            "kind: sitemap, location: 'http://help.example.com/s.xml', allow: ['https://h.example.com/']",
            "not at an https",
        ),
        ("kind: sitemap, location: 'https://help.example.com/s.xml'", "allows nothing"),
        (
            "kind: feed, location: 'https://h.example.com/f', allow: ['https://h.example.com']",
            "no beginning of an address",
        ),
        ("kind: s3, location: bucket/prefix", "is not in S3"),
        ("kind: directory, location: 'https://h.example.com/'", "is an address"),
        ("kind: directory, location: x, category: none_such", "unknown category"),
        ("kind: directory, location: x, countries: [FR]", "unserved country"),
        ("kind: directory, location: x, languages: {/fr/: fr}", "unserved language"),
        ("kind: gopher, location: x", "kind"),
        ("kind: directory, location: x, max_documents: 0", "max_documents"),
    ],
)
def test_a_source_that_cannot_be_is_an_error_with_its_line(on_disk: Any, rest: str, message: str) -> None:
    on_disk.write("sources.yaml", SOURCES.format(due="2030-01-01", language="en", rest=rest))
    report = inspect_catalogue(on_disk.directory, today=TODAY)
    told = [problem for problem in report.errors if message in problem.message]
    assert [(problem.file, problem.line) for problem in told] == [("sources.yaml", 4)]


def test_a_source_whose_review_is_due_is_a_warning(on_disk: Any) -> None:
    rest = "kind: directory, location: x"
    on_disk.write("sources.yaml", SOURCES.format(due="2028-01-01", language="en", rest=rest))
    report = inspect_catalogue(on_disk.directory, today=TODAY)
    assert report.catalogue is not None
    assert [source.id for source in report.catalogue.sources] == ["help"]
    due = [problem for problem in report.problems if problem.file == "sources.yaml"]
    assert [problem.severity for problem in due] == [Severity.WARNING]
