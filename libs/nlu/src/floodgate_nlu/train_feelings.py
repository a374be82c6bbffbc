"""Trains what the local model knows of moods: a network over sentences, and the regression over conversations."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from floodgate_nlu.corpora import CATALOGUE, read_jsonl
from floodgate_nlu.dialogue import Turn, resolution_of
from floodgate_nlu.feelings import SENTIMENTS, DoubleArray, Joint, features
from floodgate_nlu.glosses import plainly
from floodgate_nlu.meanings import Embeddings
from floodgate_nlu.network import Network, train_network
from floodgate_nlu.resources import read_text
from floodgate_nlu.topics import matters

ORIGIN: Final = "python -m floodgate_nlu.train; Floodgate's own sentences and labelled conversations (MIT)"
TABLE: Final = "moods.txt"
_MARKS: Final = "-=+"
_MATTERS_WEIGHT: Final = 0.5
_EPOCHS: Final = 40
_FOLDER: Final = CATALOGUE.parent / "eval/corpora"
# The lexicons were written with the first four in view, so that they flatter them; the last one weighs more therefore.
_CONVERSATIONS: Final = {
    "features.jsonl": 1.0,
    "features_held_out.jsonl": 1.0,
    "features_unseen.jsonl": 1.0,
    "features_calibration.jsonl": 1.0,
    "features_trades.jsonl": 3.0,
}
_RIDGE: Final = 10.0
_ROUNDS: Final = 2_000


def train_moods(embeddings: Embeddings) -> Network:
    """Train the network on the package's sentences, each as it stands and as a gloss would have it."""
    rows = [(said, mark, _MATTERS_WEIGHT) for matter in matters() for mark, said in matter.sentences]
    rows += [(line[2:], line[0], 1.0) for line in read_text(TABLE).splitlines() if line[:1] in tuple(_MARKS)]
    rows += [(plainly(said), mark, weight) for said, mark, weight in rows]
    return train_network(
        embeddings.of([said for said, _, _ in rows]),
        [_MARKS.index(mark) for _, mark, _ in rows],
        SENTIMENTS,
        origin=ORIGIN,
        epochs=_EPOCHS,
        example_weights=[weight for _, _, weight in rows],
    )


def train_joint(network: Network, embeddings: Embeddings, folder: Path = _FOLDER) -> Joint:
    """Fit the regression on the project's labelled conversations; those that quality is judged by take no part."""
    found: list[list[float]] = []
    labels: list[int] = []
    importance: list[float] = []
    for name, weight in _CONVERSATIONS.items():
        for row in read_jsonl(folder / name):
            turns = [Turn(turn["role"], turn["text"]) for turn in row["turns"]]
            language = row["language"]
            found.append(features(turns, resolution_of(turns, language), language, network, embeddings))
            labels.append(SENTIMENTS.index(row["labels"]["sentiment"]))
            importance.append(weight)
    return Joint(_fitted(np.array(found), np.eye(len(SENTIMENTS))[labels], np.array(importance)), ORIGIN)


def _fitted(found: DoubleArray, wanted: DoubleArray, importance: Sequence[float] | NDArray[np.float64]) -> DoubleArray:
    """Multinomial logistic regression on standardised features by gradient descent, as weights of the raw ones."""
    mean, spread = found.mean(axis=0), np.maximum(found.std(axis=0), 1e-6)
    rows = np.column_stack([(found - mean) / spread, np.ones(len(found))])
    share = np.asarray(importance)[:, None] / np.sum(importance)
    weights = np.zeros((rows.shape[1], wanted.shape[1]))
    for _ in range(_ROUNDS):
        raw = rows @ weights
        likely = np.exp(raw - raw.max(axis=1, keepdims=True))
        likely /= likely.sum(axis=1, keepdims=True)
        gradient = rows.T @ ((likely - wanted) * share)
        gradient[:-1] += _RIDGE / np.sum(importance) * weights[:-1]
        weights -= 0.5 * gradient
    slopes = weights[:-1] / spread[:, None]
    return np.vstack([slopes, weights[-1] - mean @ slopes])
