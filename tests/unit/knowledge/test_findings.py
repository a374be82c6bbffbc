"""What a person is told to look at: contradictions and stale articles."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from floodgate.catalogue import Article, KnowledgeSource, SourceKind
from knowledge.domain.documents import Document
from knowledge.domain.findings import contradictions, stale, stale_documents
from knowledge.domain.quantities import number, quantities_of

from tests.unit.knowledge.conftest import article

NOW = datetime(2026, 11, 22, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "kind", "values"),
    [
        ("within 14 days", "time", {336.0}),
        ("binnen 14 dagen", "time", {336.0}),
        ("sous 14 jours", "time", {336.0}),
        ("en 14 días", "time", {336.0}),
        ("w ciągu 14 dni", "time", {336.0}),
        ("innerhalb von 14 Tagen", "time", {336.0}),
        ("entro 14 giorni", "time", {336.0}),
        ("em 14 dias", "time", {336.0}),
        ("inom 14 dagar", "time", {336.0}),
        ("do 14 dnů", "time", {336.0}),
        ("two days or 48 hours", "time", {48.0}),
        ("up to €1,250.00", "money EUR", {1250.0}),
        ("bis 1.250,00 €", "money EUR", {1250.0}),
        ("490 Kč", "money CZK", {490.0}),
        ("a fee of 7.5 %", "percent", {7.5}),
    ],
)
def test_quantities_are_read_in_every_language(text: str, kind: str, values: set[float]) -> None:
    assert quantities_of(text) == {kind: frozenset(values)}


def test_numbers_without_a_unit_are_no_quantities() -> None:
    assert not quantities_of("Order TK-40033 in block 7, row 12, call 112")


@pytest.mark.parametrize(
    ("written", "value"), [("1,250.00", 1250), ("1.250,00", 1250), ("12.5", 12.5), ("1 000", 1000)]
)
def test_separators_of_both_habits_are_read(written: str, value: float) -> None:
    assert number(written) == value


def two(first: str, second: str, **more: object) -> list[Article]:
    return [article("a", "en", "Refunds", first), article("b", "en", "Money back", second, **more)]


def test_the_same_matter_with_another_deadline_contradicts() -> None:
    found = contradictions(
        two(
            "You can return tickets until 7 days before the event.",
            "Return tickets up to 14 days before the event.",
        )
    )
    assert [(item.articles, item.kind, item.values) for item in found] == [(("en/a", "en/b"), "time", ("168", "336"))]
    assert "7 days" in found[0].sentences[0]


def test_the_same_deadline_in_other_units_does_not() -> None:
    assert not contradictions(
        two(
            "You can return tickets until 7 days before the event.",
            "Return tickets up to 1 week before the event.",
        )
    )


def test_another_matter_with_another_deadline_does_not() -> None:
    assert not contradictions(
        two("You can return tickets until 7 days before the event.", "A gift voucher stays valid for 2 years.")
    )


def test_two_articles_under_one_title_have_to_agree() -> None:
    pair = [
        article("a", "en", "Fees for refunds", "We keep 5 euros of what you paid."),
        article("b", "en", "Refunds: fees", "The charge is 7 euros, whatever the price was."),
    ]
    assert [item.values for item in contradictions(pair)] == [("5", "7")]


def test_a_short_clause_is_read_with_its_sentence() -> None:
    pair = [
        article(
            "a", "en", "Names", "The name on a ticket can be changed by its buyer, until 48 hours before the event."
        ),
        article("b", "en", "Refunds", "You can return tickets until 14 days before the event, in your account."),
    ]
    assert not contradictions(pair)


def test_rules_of_different_countries_may_differ() -> None:
    pair = [
        article("a", "en", "Refunds", "You can return tickets until 7 days before the event.", countries=("NL",)),
        article("b", "en", "Refunds", "You can return tickets until 9 days before the event.", countries=("GB",)),
    ]
    assert not contradictions(pair)


def test_a_translation_with_another_number_contradicts() -> None:
    pair = [
        article("a", "en", "Refunds", "The fee of €5 is kept. You have 7 days."),
        article("a", "nl", "Terugbetaling", "De kosten van € 6 houden we in. Je hebt 7 dagen."),
    ]
    assert [(item.kind, item.values) for item in contradictions(pair)] == [("money EUR", ("5", "6"))]


def test_an_article_whose_review_is_due_is_stale() -> None:
    found = stale([article("a", "en", "A", "text")], date(2031, 1, 1))
    assert [(item.article, item.reason) for item in found] == [("en/a", "x was to review it by 2030-01-01")]


def test_a_document_is_stale_after_what_its_source_allows() -> None:
    source = KnowledgeSource(
        id="s", kind=SourceKind.DIRECTORY, location="x", language="en", stale_after_days=30, owner="x",
        review_by=date(2030, 1, 1),
    )  # fmt: skip
    old = Document(key="old.md", title="Old", text="text", updated_at=datetime(2026, 9, 1, tzinfo=UTC))
    fresh = old.model_copy(update={"key": "fresh.md", "updated_at": NOW})
    unknown = old.model_copy(update={"key": "unknown.md", "updated_at": None})
    assert [item.article for item in stale_documents(source, [old, fresh, unknown], NOW)] == ["old.md"]
