"""The documented approximation of a tokenizer."""

import pytest
from floodgate_local.bedrock.tokens import count_tokens, truncate_to_tokens
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", 0),
        ("tickets", 2),
        ("the cat", 2),
        ("12345", 2),
        ("a\n\nb", 3),
        ("???", 2),
        ("日本語", 3),
        ("réservé", 2),
        ("Grüße", 2),
    ],
)
def test_pieces_cost_what_the_table_says(text: str, tokens: int) -> None:
    assert count_tokens(text) == tokens


def test_english_prose_comes_near_four_characters_a_token() -> None:
    text = (
        "Hello, I bought two tickets for the concert on Friday, but the payment went through twice and I only got "
        "one confirmation. Could you please check what happened and refund the second payment? Thanks in advance."
    )
    assert 3.5 <= len(text) / count_tokens(text) <= 5.0


@given(st.text(max_size=80))
def test_no_text_has_more_tokens_than_bytes(text: str) -> None:
    assert count_tokens(text) <= len(text.encode("utf-8", "surrogatepass"))


@given(st.text(max_size=80), st.integers(0, 20))
def test_a_truncated_text_is_a_prefix_within_the_limit(text: str, limit: int) -> None:
    cut = truncate_to_tokens(text, limit)
    assert text.startswith(cut)
    assert count_tokens(cut) <= limit
    if count_tokens(text) <= limit:
        assert cut == text
