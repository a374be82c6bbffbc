from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ingest.domain.plain_text import plain_text


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (None, ""),
        ("", ""),
        ("<p>Where is my ticket?</p>", "Where is my ticket?"),
        ("<p>One.</p><p>Two.</p>", "One.\n\nTwo."),
        ("<p>One<br>Two</p>", "One\nTwo"),
        ("<p>5 &lt; 6 &amp; 7 &gt; 6</p>", "5 < 6 & 7 > 6"),
        ("<ul><li>seat 4</li><li>seat 5</li></ul>", "- seat 4\n\n- seat 5"),
        ("<p>a\n  b</p>", "a b"),
        ("<pre>a\n  b</pre>", "a\nb"),
        ('<p>See <a href="https://example.org/x">here</a></p>', "See here"),
        ("<style>p {color: red}</style><p>Hello</p><script>alert(1)</script>", "Hello"),
        ('<div class="intercom-interblocks-image"><img src="https://example.org/a.png"></div>', ""),
        ("I paid <3 euros", "I paid <3 euros"),
        ("a < b and c > d", "a < b and c > d"),
        ("AT&amp;T as plain text", "AT&amp;T as plain text"),
        ("Line one\r\nLine two", "Line one\nLine two"),
        ("<p>Żądam zwrotu; s'il vous plaît; ¿dónde?</p>", "Żądam zwrotu; s'il vous plaît; ¿dónde?"),
    ],
)
def test_a_body_becomes_what_a_reader_sees(body: str | None, text: str) -> None:
    assert plain_text(body) == text


@given(st.text(alphabet=st.characters(exclude_characters="<", exclude_categories=("Cs", "Cc")), max_size=200))
def test_text_without_markup_keeps_every_word(text: str) -> None:
    assert plain_text(text).split() == text.split()


@given(st.text(max_size=300))
def test_any_input_is_read_without_failing_and_a_second_time_adds_nothing(text: str) -> None:
    once = plain_text(f"<p>{text}</p>")
    assert "<p>" not in once or "<p>" in text or "&" in text
