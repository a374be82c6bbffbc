"""Which offsets of a partition are finished, and the compact map of them that travels with the commit.

Records finish out of order. What is committed is the lowest unfinished offset; the finished ones above it are
written as alternating run lengths (unfinished, finished, unfinished, …), each a base-128 varint, together in
base64: ASCII, because the broker keeps commit metadata as a string of at most 4,096 bytes.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from typing import Final

MAX_METADATA_CHARS: Final = 4000
"""Broker default offset.metadata.max.bytes is 4,096; 4,096 itself aborted a transaction when tried."""

_PREFIX: Final = "k1:"


class OffsetTracker:
    """Follows one partition. Not thread-safe: the owner calls it from one thread.

    Args:
        start: Lowest unfinished offset, as committed.
        finished: Finished offsets above it, as read from the commit metadata.
    """

    def __init__(self, start: int, finished: Iterable[int] = ()) -> None:
        self._low = start
        self._finished = {offset for offset in finished if offset >= start}
        self._open: dict[int, None] = {}
        self._seen_to = start

    @property
    def unfinished(self) -> int:
        """How many records were taken and are not finished."""
        return len(self._open)

    def take(self, offset: int) -> bool:
        """Notes a fetched record; False when it was finished before (skip it). Offsets come in rising order."""
        self._seen_to = max(self._seen_to, offset + 1)
        if offset < self._low or offset in self._finished:
            return False
        self._open[offset] = None
        return True

    def finish(self, offset: int) -> None:
        """Notes that a record's outcome goes into the next commit."""
        if offset in self._open:
            del self._open[offset]
            self._finished.add(offset)

    def position(self) -> int:
        """The offset to commit: the lowest unfinished one, or the end of what was fetched.

        Offsets that never came (transaction markers, compacted records) count as finished.
        """
        # Insertion order is offset order, so the first open offset is the lowest.
        low = next(iter(self._open), None)
        self._low = self._seen_to if low is None else low
        if len(self._finished) > 2 * self.unfinished + 64 or low is None:
            self._finished = {offset for offset in self._finished if offset >= self._low}
        return self._low

    def metadata(self) -> str:
        """The map of finished offsets above `position()`; empty when there are none."""
        low = self.position()
        return encode(low, sorted(offset for offset in self._finished if offset > low))

    def is_full(self) -> bool:
        """Whether the map is so long that the partition should pause."""
        # Two varints a gap, about 2.7 characters each at these run lengths.
        return self.unfinished > 64 and len(self.metadata()) > MAX_METADATA_CHARS * 3 // 4


def encode(low: int, finished: list[int]) -> str:
    """Writes the map; `finished` is sorted and above `low`. Cut at MAX_METADATA_CHARS from the far end.

    What is cut off would be handled again after a restart, which is why `is_full` pauses long before.
    """
    runs: list[int] = []
    at = low
    for first, last in _spans(finished):
        runs += [first - at, last - first + 1]
        at = last + 1
    packed = b""
    limit = (MAX_METADATA_CHARS - len(_PREFIX)) * 3 // 4
    for unfinished, done in zip(runs[::2], runs[1::2], strict=True):
        pair = _varint(unfinished) + _varint(done)
        if len(packed) + len(pair) > limit:
            break
        packed += pair
    return _PREFIX + base64.b64encode(packed).decode() if packed else ""


def decode(low: int, metadata: str) -> list[int]:
    """Reads the finished offsets above `low`; foreign or empty metadata gives none.

    Raises:
        ValueError: It has our prefix and is broken.
    """
    if not metadata.startswith(_PREFIX):
        return []
    try:
        packed = base64.b64decode(metadata.removeprefix(_PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError("the offset map in the commit metadata is not base64") from error
    runs = _varints(packed)
    finished: list[int] = []
    at = low
    for unfinished, done in zip(runs[::2], runs[1::2], strict=True):
        at += unfinished
        finished.extend(range(at, at + done))
        at += done
    return finished


def _spans(offsets: list[int]) -> Iterable[tuple[int, int]]:
    first = last = None
    for offset in offsets:
        if last is not None and offset == last + 1:
            last = offset
            continue
        if first is not None and last is not None:
            yield first, last
        first = last = offset
    if first is not None and last is not None:
        yield first, last


def _varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


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
