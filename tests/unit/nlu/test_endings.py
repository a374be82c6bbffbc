"""How a conversation ended, in words that no list of phrases has."""

import pytest
from floodgate_nlu import endings
from floodgate_nlu.dialogue import Turn, resolution_of
from floodgate_nlu.endings import last_words, outcome_of
from floodgate_nlu.meanings import shared_embeddings
from floodgate_nlu.train_endings import endings as examples

ASKS = Turn("customer", "Hello, I have a question about my bill.")
ENDED = {
    "resolved": ("Leave that box empty, it only matters to firms.", "That was it, thank you."),
    "escalated": ("Our chief accountant has taken over your letter and will ring you.", "Good."),
    "pending": ("We have not heard from the supplier so far.", "Alright, I'll ask again next week."),
}


@pytest.fixture
def encoder() -> None:
    if shared_embeddings() is None:
        pytest.skip("the sentence encoder is not installed: make setup")


@pytest.mark.parametrize("outcome", ENDED)
def test_an_ending_is_understood_whoever_has_the_last_word(encoder: None, outcome: str) -> None:
    said, reply = ENDED[outcome]
    assert outcome_of((ASKS, Turn("agent", said)), "en") == outcome
    assert outcome_of((ASKS, Turn("agent", said), Turn("customer", reply)), "en") == outcome


def test_what_nobody_has_answered_is_pending() -> None:
    assert outcome_of((ASKS,), "en") == "pending"


def test_without_the_encoder_the_phrases_decide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endings, "shared_embeddings", lambda: None)
    for said, reply in ENDED.values():
        turns = (ASKS, Turn("agent", said), Turn("customer", reply))
        assert outcome_of(turns, "en") == resolution_of(turns, "en")


def test_the_last_words_are_those_of_both_sides() -> None:
    turns = (ASKS, Turn("agent", "Which one?"), Turn("customer", "May."), Turn("agent", "I see. It is paid."))
    assert last_words(turns) == ["I see. It is paid.", "It is paid.", "Which one?", ""]
    assert last_words((*turns, Turn("customer", "Fine.")))[-1] == "Fine."


def test_the_table_has_as_many_endings_of_each_kind_and_each_once() -> None:
    rows = examples()
    counts = [sum(row.outcome == number for row in rows) for number in range(3)]
    assert min(counts) >= 75
    assert max(counts) <= 1.2 * min(counts)
    assert len({row.said for row in rows}) == len(rows)
