"""Which offsets of a partition are finished, and the compact map of them that travels with the commit.

Records finish out of order. What is committed is the lowest unfinished offset; the finished ones above it are
written as alternating run lengths (unfinished, finished, unfinished, …), each a base-128 varint, together in
base64: ASCII, because the broker keeps commit metadata as a string of at most 4,096 bytes.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections import deque
from collections.abc import Container, Iterable
from typing import Final

MAX_METADATA_CHARS: Final = 4000
"""Broker default offset.metadata.max.bytes is 4,096; 4,096 itself aborted a transaction when tried."""

FULL_METADATA_CHARS: Final = MAX_METADATA_CHARS // 2
"""From here on the partition pauses, so that what it has in flight still finds room."""

_PREFIX: Final = "k1:"
_OF_ANOTHER_VERSION: Final = re.compile(r"k\d+:")

Run = tuple[int, int]
"""First and last of a row of finished offsets."""


class OffsetTracker:
    """Follows one source. Not thread-safe.

    Only what is unfinished is kept: whatever else lies below the end of what was fetched is finished, transaction
    markers and compacted records too.

    Args:
        start: Lowest unfinished offset, as committed; 0 without a commit.
        finished: Rows of finished offsets above it, as read from the commit metadata.
    """

    def __init__(self, start: int, finished: Iterable[Run] = ()) -> None:
        self.start = start
        self._seen_to = start
        self._ahead = deque(finished)
        # What was skipped stands in the committed map; with nothing left to do, nobody else would take it back.
        self._skipped = False
        # Offsets come in rising order, and a dict keeps the order of insertion.
        self._open: dict[int, int] = {}

    @property
    def unfinished(self) -> int:
        """How many records were taken and are not finished."""
        return len(self._open)

    @property
    def lowest_unfinished(self) -> int:
        """The offset that would be committed now."""
        return next(iter(self._open), self._seen_to)

    @property
    def oldest_timestamp_ms(self) -> int | None:
        """Of the lowest record that was taken and is not finished; None when there is none."""
        return next(iter(self._open.values()), None)

    def take(self, offset: int, timestamp_ms: int = 0) -> bool:
        """Notes a fetched record; False when it was finished before (skip it). Offsets come in rising order."""
        if offset < self._seen_to:
            return False
        self._seen_to = offset + 1
        if self._ahead and self._was_finished(offset):
            self._skipped = True
            return False
        self._open[offset] = timestamp_ms
        return True

    def _was_finished(self, offset: int) -> bool:
        while self._ahead and self._ahead[0][1] < offset:
            self._ahead.popleft()
        return bool(self._ahead) and self._ahead[0][0] <= offset

    def advance(self, position: int) -> bool:
        """Everything below `position` was fetched; whether that moves what would be committed."""
        if position <= self._seen_to and not self._skipped:
            return False
        self._seen_to = max(position, self._seen_to)
        if self._open:
            return False
        self._skipped = False
        return True

    def finish(self, offsets: Iterable[int]) -> None:
        """Notes that the outcomes of records are committed."""
        for offset in offsets:
            self._open.pop(offset, None)

    def preview(self, finishing: Container[int] = ()) -> tuple[int, str] | None:
        """The offset and the map to commit once `finishing` are finished too; None when the map grows too long."""
        left = [offset for offset in self._open if offset not in finishing]
        position = left[0] if left else self._seen_to
        text = encode(position, self._finished_runs(left))
        return None if len(text) > MAX_METADATA_CHARS else (position, text)

    def _finished_runs(self, left: list[int]) -> list[Run]:
        seen_to = self._seen_to
        between = zip(left, [*left[1:], seen_to], strict=False)
        runs = [(before + 1, after - 1) for before, after in between if after - before > 1]
        return [*runs, *((max(first, seen_to), last) for first, last in self._ahead if last >= seen_to)]


def encode(low: int, finished: Iterable[Run]) -> str:
    """Writes the map of rows above `low`; empty when there are none."""
    packed = bytearray()
    at = low
    for first, last in finished:
        _add_varint(packed, first - at)
        _add_varint(packed, last - first + 1)
        at = last + 1
    return _PREFIX + base64.b64encode(packed).decode() if packed else ""


def decode(low: int, metadata: str) -> list[Run]:
    """Reads the rows of finished offsets above `low`; foreign or empty metadata gives none.

    Raises:
        ValueError: It has our prefix and is broken, or another version of this engine wrote it. Passing over that one
            would handle its finished records a second time.
    """
    if not metadata.startswith(_PREFIX):
        if _OF_ANOTHER_VERSION.match(metadata):
            raise ValueError(
                f"the offset map in the commit metadata is of another version (of {metadata[:3]!r}; known is "
                f"{_PREFIX!r}): go back to the version that wrote it"
            )
        return []
    try:
        packed = base64.b64decode(metadata.removeprefix(_PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError("the offset map in the commit metadata is not base64") from error
    lengths = _varints(packed)
    if len(lengths) % 2:
        raise ValueError("the offset map in the commit metadata is cut off")
    finished: list[Run] = []
    at = low
    for unfinished, done in zip(lengths[::2], lengths[1::2], strict=True):
        at += unfinished + done
        finished.append((at - done, at - 1))
    return finished


def _add_varint(out: bytearray, value: int) -> None:
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)


def _varints(packed: bytes) -> list[int]:
    values: list[int] = []
    value = shift = 0
    for byte in packed:
        value |= (byte & 0x7F) << shift
        if byte & 0x80:
            shift += 7
            continue
        values.append(value)
        value = shift = 0
    return values
