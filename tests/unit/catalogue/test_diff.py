"""What changes between two versions, in words, and what somebody should look at twice."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from floodgate.catalogue import (
    Article,
    Automation,
    Bar,
    Cascade,
    Catalogue,
    Category,
    KnowledgeSource,
    Path,
    SourceKind,
    Team,
    Template,
    Thresholds,
    UrgencyRule,
    load_catalogue,
)
from floodgate.catalogue.calibration import FeatureCalibration
from floodgate.catalogue.diff import Change, compare

WORKFLOW = """\
id: refund
version: 1
steps:
  ask: {do: confirm, agreed: pay}
  pay: {do: act, call: refund_order, with: {order: slots.order}, confirmed_by: [ask], max_amount_cents: 15000}
"""


@pytest.fixture
def before(on_disk: Any) -> Catalogue:
    on_disk.write("workflows/refund.yaml", WORKFLOW)
    return load_catalogue(on_disk.directory)


@pytest.fixture
def changes(on_disk: Any, before: Catalogue) -> Any:
    return lambda: compare(before, load_catalogue(on_disk.directory))


def told(found: list[Change]) -> list[tuple[str, str, str, str]]:
    return [(change.area, change.subject, change.text, change.care) for change in found]


def test_the_same_content_has_no_changes(changes: Any) -> None:
    assert changes() == []


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        ("catalogue.yaml", "Anyco", "Otherco", ("site", "company", "called Otherco, was Anyco", "")),
        (
            "catalogue.yaml",
            "countries: [NL, GB]",
            "countries: [NL, GB, BE]",
            ("country", "BE", "is served from now on", ""),
        ),
        (
            "catalogue.yaml",
            "refunds: {automate_confidence: 0.8}",
            "refunds: {automate_confidence: 0.5}",
            ("threshold", "category refunds", "automate_confidence 0.8 → 0.5", "workflows start on less evidence"),
        ),
        (
            "catalogue.yaml",
            "thresholds: {min_confidence: 0.4,",
            "thresholds: {min_confidence: 0.45,",
            ("threshold", "everywhere", "min_confidence 0.4 → 0.45", ""),
        ),
        (
            "categories/refunds.yaml",
            "automation: on",
            "automation: shadow",
            ("category", "refunds", "automation on → shadow", ""),
        ),
        (
            "categories/refunds.yaml",
            "refund please, ",
            "refund please, cash back, ",
            ("category", "refunds", "1 example added in en: “cash back”", ""),
        ),
        (
            "categories/refunds.yaml",
            "en: Refunds",
            "en: Money back",
            ("category", "refunds", "title changed in en", ""),
        ),
        (
            "urgency.yaml",
            "en: [stolen card]",
            "en: [card was stolen]",
            (
                "urgency rule",
                "fraud",
                "1 phrase removed in en: “stolen card”",
                "these words do not make a message urgent any more",
            ),
        ),
        (
            "templates/general.yaml",
            "We look at {what}.",
            "We will look at {what}.",
            ("template", "urgent", "text changed in en", "wording that was approved for urgent cases"),
        ),
        (
            "knowledge/en/refunds.md",
            "within a week",
            "within a whole week",
            ("knowledge", "en/refunds", "text changed (+1 words)", ""),
        ),
        (
            "workflows/refund.yaml",
            "max_amount_cents: 15000",
            "max_amount_cents: 20000",
            (
                "workflow",
                "refund",
                "step pay changed: max_amount_cents 15000 → 20000",
                "refund_order: another limit in money",
            ),
        ),
        (
            "workflows/refund.yaml",
            "confirmed_by: [ask], ",
            "",
            ("workflow", "refund", "step pay changed: confirmed_by", "refund_order: it is confirmed less often"),
        ),
        (
            "workflows/refund.yaml",
            "max_amount_cents: 15000",
            "max_amount_cents: 10000",
            ("workflow", "refund", "step pay changed: max_amount_cents 15000 → 10000", ""),
        ),
        (
            "workflows/refund.yaml",
            "version: 1",
            "version: 2",
            ("workflow", "refund", "version 1 → 2", "conversations that are in it go to a person"),
        ),
    ],
)
def test_a_change_is_told(
    on_disk: Any, changes: Any, file: str, old: str, new: str, expected: tuple[str, str, str, str]
) -> None:
    on_disk.edit(file, old, new)
    assert expected in told(changes())


def test_automation_that_is_raised_needs_care(on_disk: Any, before: Catalogue) -> None:
    on_disk.edit("categories/refunds.yaml", "automation: on", "automation: shadow")
    lower = load_catalogue(on_disk.directory)
    assert told(compare(lower, before)) == [("category", "refunds", "automation shadow → on", "automation raised")]


def test_a_mark_never_automate_that_goes_needs_care(on_disk: Any, before: Catalogue) -> None:
    on_disk.edit("categories/status.yaml", "team: orders", "team: orders\nnever_automate: true")
    marked = load_catalogue(on_disk.directory)
    assert told(compare(before, marked)) == [("category", "status", "marked never_automate", "")]
    [change] = compare(marked, before)
    assert (change.text, change.care) == ("never_automate removed", "a person always had to decide here")


def test_an_action_that_comes_needs_care(on_disk: Any, changes: Any) -> None:
    on_disk.write("workflows/refund.yaml", WORKFLOW + "  again: {do: act, call: cancel_subscription}\n")
    found = told(changes())
    assert ("workflow", "refund", "step again added", "it acts: cancel_subscription") in found
    on_disk.write("workflows/other.yaml", WORKFLOW.replace("id: refund", "id: other"))
    assert ("workflow", "other", "added with 2 steps", "it acts: refund_order") in told(changes())


def test_a_category_with_its_examples_under_another_name_is_renamed_and_told_once(on_disk: Any, changes: Any) -> None:
    text = (on_disk.directory / "categories/refunds.yaml").read_text()
    on_disk.remove("categories/refunds.yaml")
    on_disk.write("categories/money_back.yaml", text.replace("id: refunds", "id: money_back"))
    on_disk.edit("paths.yaml", "category: refunds", "category: money_back")
    on_disk.edit("catalogue.yaml", "  refunds:", "  money_back:")
    on_disk.edit("knowledge/en/refunds.md", "category: refunds", "category: money_back")
    assert told(changes()) == [("category", "money_back", "renamed, was refunds", "")]


def test_a_category_that_comes_or_goes_is_told_with_what_it_is(on_disk: Any, before: Catalogue) -> None:
    on_disk.remove("categories/status.yaml")
    on_disk.edit("paths.yaml", "category: status", "category: refunds")
    on_disk.edit("categories/refunds.yaml", "confusable_with: [status]", "confusable_with: []")
    without = load_catalogue(on_disk.directory)
    assert ("category", "status", "removed", "") in told(compare(before, without))
    added = [change for change in compare(without, before) if change.text.startswith("added")]
    assert [(change.subject, change.text) for change in added] == [
        ("status", "added: “Status”, automation off, 10 examples")
    ]


OTHER: dict[str, Any] = {
    "version": None,  # it is the name of the content, not content
    "id": None,  # another id is another item
    "language": None,
    "owner": "somebody",
    "review_by": date(2031, 1, 1),
    "title": "Other",
    "label": {"en": "Other", "nl": "Anders"},
    "texts": {"en": "Other {what}.", "nl": "Anders {what}."},
    "team": "other",
    "path": "other/path",
    "category": "other",
    "generic": True,
    "automation": Automation.SHADOW,
    "never_automate": True,
    "workflow": "other",
    "confusable_with": ("other",),
    "examples": {"en": ("something else",)},
    "phrases": {"en": ("something else",)},
    "quarantine_never": False,
    "reply": "other",
    "intercom_team_id": "99",
    "low_priority": True,
    "time_zone": "Europe/Lisbon",
    "hours": {"mon": ("09:00-17:00",)},
    "holidays": (date(2026, 12, 25),),
    "capacity": 5,
    "bar": Bar(min_cases=200),
    "countries": ("NL",),
    "body": "Other words.",
    "company": "Otherco",
    "languages": ("en",),
    "default_language": "nl",
    "max_redirects": 9,
    "thresholds": Thresholds(min_confidence=0.99),
    "category_thresholds": {"refunds": Thresholds(urgent=0.99)},
    "country_thresholds": {"GB": Thresholds(urgent=0.99)},
    "calibration": FeatureCalibration(model="m", prompt="summarize@2", fitted_on=date(2026, 1, 1)),
    "cascade": Cascade(certainty={"en": 0.9}),
    "language_thresholds": {"nl": Thresholds(urgent=0.99)},
    "topics": ("other",),
    "intents": ("other",),
    "workflows": {"refund": {"id": "refund", "max_turns": 3}},
    "sources": (
        KnowledgeSource(
            id="help", kind=SourceKind.DIRECTORY, location="help", language="en", owner="x", review_by=date(2031, 1, 1)
        ),
    ),
}
ITEMS = ("paths", "categories", "urgency", "teams", "templates", "articles")


def members() -> list[tuple[str, str]]:
    """Every member of a catalogue and of its kinds of items."""
    found = [("", name) for name in Catalogue.model_fields if name not in ITEMS]
    for kind, model in zip(ITEMS, (Path, Category, UrgencyRule, Team, Template, Article), strict=True):
        found += [(kind, name) for name in model.model_fields]
    return [(kind, name) for kind, name in found if OTHER[name] is not None]


@pytest.mark.parametrize(("kind", "name"), members())
def test_no_member_can_change_in_silence(before: Catalogue, kind: str, name: str) -> None:
    if not kind:
        after = before.model_copy(update={name: OTHER[name]})
    else:
        first, *others = getattr(before, kind)
        value = {"en": "Other", "nl": "Anders"} if (kind, name) == ("categories", "title") else OTHER[name]
        after = before.model_copy(update={kind: (first.model_copy(update={name: value}), *others)})
    assert compare(before, after)


@pytest.mark.parametrize("kind", ITEMS)
def test_no_item_can_come_or_go_in_silence(before: Catalogue, kind: str) -> None:
    without = before.model_copy(update={kind: getattr(before, kind)[1:]})
    assert compare(before, without)
    assert compare(without, before)
