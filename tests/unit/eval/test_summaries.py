"""ROUGE and the fact check against values worked out by hand."""

from __future__ import annotations

import pytest
from floodgate_eval.rouge import rouge_1, rouge_l, unsupported_facts


def test_rouge_1_counts_common_words_once_per_occurrence() -> None:
    # Common: the, cat (the reference has one "the"); 2 * 2 / (3 + 4).
    assert rouge_1("The cat the", ["the cat sat down"]) == pytest.approx(4 / 7)


def test_rouge_l_counts_the_longest_common_order() -> None:
    # a b c d and a c b d share a, b or c, d in order: 3; 2 * 3 / 8.
    assert rouge_l("a b c d", ["a c b d"]) == pytest.approx(0.75)


def test_the_best_reference_counts() -> None:
    assert rouge_1("refund granted", ["something else", "refund granted"]) == 1.0
    assert rouge_l("", ["x"]) == 0.0
    assert rouge_1("x", []) == 0.0


def test_case_and_accents_do_not_matter() -> None:
    assert rouge_1("Café Réservé", ["cafe reserve"]) == 1.0


def test_numbers_codes_and_names_must_stand_in_the_source() -> None:
    source = "I paid 12,99 twice for order TK-40001. Regards, Nora"
    assert unsupported_facts("Customer Nora paid 12.99 twice for TK-40001.", source) == ()
    assert unsupported_facts("Customer paid 13.50 for TK-40002.", source) == ("13.50", "TK-40002")
    assert unsupported_facts("The customer wrote from Lisbon.", source) == ("Lisbon",)


def test_the_first_word_and_the_names_of_roles_are_no_facts() -> None:
    assert unsupported_facts("Refund promised. The Customer thanked the Agent.", "I want my money") == ()


def test_german_nouns_are_no_names() -> None:
    assert unsupported_facts("Der Kunde fragt nach der Rechnung.", "wo ist mein Beleg", "de") == ()
    assert unsupported_facts("Der Kunde zahlte 45 Euro.", "wo ist mein Beleg", "de") == ("45",)
