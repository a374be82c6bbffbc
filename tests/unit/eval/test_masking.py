"""Masked ranges are told in the text as it came, whatever the rules removed."""

from __future__ import annotations

from floodgate.privacy import redact
from floodgate_eval.masking import Range, covered, in_original, overlaps, ranges_of


def test_ranges_are_those_of_the_values() -> None:
    text = "Mail anna@example.org or bo@example.org, then anna@example.org again"
    redacted = redact(text, language="en")
    found = ranges_of(redacted.text, redacted.placeholders)
    assert [text[one.start : one.end] for one in found] == ["anna@example.org", "bo@example.org", "anna@example.org"]
    assert {one.kind for one in found} == {"email"}


def test_a_placeholder_that_somebody_typed_is_no_masked_value() -> None:
    redacted = redact("I see <EMAIL_1> in my mail", language="en")
    assert ranges_of(redacted.text, redacted.placeholders) == ()


def test_ranges_move_with_what_was_removed_before_them() -> None:
    original = "Hi\u200b\u200b, mail\n\n\n\nanna@example.org now"
    clean = "Hi, mail\n\nanna@example.org now"
    start = clean.index("anna")
    (moved,) = in_original([Range(start, start + 16, "email")], clean, original)
    assert original[moved.start : moved.end] == "anna@example.org"


def test_a_span_is_covered_when_all_its_letters_and_digits_are() -> None:
    text = "IBAN: NL91 ABNA 0417"
    assert covered(6, 20, text, [Range(6, 10, "iban"), Range(11, 15, "iban"), Range(16, 20, "iban")])
    assert not covered(6, 20, text, [Range(6, 15, "iban")])


def test_ranges_that_only_touch_do_not_overlap() -> None:
    assert not overlaps(Range(0, 5, "email"), 5, 8)
    assert overlaps(Range(0, 6, "email"), 5, 8)
