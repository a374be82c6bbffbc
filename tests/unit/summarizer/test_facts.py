"""What a summary may repeat of its source, and in which other spelling."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from summarizer.domain.facts import SourceFacts, unsupported_facts

SOURCE = SourceFacts.of(
    "Ik kocht twee kaartjes voor vrijdag 12 maart om 19:30, bestelling TK-48213, voor € 1.234,50 in Warszawie. "
    "The refund of twelve euros arrives within five days, says Nora Nowak."
)


@pytest.mark.parametrize(
    "summary",
    [
        "The customer bought 2 tickets for Friday 12 March.",
        "The show is at 7:30 pm.",
        "Order TK48213 cost 1234.50 euros.",
        "Order 48213 cost 1,234.5.",
        "Refund of 12 within 5 days to Warszawa.",
        "On 12/3 the customer went to Warszawa.",
        "A customer called Nora.",
    ],
)
def test_the_same_fact_in_another_spelling_is_supported(summary):
    assert unsupported_facts(summary, SOURCE, language="en") == ()


@pytest.mark.parametrize(
    ("summary", "invented"),
    [
        ("The customer bought 3 tickets.", ("3",)),
        ("The customer bought tickets for 12 April.", ("April",)),
        ("The customer comes on Monday.", ("Monday",)),
        ("Order TK-48214 was paid.", ("48214", "TK-48214")),
        ("The refund is 1234.55 euros.", ("1234.55",)),
        ("It was sent to Lisbon.", ("Lisbon",)),
        ("On 12/4 the customer went.", ("12/4",)),
    ],
)
def test_what_the_source_does_not_say_is_named(summary, invented):
    assert unsupported_facts(summary, SOURCE, language="en") == invented


def test_german_nouns_are_no_names_but_numbers_count():
    assert unsupported_facts("Der Kunde bekam eine Erstattung von 99 Euro.", SOURCE, language="de") == ("99",)


@given(st.text(max_size=200))
def test_a_text_supports_its_own_numbers_and_codes(text):
    found = unsupported_facts(text, SourceFacts.of(text), language="de")
    assert not [fact for fact in found if any(c.isdigit() and c.isascii() for c in fact)]
