"""How well the groups meet the labels of public corpora: `python -m floodgate_eval.proposing.measure --shared DIR`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import typer
from numpy.typing import NDArray

from floodgate_eval.proposing.clusters import cluster, vectors_of

_ROWS: Final = 1_500
_SEED: Final = 1
_DOMAINS: Final = ("airline", "fastfood", "finance", "media")
_NO_INTENT: Final = frozenset(
    {"openinggreeting", "closinggreeting", "contentonly", "confirmation", "rejection", "thankyou", "outofdomain"}
)
_FIRST_TURNS: Final = 4
Labelled = list[tuple[str, str]]


def normalised_mutual_information(ours: Sequence[str], theirs: Sequence[str]) -> float:
    """1 when each grouping tells the other, 0 when neither tells anything."""
    joint = _table(ours, theirs) / len(ours)
    across, down = joint.sum(axis=1), joint.sum(axis=0)
    there = joint > 0
    shared = float((joint[there] * np.log(joint[there] / np.outer(across, down)[there])).sum())
    entropies = [-float((part[part > 0] * np.log(part[part > 0])).sum()) for part in (across, down)]
    return 2 * shared / sum(entropies) if sum(entropies) else 1.0


def purity(groups: Sequence[str], labels: Sequence[str]) -> float:
    """The share of rows that have their group's most frequent label."""
    return float(_table(groups, labels).max(axis=1).sum() / len(groups))


def main(shared: Annotated[Path, typer.Option(help="Folder of the public corpora.")] = Path("../shared")) -> None:
    """Group rows of each corpus without their labels, and compare."""
    corpora = shared / "corpora"
    for name, rows in (
        ("multidogo", _multidogo(corpora / "multidogo")),
        ("banking77", _banking(corpora / "banking77")),
    ):
        order = np.random.default_rng(_SEED).permutation(len(rows))[:_ROWS]
        texts, labels = zip(*(rows[position] for position in order), strict=True)
        known = len(set(labels))
        for wanted in (None, known):
            clusters = cluster(vectors_of(texts, "en"), wanted)
            kept = [position for position in range(len(texts)) if clusters.labels[position] >= 0]
            ours = [str(clusters.labels[position]) for position in kept]
            theirs = [labels[position] for position in kept]
            nmi, pure = normalised_mutual_information(ours, theirs), purity(ours, theirs)
            how = "auto" if wanted is None else "told"
            typer.echo(f"| {name} | {known} | {len(clusters.centroids)} ({how}) | {nmi:.2f} | {pure:.2f} |")


def _table(ours: Sequence[str], theirs: Sequence[str]) -> NDArray[np.float64]:
    _, first = np.unique(ours, return_inverse=True)
    _, second = np.unique(theirs, return_inverse=True)
    table = np.zeros((int(first.max()) + 1, int(second.max()) + 1))
    np.add.at(table, (first, second), 1.0)
    return table


def _multidogo(folder: Path) -> Labelled:
    """The first turns of each conversation up to the first that has an intent of its domain."""
    found: Labelled = []
    for domain in _DOMAINS:
        turns: dict[str, list[dict[str, object]]] = {}
        for row in _lines(folder / f"{domain}_train.jsonl"):
            turns.setdefault(str(row["conversation"]), []).append(row)
        for conversation in turns.values():
            texts: list[str] = []
            for turn in conversation[:_FIRST_TURNS]:
                texts.append(str(turn["text"]))
                intents = turn["intents"]
                named = [name for name in intents if name not in _NO_INTENT] if isinstance(intents, list) else []
                if named:
                    found.append((" ".join(texts), f"{domain}/{named[0]}"))
                    break
    return found


def _banking(folder: Path) -> Labelled:
    return [(str(row["text"]), str(row["intent"])) for row in _lines(folder / "train.jsonl")]


def _lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


if __name__ == "__main__":
    typer.run(main)
