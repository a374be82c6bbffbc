"""Texts of other languages in English words: what the table holds, and how words are looked up in it."""

from collections import Counter
from importlib.resources import files

import pytest
from floodgate_nlu.glosses import TABLE, coverage, gloss, lexicons
from floodgate_nlu.language import SERVED
from floodgate_nlu.text import tokens


@pytest.mark.parametrize(
    ("language", "text", "said"),
    [
        ("nl", "Ik wil mijn abonnement opzeggen", "i want my subscription cancel"),
        ("pl", "Nie mogę się zalogować do aplikacji", "not can login to app"),
        ("fr", "où est ma commande ?", "where is my order"),
        ("de", "Ticketpreis", "ticket price"),
        ("es", "el download no funciona", "download not work"),
        ("it", "insulina", "insulin"),
        ("fr", "merci", "thanks"),
        ("sv", "tack", "thanks"),
    ],
)
def test_a_text_is_read_word_by_word(language: str, text: str, said: str) -> None:
    assert gloss(text, language) == said


@pytest.mark.parametrize(("language", "text"), [("en", "Where's my order?"), ("tr", "biletim nerede"), ("nl", "xyz")])
def test_english_and_what_the_table_does_not_know_stay_as_they_are(language: str, text: str) -> None:
    assert gloss(text, language) == text


def test_a_language_that_is_not_served_is_hardly_covered() -> None:
    assert coverage("waar is mijn bestelling", "nl") == 1.0
    assert coverage("yarın için alarm kur", "nl") < 0.3
    assert coverage("", "nl") == coverage("where", "en") == 0.0


def test_every_served_language_but_english_has_a_rich_table() -> None:
    assert set(lexicons()) == set(SERVED) - {"en"}
    assert all(len(lexicon.words) + len(lexicon.stems) > 500 for lexicon in lexicons().values())


def test_no_form_stands_in_two_rows_and_every_form_is_one_word() -> None:
    head, *rows = files("floodgate_nlu").joinpath("data", TABLE).read_text(encoding="utf-8").splitlines()
    forms = Counter(
        (language.strip(), " ".join(tokens(form)), form.strip().endswith("*"))
        for row in rows
        for language, cell in zip(head.split("|")[1:], row.split("|")[1:], strict=False)
        for form in cell.split(",")
        if form.strip()
    )
    assert [form for form, count in forms.items() if count > 1] == []
    assert [form for _, form, _ in forms if len(form.split()) != 1] == []
