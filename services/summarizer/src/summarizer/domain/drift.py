"""Whether features are distributed as they were: per language and feature, against a reference window. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from floodgate.events import Summary

# The usual reading of a population stability index: below 0.1 nothing moved, above 0.25 something did.
ALARM: Final = 0.25
_FEWEST: Final = 50
_BINS: Final = 5
_SMOOTHING: Final = 0.5
FEATURES: Final[Mapping[str, Callable[[Summary], str]]] = {
    "sentiment": lambda record: record.sentiment.value,
    "primary_topic": lambda record: record.primary_topic,
    "intent": lambda record: record.intent,
    "resolution_status": lambda record: record.resolution_status.value,
    "urgency_score": lambda record: _bin(record.urgency_score),
    "csat_indicator": lambda record: _bin(record.csat_indicator),
    "summary_chars": lambda record: str(len(record.summary) // 40),
    "repaired": lambda record: str(record.repaired),
}


@dataclass(frozen=True, slots=True)
class Shift:
    """How far one feature of one language (and prompt version) moved.

    Attributes:
        index: Population stability index, its sampling noise taken off.
    """

    language: str
    prompt: str
    feature: str
    index: float
    before: int
    now: int

    @property
    def alarms(self) -> bool:
        """Whether it moved too far."""
        return self.index > ALARM


def shifts(reference: Sequence[Summary], now: Sequence[Summary]) -> list[Shift]:
    """Every feature of every language and prompt version with enough records in both windows, farthest first."""
    before = _grouped(reference, with_prompt=False)
    found = []
    for (language, prompt), records in _grouped(now, with_prompt=True).items():
        old = before.get((language, ""), [])
        if min(len(old), len(records)) < _FEWEST:
            continue
        for name, read in FEATURES.items():
            index = stability_index(Counter(map(read, old)), Counter(map(read, records)))
            found.append(Shift(language, prompt, name, round(index, 4), len(old), len(records)))
    return sorted(found, key=lambda shift: -shift.index)


def stability_index(before: Counter[str], now: Counter[str]) -> float:
    """Population stability index of two counts, less what two samples of one distribution would show."""
    values = set(before) | set(now)
    old, new = sum(before.values()), sum(now.values())
    total = 0.0
    for value in values:
        p = (before[value] + _SMOOTHING) / (old + _SMOOTHING * len(values))
        q = (now[value] + _SMOOTHING) / (new + _SMOOTHING * len(values))
        total += (q - p) * math.log(q / p)
    noise = (len(values) - 1) * (1 / old + 1 / new)
    return max(total - noise, 0.0)


def _grouped(records: Sequence[Summary], *, with_prompt: bool) -> dict[tuple[str, str], list[Summary]]:
    groups: dict[tuple[str, str], list[Summary]] = {}
    for record in records:
        groups.setdefault((record.language, record.versions.prompt if with_prompt else ""), []).append(record)
    return groups


def _bin(value: float) -> str:
    return str(min(int(value * _BINS), _BINS - 1))
