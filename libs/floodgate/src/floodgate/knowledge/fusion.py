"""Fuses ranked lists. Client-side, so that the same code runs on every distribution of OpenSearch."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Final, TypeVar

K: Final = 60
"""How much the first ranks weigh: the constant of Cormack, Clarke and Büttcher (SIGIR 2009)."""

T = TypeVar("T", bound=Hashable)
U = TypeVar("U")


def reciprocal_rank_fusion(rankings: Iterable[Sequence[T]], *, k: int = K) -> list[tuple[T, float]]:
    """Every item with the sum of 1 / (k + rank) over the lists it stands in, best first.

    An item that stands in one list twice counts at its better rank. Ties keep the order of first appearance.

    Args:
        rankings: Lists, best first.
        k: 1 or more.
    """
    scores: dict[T, float] = {}
    for ranking in rankings:
        for rank, item in enumerate(dict.fromkeys(ranking), start=1):
            scores[item] = scores.get(item, 0.0) + 1.0 / (k + rank)
    return sorted(scores.items(), key=lambda pair: -pair[1])


def spread(ranked: Sequence[U], limit: int, *, key: Callable[[U], str]) -> list[U]:
    """The best of each kind first, in order, then the rest: three pieces of one article tell less than of three."""
    best: dict[str, U] = {}
    for item in ranked:
        best.setdefault(key(item), item)
    firsts = list(best.values())
    rest = [item for item in ranked if best[key(item)] is not item]
    return [*firsts, *rest][:limit]
