"""The learned half of the injection detector: a linear model over hashed features of single sentences."""

from collections.abc import Sequence
from functools import cache
from typing import Final

import numpy as np

from floodgate_nlu.linear import LinearModel, load_linear
from floodgate_nlu.resources import read_bytes

ARTEFACT: Final = "injection.npz"
_ATTACK: Final = "attack"


@cache
def _model() -> LinearModel | None:
    raw = read_bytes(ARTEFACT)
    return load_linear(raw) if raw else None


def attack_probability(model: LinearModel, sentence: str) -> float:
    """The probability that one sentence is an attack."""
    scores = model.scores(sentence).astype(np.float64)
    likely = np.exp(scores - scores.max())
    return float(likely[model.classes.index(_ATTACK)] / likely.sum())


def sentence_scores(parts: Sequence[str]) -> list[float]:
    """The probability of an attack per sentence; zero where no model is shipped."""
    model = _model()
    return [attack_probability(model, part) if model else 0.0 for part in parts]
