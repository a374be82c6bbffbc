"""The catalogue of this repository holds what the services and the demo count on."""

from __future__ import annotations

from collections import Counter
from datetime import date
from pathlib import Path

import pytest
from floodgate.catalogue import Automation, Catalogue, CatalogueIndex, inspect_catalogue, places_of

DIRECTORY = Path(__file__).resolve().parents[3] / "catalogue"
LANGUAGES = {"nl", "fr", "es", "pl", "en", "de", "it", "pt", "sv", "cs"}


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    report = inspect_catalogue(DIRECTORY, today=date(2026, 11, 22))
    assert report.catalogue is not None, "\n".join(map(str, report.errors))
    assert report.warnings == ()
    return report.catalogue


def test_it_serves_ten_languages_with_examples_enough_in_each(catalogue: Catalogue) -> None:
    assert set(catalogue.languages) == LANGUAGES
    assert len(catalogue.categories) == 18
    for category in catalogue.categories:
        assert len(category.examples["en"]) >= 25, category.id
        assert min(len(texts) for texts in category.examples.values()) >= 15, category.id


def test_examples_are_not_mostly_copies_of_each_other(catalogue: Catalogue) -> None:
    texts = Counter(text.casefold() for _, _, text in CatalogueIndex(catalogue).examples())

    assert [text for text, count in texts.items() if count > 1] == []


def test_what_may_never_be_automated_is_marked(catalogue: Catalogue) -> None:
    marked = {category.id for category in catalogue.categories if category.never_automate}
    automated = {category.id for category in catalogue.categories if category.automation is Automation.ON}

    assert marked == {"account_security", "accessibility", "privacy_request"}
    assert automated == {
        "resend_tickets",
        "order_status",
        "change_email",
        "sign_in",
        "cancel_subscription",
        "refund_tickets",
        "duplicate_charge",
        "promo_code",
        "change_booking",
        "invoice_copy",
        "playback_problem",
        "lost_item",
    }


def test_every_urgency_rule_has_a_reply_that_goes_to_a_human_team(catalogue: Catalogue) -> None:
    index = CatalogueIndex(catalogue)

    assert set(index.urgency_rules) == {
        "payment_fraud",
        "account_takeover",
        "safety_at_event",
        "minors",
        "self_harm",
        "legal",
    }
    assert all(rule.reply in index.templates for rule in catalogue.urgency)
    assert index.urgency_rules["self_harm"].reply == "self_harm_support"
    assert not any(index.teams[rule.team].low_priority for rule in catalogue.urgency)


def test_the_redirect_has_one_place_and_the_notice_none(catalogue: Catalogue) -> None:
    index = CatalogueIndex(catalogue)

    assert {places_of(text) for text in index.templates["redirect"].texts.values()} == {frozenset({"path_label"})}
    assert {places_of(text) for text in index.templates["automated_notice"].texts.values()} == {frozenset()}


def test_words_about_self_harm_name_an_emergency_number_in_every_language(catalogue: Catalogue) -> None:
    assert all("112" in text for text in CatalogueIndex(catalogue).templates["self_harm_support"].texts.values())


def test_articles_are_short_and_the_most_asked_are_in_every_language(catalogue: Catalogue) -> None:
    articles = CatalogueIndex(catalogue).articles

    assert all(60 <= len(article.body.split()) <= 200 for article in catalogue.articles)
    assert sum("en" in versions for versions in articles.values()) >= 14
    assert {key for key, versions in articles.items() if set(versions) == LANGUAGES} >= {
        "ticket_delivery",
        "ticket_refunds",
        "cancel_subscription",
    }
    for language in ("nl", "fr", "de", "es", "pl"):
        assert sum(language in versions for versions in articles.values()) >= 6, language


def test_every_category_has_an_article(catalogue: Catalogue) -> None:
    covered = {article.category for article in catalogue.articles if article.language == "en"}

    assert {category.id for category in catalogue.categories} <= covered
