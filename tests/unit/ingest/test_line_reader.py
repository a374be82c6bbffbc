from __future__ import annotations

import gzip
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ingest.adapters.aws import UnreadableObjectError
from ingest.adapters.s3_objects import LineReader, open_text
from ingest.domain.lines import MAX_LINE_BYTES, Line


def read_all(data: bytes) -> list[Line]:
    reader = LineReader(open_text(io.BytesIO(data)))
    lines: list[Line] = []
    while batch := reader.batch():
        lines += batch
    return lines


def test_lines_are_numbered_and_blank_ones_counted_but_left_out() -> None:
    assert read_all(b"a\n\n b \r\n\nc") == [Line(1, b"a"), Line(3, b" b "), Line(5, b"c")]


def test_gzip_is_told_by_its_bytes() -> None:
    assert read_all(gzip.compress(b"a\nb\n")) == [Line(1, b"a"), Line(2, b"b")]


def test_an_empty_object_has_no_lines() -> None:
    assert read_all(b"") == []
    assert read_all(gzip.compress(b"")) == []


def test_a_line_over_the_bound_is_cut_and_the_next_is_whole() -> None:
    first, second = read_all(b"x" * (3 * MAX_LINE_BYTES) + b"\nnext\n")
    assert first.is_cut
    assert len(first.data) == MAX_LINE_BYTES
    assert second == Line(2, b"next")


def test_damaged_gzip_gives_the_lines_before_the_damage_and_then_says_so() -> None:
    whole = gzip.compress(b"\n".join(b"line %d" % n for n in range(50_000)))
    reader = LineReader(open_text(io.BytesIO(whole[: len(whole) // 2])))
    assert 0 < count_until_damage(reader) < 50_000
    with pytest.raises(UnreadableObjectError, match="damaged after line"):
        reader.batch()


def count_until_damage(reader: LineReader) -> int:
    count = 0
    try:
        while batch := reader.batch():
            count += len(batch)
    except UnreadableObjectError:
        return count
    raise AssertionError("the damage was not noticed")


@given(st.lists(st.binary(max_size=40).map(lambda b: b.replace(b"\n", b"").replace(b"\r", b"")), max_size=30))
def test_no_line_is_lost_packed_or_not(texts: list[bytes]) -> None:
    data = b"".join(text + b"\n" for text in texts)
    expected = [Line(number, text) for number, text in enumerate(texts, 1) if text.strip()]
    assert read_all(b"\n" + data)[0:] == [Line(line.number + 1, line.data) for line in expected]
    assert read_all(gzip.compress(data)) == expected
