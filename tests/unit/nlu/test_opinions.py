"""What single texts feel: words for feelings in ten languages, and what is learned from some of them for the others."""

import numpy as np
import pytest
from floodgate_nlu import opinions
from floodgate_nlu.language import SERVED
from floodgate_nlu.opinions import WORDS_ARTEFACT, feeling_words, log_odds, opinion_of, words_of_feeling

PRAISE = {
    "en": "What a gorgeous evening, we loved every minute",
    "nl": "Wat een prachtige avond, we hebben zo genoten",
    "de": "Was für ein herrlicher Abend, wir haben ihn sehr genossen",
    "fr": "Quelle soirée magnifique, un vrai plaisir",
    "es": "Qué noche tan maravillosa, hemos disfrutado mucho",
    "it": "Che serata splendida, ci siamo divertiti tantissimo",
    "pt": "Que noite maravilhosa, adorei",
    "pl": "Cudowny wieczór, uwielbiam was",
    "sv": "Vilken underbar kväll, jag älskar er",
    "cs": "Nádherný večer, úžasná zábava",
}
COMPLAINT = {
    "en": "This is a disgusting mess and the guard was rude",
    "nl": "Wat een walgelijke zooi, en de bewaker was onbeschoft",
    "de": "Ein ekelhaftes Chaos, und der Wachmann war unverschämt",
    "fr": "Un chaos dégoûtant, et le vigile était malpoli",
    "es": "Un caos asqueroso, y el guardia fue grosero",
    "it": "Un caos disgustoso, e il custode era maleducato",
    "pt": "Um caos nojento, e o segurança foi grosseiro",
    "pl": "Obrzydliwy chaos, a ochroniarz był chamski",
    "sv": "Ett äckligt kaos, och vakten var oförskämd",
    "cs": "Odporný chaos a hlídač byl hrubý",
}


@pytest.mark.parametrize("language", sorted(SERVED))
def test_praise_and_complaint_are_told_apart_in_every_language(language: str) -> None:
    for text, expected in ((PRAISE[language], "positive"), (COMPLAINT[language], "negative")):
        found = opinion_of(text, language)
        assert found is not None
        assert sum(found.values()) == pytest.approx(1.0)
        assert max(found, key=found.__getitem__) == expected, found


@pytest.mark.parametrize("language", sorted(SERVED))
def test_words_of_feeling_lean_the_right_way(language: str) -> None:
    complaint, praise = words_of_feeling(PRAISE[language], language)
    assert praise > complaint
    complaint, praise = words_of_feeling(COMPLAINT[language], language)
    assert complaint > praise


def test_a_negated_feeling_is_another_feature() -> None:
    table = feeling_words()
    plain = set(table.features("a good film", "en").indices.tolist())
    negated = set(table.features("not a good film", "en").indices.tolist())
    assert plain.isdisjoint({index for index in negated if index < 2 * len(table.values)})


def test_the_table_knows_every_served_language_and_no_feeling_is_without_words() -> None:
    table = feeling_words()
    assert set(table.lexicons) == set(SERVED)
    for language, lexicon in table.lexicons.items():
        known = {*lexicon.words.values(), *lexicon.stems.values()}
        assert len(known) > 0.95 * len(table.values), language


def test_a_language_that_is_not_served_is_read_as_english() -> None:
    assert words_of_feeling("terrible", "xx") == words_of_feeling("terrible", "en")


def test_log_odds_compare_with_neither() -> None:
    assert log_odds(np.zeros(3)).tolist() == [0.0, 0.0]
    complaint, praise = log_odds(np.array([2.0, 0.0, -2.0]))
    assert complaint > 0 > praise


def test_without_artefacts_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opinions, "read_bytes", lambda name: None if name == WORDS_ARTEFACT else b"")
    opinions._shipped.cache_clear()
    try:
        assert opinion_of("wonderful", "en") is None
        assert words_of_feeling("wonderful", "en") == (0.0, 0.0)
    finally:
        opinions._shipped.cache_clear()
