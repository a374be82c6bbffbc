"""Group offsets of one cluster in words of another, where each partition holds the same records without gaps. Pure."""

from __future__ import annotations

from collections.abc import Callable

from keyflow.offsets import decode, encode

Rank = Callable[[int], int]
"""How many records stand below an offset."""


def moved(offset: int, metadata: str, rank: Rank, base: int) -> tuple[int, str]:
    """An offset and the engine's map of finished offsets above it.

    Args:
        offset: As committed.
        metadata: The map; what another client wrote is kept as it stands.
        rank: Of the partition's records.
        base: Where its first record stands now.

    Raises:
        ValueError: The map is broken, or of another version of the engine.
    """
    runs = decode(offset, metadata)
    if not runs:
        return base + rank(offset), metadata
    low = base + rank(offset)
    # A row may have held nothing but ends of transactions.
    kept = [(base + rank(first), base + rank(last + 1) - 1) for first, last in runs]
    return low, encode(low, [run for run in kept if run[1] >= run[0]])
