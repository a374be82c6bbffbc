"""Seeded samples and splits: the same file gives the same rows, in the file's order."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Final, TypeVar

from floodgate_eval.rows import IntentRow, Row

SEED: Final = 20261122

R = TypeVar("R", bound=Row)
T = TypeVar("T")


def sample(rows: Sequence[T], limit: int | None, seed: int = SEED) -> list[T]:
    """At most `limit` rows, drawn without replacement."""
    if limit is None or limit >= len(rows):
        return list(rows)
    chosen = sorted(random.Random(seed).sample(range(len(rows)), limit))  # noqa: S311 - a sample, not a secret
    return [rows[position] for position in chosen]


def shots(examples: Sequence[IntentRow], per_label: int | None, seed: int = SEED) -> list[IntentRow]:
    """At most so many examples of each label (and language)."""
    if per_label is None:
        return list(examples)
    grouped: dict[tuple[str, str], list[IntentRow]] = {}
    for row in examples:
        grouped.setdefault((row.intent, row.group), []).append(row)
    return [row for label in sorted(grouped) for row in sample(grouped[label], per_label, seed)]


def held_out(rows: Sequence[R], examples: Sequence[IntentRow]) -> tuple[list[R], int]:
    """The rows whose text is no example, and how many were left out: what was learned is not tested."""
    known = {_folded(example.text) for example in examples}
    kept = [row for row in rows if _folded(row.words) not in known]
    return kept, len(rows) - len(kept)


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())
