"""Words of nine languages that speak for matters of support."""

from __future__ import annotations

import numpy as np
import pytest
from floodgate_nlu.glosses import Lexicon, lexicons
from floodgate_nlu.topic_words import TopicWords, read_words
from floodgate_nlu.topics import matters

NAMES = tuple(matter.names[0] for matter in matters())


@pytest.fixture(scope="module")
def table() -> TopicWords:
    return read_words(NAMES)


def test_every_matter_has_words_in_every_language_that_is_glossed(table: TopicWords) -> None:
    assert set(table.lexicons) == set(lexicons())
    for language, lexicon in table.lexicons.items():
        spoken_for = {
            number for known in (lexicon.words, lexicon.stems) for found in known.values() for number in found
        }
        assert len(spoken_for) == len(NAMES), language


@pytest.mark.parametrize(
    ("language", "text", "matter"),
    [
        ("nl", "Mijn dochter komt weer zonder luier van de opvang", "childcare"),
        ("de", "Wann beginnt der Schwimmkurs?", "gym"),
        ("fr", "Le frigo fuit et le four ne chauffe plus", "household appliance"),
        ("pl", "Pociąg stoi, a na peronie nie ma konduktora", "train"),
        ("sv", "Hyresvärden svarar inte om lägenheten", "rent"),
        ("cs", "Zubař mi zlomil plombu", "dental"),
        ("es", "El perro no quiere el pienso, ¿qué dice el veterinario?", "pets"),
        ("it", "Il monopattino non si sblocca", "car sharing"),
        ("pt", "A trotinete não desbloqueia", "car sharing"),
    ],
)
def test_words_speak_for_their_matter(table: TopicWords, language: str, text: str, matter: str) -> None:
    assert NAMES[int(table.evidence(text, language).argmax())] == matter


def test_a_word_of_two_matters_is_shared_and_said_twice_counts_once() -> None:
    lexicon = Lexicon({"karte": (0, 1)}, {"bank": (1,)})
    words = TopicWords(3, {"de": lexicon})
    np.testing.assert_allclose(words.evidence("Karte, Karte!", "de"), [0.5, 0.5, 0.0])
    np.testing.assert_allclose(words.evidence("Karte der Banken", "de"), [0.5, 1.5, 0.0])


def test_the_last_noun_of_a_compound_counts_where_nouns_are_compounded() -> None:
    lexicon = Lexicon({}, {"kurs": (1,)})
    words = TopicWords(2, {"de": lexicon, "pl": lexicon})
    np.testing.assert_allclose(words.evidence("Rückenkurse", "de"), [0.0, 1.0])
    np.testing.assert_allclose(words.evidence("kursy rückenkurs", "pl"), [0.0, 1.0])
    # What follows is longer than an ending: another noun, which decides.
    np.testing.assert_allclose(words.evidence("Rückenkursleitung", "de"), [0.0, 0.0])


@pytest.mark.parametrize("language", ["en", "tr", ""])
def test_english_and_what_the_table_lacks_have_no_evidence(table: TopicWords, language: str) -> None:
    assert not table.evidence("childcare and a broken lift", language).any()


def test_a_table_of_other_matters_is_refused() -> None:
    with pytest.raises(KeyError, match="delivery"):
        read_words(("something else",))
