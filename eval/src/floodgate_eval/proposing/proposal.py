"""Proposed categories: what each group is called, its examples, its neighbours and its months."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import log
from typing import Final

import numpy as np
from floodgate.privacy import redact
from floodgate_nlu.language import function_words, identify

from floodgate_eval.proposing.clusters import Clusters, cluster, vectors_of
from floodgate_eval.proposing.exports import Asked

MAX_EXAMPLES: Final = 15
_FEWEST_PER_LANGUAGE: Final = 30
_MAX_EXAMPLE_CHARS: Final = 200
_MIN_EXAMPLE_WORDS: Final = 2
_ALIKE: Final = 0.93
_NEIGHBOUR: Final = 0.5
_NEIGHBOURS: Final = 3
_WORDS_IN_NAME: Final = 3
_NUMBER: Final = re.compile(r"\b[A-Z]{0,4}-?\d{4,}\b")
_WORD: Final = re.compile(r"[^\W\d_]{3,}")
_PLACEHOLDER: Final = re.compile(r"<[A-Z_]+\d*>")
_RESERVED: Final = frozenset({"none", "person", "other"})


@dataclass(frozen=True, slots=True)
class Masked:
    """A first message without personal data, in its language."""

    asked: Asked
    text: str
    language: str

    @property
    def month(self) -> str:
        """Year and month; empty when the export does not say."""
        return f"{self.asked.created_at:%Y-%m}" if self.asked.created_at else ""


@dataclass(frozen=True, slots=True)
class Proposed:
    """One proposed category.

    Attributes:
        identifier: Made of its most telling words.
        words: Those words, the most telling first.
        examples: The most typical first, no two nearly alike.
        neighbours: Groups that are easily confused with it, the nearest first.
        months: How many of its messages came in which month.
        team: Where most of it was assigned in Intercom.
    """

    identifier: str
    language: str
    words: tuple[str, ...]
    size: int
    examples: tuple[str, ...]
    neighbours: tuple[str, ...]
    months: Mapping[str, int]
    team: str | None


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a history gives.

    Attributes:
        left_over: Messages far from every group.
        skipped: Messages by language of which there are too few, or which is not served.
    """

    categories: tuple[Proposed, ...]
    messages: tuple[Masked, ...]
    left_over: int
    skipped: Mapping[str, int]


def mask(asked: Sequence[Asked]) -> list[Masked]:
    """Every message without e-mail addresses, numbers, names and the like; long numbers count as personal."""
    found: list[Masked] = []
    for one in asked:
        language = identify(one.text)
        text = redact(one.text, language=language).text
        found.append(Masked(one, _NUMBER.sub("<NUMBER>", text), language))
    return found


def propose(messages: Sequence[Masked], served: Collection[str], groups: int | None = None) -> Proposal:
    """Group the messages of each language and describe the groups.

    Args:
        messages: Masked.
        served: Languages for which replies and urgency rules exist.
        groups: Categories of the most frequent language; None lets the data choose.
    """
    by_language: dict[str, list[Masked]] = defaultdict(list)
    for message in messages:
        by_language[message.language].append(message)
    ranked = sorted(by_language, key=lambda code: -len(by_language[code]))
    kept = [code for code in ranked if code in served and len(by_language[code]) >= _FEWEST_PER_LANGUAGE]
    kept = kept or [code for code in ranked if code in served][:1]
    categories: list[Proposed] = []
    left_over = 0
    for position, code in enumerate(kept):
        own = by_language[code]
        rows = vectors_of([message.text for message in own], code)
        clusters = cluster(rows, groups if position == 0 else None)
        left_over += int((clusters.labels < 0).sum())
        categories += _described(own, rows, clusters, code, {category.identifier for category in categories})
    skipped = {code: len(by_language[code]) for code in ranked if code not in kept}
    largest_first = sorted(categories, key=lambda category: -category.size)
    return Proposal(tuple(largest_first), tuple(messages), left_over, skipped)


def _described(
    messages: Sequence[Masked], rows: np.ndarray, clusters: Clusters, language: str, taken: set[str]
) -> list[Proposed]:
    members = [clusters.members(group) for group in range(len(clusters.centroids))]
    words = _telling_words([[messages[position].text for position in group] for group in members])
    names: list[str] = []
    for found in words:
        names.append(_name(found, taken | set(names)))
    near = clusters.centroids @ clusters.centroids.T
    np.fill_diagonal(near, -1.0)
    return [
        Proposed(
            identifier=names[number],
            language=language,
            words=words[number],
            size=len(group),
            examples=_examples(messages, rows, group),
            neighbours=tuple(
                names[i] for i in np.argsort(-near[number])[:_NEIGHBOURS] if near[number, i] >= _NEIGHBOUR
            ),
            months=dict(sorted(Counter(messages[p].month for p in group if messages[p].month).items())),
            team=_most_frequent([messages[position].asked.team for position in group]),
        )
        for number, group in enumerate(members)
    ]


def _examples(messages: Sequence[Masked], rows: np.ndarray, group: Sequence[int]) -> tuple[str, ...]:
    """The most typical messages, skipping what is nearly said already."""
    chosen: list[int] = []
    for position in group:
        text = " ".join(messages[position].text.split())
        fits = len(text.split()) >= _MIN_EXAMPLE_WORDS and len(text) <= _MAX_EXAMPLE_CHARS
        if fits and all(float(rows[position] @ rows[other]) < _ALIKE for other in chosen):
            chosen.append(position)
        if len(chosen) == MAX_EXAMPLES:
            break
    return tuple(dict.fromkeys(" ".join(messages[position].text.split()) for position in chosen))


def _telling_words(groups: Sequence[Sequence[str]]) -> list[tuple[str, ...]]:
    """Words that are frequent in a group and rare in the others."""
    counts = [Counter(word for text in group for word in set(_words(text))) for group in groups]
    spread = Counter(word for count in counts for word in count)
    total: Counter[str] = sum(counts, Counter())
    found: list[tuple[str, ...]] = []
    for group, count in zip(groups, counts, strict=True):
        size = max(len(group), 1)
        scored = {
            word: (number / size) * log(1 + len(groups) / spread[word]) * (number / total[word]) ** 0.5
            for word, number in count.items()
        }
        ranked = sorted(scored, key=lambda word: (-scored[word], word))
        found.append(tuple(ranked[:6]))
    return found


def _words(text: str) -> list[str]:
    folded = _PLACEHOLDER.sub(" ", text).lower()
    return [word for word in _WORD.findall(folded) if word not in function_words()]


def _name(words: Sequence[str], taken: Collection[str]) -> str:
    plain = [unicodedata.normalize("NFKD", word).encode("ascii", "ignore").decode() for word in words[:_WORDS_IN_NAME]]
    slug = re.sub(r"[^a-z0-9]+", "_", "_".join(plain).lower()).strip("_")[:40] or "group"
    slug = slug if slug[0].isalpha() else f"c_{slug}"
    number, name = 1, slug
    while name in taken or name in _RESERVED:
        number += 1
        name = f"{slug}_{number}"
    return name


def _most_frequent(values: Sequence[str | None]) -> str | None:
    counted = Counter(value for value in values if value)
    return counted.most_common(1)[0][0] if counted else None
