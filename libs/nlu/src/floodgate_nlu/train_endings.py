"""Trains what the local model knows of endings: a network over sentences, and the regression over conversations."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from floodgate_nlu.corpora import CATALOGUE, read_jsonl
from floodgate_nlu.dialogue import ESCALATED, PENDING, RESOLVED, Turn, speaks_for_the_company
from floodgate_nlu.endings import OUTCOMES, features, last_words
from floodgate_nlu.glosses import gloss, plainly
from floodgate_nlu.meanings import Embeddings
from floodgate_nlu.network import Network, train_network
from floodgate_nlu.regression import Joint, fit_joint
from floodgate_nlu.resources import read_text

ORIGIN: Final = "python -m floodgate_nlu.train; Floodgate's own sentences and labelled conversations (MIT)"
TABLE: Final = "outcomes.txt"
_MARKS: Final = {"P": PENDING, "R": RESOLVED, "E": ESCALATED}
_BETWEEN: Final = " / "
# "Thanks" ends a conversation of any kind.
_REPLY_WEIGHT: Final = 0.5
_EPOCHS: Final = 40
_FOLDS: Final = 5
_FOLDER: Final = CATALOGUE.parent / "eval/corpora"
# The phrases were written with most of these in view, which flatters them, and in nearly all of them a customer has the
# last word where the case is resolved, which real ones do not keep to. So they weigh less than the endings themselves.
_CONVERSATIONS: Final = (
    "features.jsonl", "features_held_out.jsonl", "features_unseen.jsonl", "features_calibration.jsonl",
    "features_trades.jsonl",
)  # fmt: skip
_CONVERSATION_WEIGHT: Final = 0.3
_ENGLISH: Final = "en"
# Features, number of the outcome, weight.
_Example = tuple[list[float], int, float]


@dataclass(frozen=True, slots=True)
class Ending:
    """The last words of a conversation.

    Attributes:
        reply: What the customer answers; empty where nothing.
        outcome: Number in `OUTCOMES`.
    """

    said: str
    reply: str
    outcome: int

    @property
    def turns(self) -> tuple[Turn, ...]:
        """As a conversation."""
        said = Turn("agent", self.said)
        return (said, Turn("customer", self.reply)) if self.reply else (said,)


def endings() -> list[Ending]:
    """The package's English endings."""
    return [
        Ending(said.strip(), reply.strip(), OUTCOMES.index(_MARKS[line[0]]))
        for line in read_text(TABLE).splitlines()
        if line[:1] in _MARKS and line[1:2] == " "
        for said, _, reply in (line[2:].partition(_BETWEEN),)
    ]


def train_outcomes(rows: Sequence[Ending], embeddings: Embeddings) -> Network:
    """Train the network on endings turn by turn, each as it stands and as a gloss would have it."""
    parts = [(row.said, row.outcome, 1.0) for row in rows]
    parts += [(row.reply, row.outcome, _REPLY_WEIGHT) for row in rows if row.reply]
    parts += [(plainly(text), outcome, weight) for text, outcome, weight in parts]
    return train_network(
        embeddings.of([text for text, _, _ in parts]),
        [outcome for _, outcome, _ in parts],
        OUTCOMES,
        origin=ORIGIN,
        epochs=_EPOCHS,
        example_weights=[weight for _, _, weight in parts],
    )


def train_endings(network: Network, embeddings: Embeddings, folder: Path = _FOLDER) -> tuple[Joint, Joint]:
    """Fit the regressions, for English and for glosses; conversations that quality is judged by take no part.

    Of each ending they read what a network says that learned of the other ones, so that they trust networks no more
    than these deserve.
    """
    english, glossed = _of_endings(embeddings, str), _of_endings(embeddings, plainly)
    for name in _CONVERSATIONS:
        for row in read_jsonl(folder / name):
            turns = [Turn(turn["role"], turn["text"]) for turn in row["turns"]]
            if not any(map(speaks_for_the_company, turns)):
                continue
            language: str = row["language"]
            read = [gloss(text, language) for text in last_words(turns)]
            found = features(turns, read, language, network, embeddings)
            example = (found, OUTCOMES.index(row["labels"]["resolution_status"]), _CONVERSATION_WEIGHT)
            english.append(example)
            if language != _ENGLISH:
                glossed.append(example)
    return _joint(english), _joint(glossed)


def _of_endings(embeddings: Embeddings, reading: Callable[[str], str]) -> list[_Example]:
    rows = endings()
    examples: list[_Example] = []
    for fold in range(_FOLDS):
        network = train_outcomes([row for n, row in enumerate(rows) if n % _FOLDS != fold], embeddings)
        for row in rows[fold::_FOLDS]:
            read = [reading(text) for text in last_words(row.turns)]
            examples.append((features(row.turns, read, _ENGLISH, network, embeddings), row.outcome, 1.0))
    return examples


def _joint(examples: Sequence[_Example]) -> Joint:
    found, outcomes, weights = zip(*examples, strict=True)
    return Joint(fit_joint(np.array(found), outcomes, weights, len(OUTCOMES)), ORIGIN)
