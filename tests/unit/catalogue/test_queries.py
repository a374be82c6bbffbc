"""What services ask a catalogue."""

from __future__ import annotations

from typing import Any

import pytest
from floodgate.catalogue import CatalogueIndex, in_language, load_catalogue, template, thresholds_for


@pytest.fixture
def index(on_disk: Any) -> CatalogueIndex:
    return CatalogueIndex(load_catalogue(on_disk.directory))


def test_a_category_wins_over_its_country_and_the_country_over_the_default(index: CatalogueIndex) -> None:
    assert index.thresholds_for("status").automate_confidence == 0.6
    assert index.thresholds_for("status", "NL").automate_confidence == 0.7
    assert index.thresholds_for("refunds", "NL").automate_confidence == 0.8
    assert index.thresholds_for("refunds", "NL").min_confidence == 0.5
    assert thresholds_for(index.catalogue, None, None) == index.catalogue.thresholds


def test_a_template_falls_back_to_the_default_language(index: CatalogueIndex) -> None:
    assert index.template("urgent", "nl") == "We kijken naar {what}."
    assert index.template("urgent", "sv") == "We look at {what}."
    assert template(index.catalogue, "urgent", None) == "We look at {what}."
    with pytest.raises(KeyError):
        index.template("gone", "en")


def test_a_path_leads_to_its_category_and_back(index: CatalogueIndex) -> None:
    category = index.category_for_path("orders/refund")

    assert category is not None
    assert category.id == "refunds"
    assert [path.id for path in index.paths_for("refunds")] == ["orders/refund"]
    assert index.belongs("refunds", "orders/refund")
    assert not index.belongs("refunds", "orders/status")
    assert index.path_label("orders/refund", "nl") == "Geld terug"


def test_a_generic_and_an_unknown_path_lead_to_no_category(index: CatalogueIndex) -> None:
    assert index.is_generic("other")
    assert not index.is_generic("orders/refund")
    assert [index.category_for_path(path) for path in ("other", "gone", None)] == [None, None, None]


def test_a_workflow_runs_only_where_automation_is_on(index: CatalogueIndex) -> None:
    assert index.workflow_for("refunds") == "refund"
    assert index.workflow_for("status") is None
    assert index.workflow_for("gone") is None


def test_languages_that_are_not_served_become_the_default_one(index: CatalogueIndex) -> None:
    assert [index.language(code) for code in ("nl", "sv", None)] == ["nl", "en", "en"]
    assert in_language({"en": "yes", "nl": "ja"}, "sv", "en") == "yes"


def test_examples_can_be_had_in_one_language(index: CatalogueIndex) -> None:
    assert len(index.examples()) == 20
    assert {language for _, language, _ in index.examples("nl")} == {"nl"}
