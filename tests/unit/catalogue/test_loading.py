"""The catalogue is loaded as a whole, or every reason is told with file, line and remedy."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from floodgate.catalogue import Automation, CatalogueError, inspect_catalogue, load_catalogue
from keyflow.errors import FatalError


def test_a_sound_catalogue_is_loaded_with_all_its_parts(on_disk: Any) -> None:
    catalogue = load_catalogue(on_disk.directory)

    assert catalogue.company == "Anyco"
    assert [category.id for category in catalogue.categories] == ["refunds", "status"]
    assert catalogue.articles[0].body == "You get your money back within a week."
    assert catalogue.teams[0].owner == "operations"
    assert list(catalogue.workflows) == ["refund"]


def test_a_bare_on_or_off_means_the_word_and_not_a_boolean(on_disk: Any) -> None:
    refunds, status = load_catalogue(on_disk.directory).categories

    assert refunds.automation is Automation.ON
    assert status.automation is Automation.OFF


def test_the_version_follows_the_content_and_nothing_else(on_disk: Any) -> None:
    before = load_catalogue(on_disk.directory).version
    (on_disk.directory / "notes.txt").write_text("not part of it")
    (on_disk.directory / ".hidden.yaml").write_text("nor this")
    same = load_catalogue(on_disk.directory).version
    on_disk.edit("knowledge/en/refunds.md", "a week", "ten days")

    assert len(before) == 12
    assert same == before
    assert load_catalogue(on_disk.directory).version != before


def test_a_missing_directory_names_the_setting(on_disk: Any) -> None:
    with pytest.raises(CatalogueError, match="FLOODGATE_CATALOGUE_DIR"):
        load_catalogue(on_disk.directory / "nowhere")


def test_the_error_stops_a_service_and_lists_every_problem(on_disk: Any) -> None:
    on_disk.edit("categories/refunds.yaml", "team: orders", "team: nobody")
    on_disk.edit("urgency.yaml", "reply: urgent", "reply: unsaid")
    on_disk.edit("paths.yaml", "nl: Anders", "pl: Inne")

    with pytest.raises(CatalogueError) as caught:
        load_catalogue(on_disk.directory)

    assert isinstance(caught.value, FatalError)
    assert [problem.file for problem in caught.value.problems] == [
        "categories/refunds.yaml",
        "paths.yaml",
        "urgency.yaml",
    ]
    assert "categories/refunds.yaml:4: category 'refunds' names the unknown team 'nobody'" in str(caught.value)


# (file, what is replaced, by what, line of the problem, words of the message, words of the remedy)
BROKEN = [
    ("categories/refunds.yaml", "path: orders/refund", "path: orders/gone", 3, "unknown path", "paths.yaml"),
    ("categories/refunds.yaml", "path: orders/refund", "path: other", 3, "is generic", "agree"),
    ("categories/refunds.yaml", "path: orders/refund", "path: orders/status", 3, "belongs to 'status'", "agree"),
    ("categories/refunds.yaml", "workflow: refund", "workflow: gone", 6, "unknown workflow", "workflows/"),
    ("categories/refunds.yaml", "workflow: refund", "never_automate: true", 5, "never_automate", "automation: off"),
    ("categories/refunds.yaml", "[status]", "[gone]", 7, "confusable with the unknown", "correct"),
    ("categories/refunds.yaml", "[status]", "[refunds]", 7, "confusable with itself", "correct"),
    ("categories/refunds.yaml", "id: refunds", "id: payback", 1, "file of another name", "rename"),
    ("categories/refunds.yaml", "team: orders", "teem: orders", 4, "unknown member 'teem'", "spelling"),
    ("categories/refunds.yaml", "owner: orders\n", "", None, "has no 'owner'", "add `owner:`"),
    ("categories/refunds.yaml", "review_by: 2030-01-01", "review_by: soon", 9, "review_by", "correct"),
    ("categories/refunds.yaml", "automation: on", "automation: maybe", 5, "automation", "correct"),
    ("categories/refunds.yaml", "  nl: [", "  fr: [", 10, "no examples in nl", "add at least"),
    ("categories/refunds.yaml", "money back,", f"{'x' * 201},", 11, "201 characters", "shorten it to 200"),
    ("categories/refunds.yaml", "money back,", "12,", 11, "is not text", "quotes"),
    ("categories/refunds.yaml", "money back,", "'  ',", 11, "empty example", "write it"),
    ("categories/refunds.yaml", "money back,", "'Where IS my order?',", None, "also stands", "belongs"),
    ("categories/refunds.yaml", "title: {en: Refunds,", "title: {", 2, "no title in en", "add the titles"),
    ("categories/refunds.yaml", "team: orders", "team: [", 6, "not valid YAML", "correct the line"),
    ("categories/status.yaml", "team: orders", "team: orders\nteam: orders", 5, "second time", "keep one"),
    ("paths.yaml", "generic: true", "generic: true\n    category: status", 10, "is generic and yet", "remove"),
    ("paths.yaml", "    generic: true\n", "", 8, "belongs to no category", "generic: true"),
    ("paths.yaml", "category: status", "category: gone", 6, "unknown category", "categories/"),
    ("paths.yaml", "id: other", "id: person", 8, "kept for the button", "another id"),
    ("paths.yaml", "id: other", "id: orders/status", 8, "already in paths.yaml:5", "rename"),
    ("teams.yaml", "id: orders", "id: Orders!", 4, "id", "correct"),
    ("teams.yaml", "teams:", "queues:", 1, "no list 'teams'", "write"),
    ("teams.yaml", "owner: operations", "owner: operations\ncolour: red", 2, "'colour' is unknown", "remove"),
    ("urgency.yaml", "nl: [gestolen kaart]", "nl: []", 8, "no phrases in nl", "add some"),
    ("urgency.yaml", "reply: urgent", "reply: gone", 7, "unknown template", "templates/"),
    ("templates/general.yaml", "naar {what}", "naar {wat}", 5, "has the places {wat}, but {what} in en", "same"),
    ("templates/general.yaml", "naar {what}", "naar {what", 5, "brace of its own", "close the place"),
    ("catalogue.yaml", "default_language: en", "default_language: de", 4, "is not served", "add it"),
    ("catalogue.yaml", "[NL, GB]", "[NL, NL]", 3, "stands twice in countries", "remove"),
    ("catalogue.yaml", "  refunds: {auto", "  gone: {auto", 7, "has thresholds but is unknown", "correct"),
    ("catalogue.yaml", "  NL: {min", "  BE: {min", 9, "has thresholds but is not served", "add it"),
    ("catalogue.yaml", "min_confidence: 0.4", "min_confidence: 4", 5, "min_confidence", "correct"),
    ("knowledge/en/refunds.md", "category: refunds", "category: gone", 3, "unknown category", "correct"),
    ("knowledge/en/refunds.md", "category: refunds", "countries: [FR]", 3, "unserved country", "add it"),
    ("knowledge/en/refunds.md", "---\ntitle", "title", 1, "no front matter", "begin it with ---"),
    ("knowledge/en/refunds.md", "You get your money back within a week.", "", None, "has no text", "write"),
]  # fmt: skip


@pytest.mark.parametrize(("file", "old", "new", "line", "message", "remedy"), BROKEN)
def test_each_mistake_is_told_with_file_line_and_remedy(
    on_disk: Any, file: str, old: str, new: str, line: int | None, message: str, remedy: str
) -> None:
    on_disk.edit(file, old, new)

    report = inspect_catalogue(on_disk.directory, today=date(2029, 1, 1))

    assert report.catalogue is None
    told = [problem for problem in report.errors if message in problem.message]
    assert told, [str(problem) for problem in report.problems]
    places = [(problem.file, problem.line) for problem in told]
    if line is not None:
        assert (file, line) in places
    assert remedy in told[0].remedy


def test_a_file_that_is_not_utf8_is_named_with_its_line(on_disk: Any) -> None:
    (on_disk.directory / "teams.yaml").write_bytes(b"owner: x\nteams: \xff")

    report = inspect_catalogue(on_disk.directory)

    assert ("teams.yaml", 2, "is not UTF-8") in [(p.file, p.line, p.message) for p in report.errors]


def test_a_missing_file_is_named(on_disk: Any) -> None:
    on_disk.remove("urgency.yaml")

    report = inspect_catalogue(on_disk.directory)

    assert [problem.file for problem in report.errors] == ["urgency.yaml"]


def test_one_broken_item_is_told_once_and_not_by_everything_that_refers_to_it(on_disk: Any) -> None:
    on_disk.edit("teams.yaml", 'intercom_team_id: "1"', "intercom_team_id: 1")

    report = inspect_catalogue(on_disk.directory)

    assert [str(problem.file) for problem in report.errors] == ["teams.yaml"]


def test_a_category_that_cannot_be_read_is_told_once(on_disk: Any) -> None:
    on_disk.edit("categories/refunds.yaml", "team: orders", "team: [")

    report = inspect_catalogue(on_disk.directory)

    assert [problem.file for problem in report.errors] == ["categories/refunds.yaml"]


def test_a_past_review_date_warns_and_does_not_stop(on_disk: Any) -> None:
    report = inspect_catalogue(on_disk.directory, today=date(2030, 1, 2))

    assert report.catalogue is not None
    assert {problem.file for problem in report.warnings} == {
        "categories/refunds.yaml",
        "categories/status.yaml",
        "knowledge/en/refunds.md",
        "teams.yaml",
        "templates/general.yaml",
        "urgency.yaml",
    }
    assert "let orders look at it" in str(report.warnings[0])


def test_an_article_without_a_version_in_the_default_language_warns(on_disk: Any) -> None:
    on_disk.write(
        "knowledge/nl/lokaal.md",
        "---\ntitle: Lokaal\nowner: orders\nreview_by: 2030-01-01\n---\nAlleen hier.\n",
    )

    report = inspect_catalogue(on_disk.directory, today=date(2029, 1, 1))

    assert report.catalogue is not None
    assert [problem.file for problem in report.warnings] == ["knowledge/nl/lokaal.md"]
