"""Articles are cut into passages without losing or tearing anything."""

from __future__ import annotations

import pytest
from floodgate.knowledge import chunk_article
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.knowledge.conftest import article

SENTENCES = st.lists(
    st.lists(st.text("abcdé", min_size=1, max_size=6), min_size=1, max_size=12).map(lambda w: " ".join(w) + "."),
    min_size=1,
    max_size=12,
)


def test_a_short_article_stays_whole() -> None:
    [chunk] = chunk_article(article("a", "nl", "Titel", "Eerste alinea.\n\nTweede alinea.", countries=("NL",)))

    assert chunk.text == "Eerste alinea.\n\nTweede alinea."
    assert (chunk.chunk_id, chunk.title, chunk.countries) == ("a/nl/1", "Titel", ("NL",))


def test_paragraphs_stay_together_where_they_fit() -> None:
    body = "one two three\n\nfour five six\n\nseven eight"

    assert [chunk.text for chunk in chunk_article(article("a", "en", "t", body), max_words=6)] == [
        "one two three\n\nfour five six",
        "seven eight",
    ]


def test_a_long_paragraph_is_cut_between_sentences_only() -> None:
    body = "One two three. Four five six! Seven eight nine ten."

    assert [chunk.text for chunk in chunk_article(article("a", "en", "t", body), max_words=6)] == [
        "One two three. Four five six!",
        "Seven eight nine ten.",
    ]


def test_an_empty_article_gives_nothing_and_a_senseless_bound_is_refused() -> None:
    assert chunk_article(article("a", "en", "t", " \n\n ")) == []
    with pytest.raises(ValueError, match="1 or more"):
        chunk_article(article("a", "en", "t", "x"), max_words=0)


@given(st.lists(SENTENCES, min_size=1, max_size=5), st.integers(min_value=1, max_value=40))
def test_every_word_is_kept_in_order_and_no_piece_is_too_long(paragraphs: list[list[str]], bound: int) -> None:
    body = "\n\n".join(" ".join(sentences) for sentences in paragraphs)
    longest = max(len(sentence.split()) for sentences in paragraphs for sentence in sentences)

    chunks = chunk_article(article("a", "en", "t", body), max_words=bound)

    assert " ".join(chunk.text for chunk in chunks).split() == body.split()
    assert max(len(chunk.text.split()) for chunk in chunks) <= max(bound, longest)
    assert [chunk.chunk_id for chunk in chunks] == [f"a/en/{number}" for number in range(1, len(chunks) + 1)]
