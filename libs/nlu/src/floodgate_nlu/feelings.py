"""What the customer feels over a whole conversation: the lexicons' balance beside a network over sentence embeddings.

Most complaints hold no word of complaint ("I took half a day off for this"), so a small network has read sentences of
every mood (`data/moods.txt`, `data/support_topics.txt`). It learned each of them twice, once reduced to the words that
glosses are made of, so that it reads other languages' glosses too. A logistic regression joins both over the first and
the last turn and the outcome.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from floodgate_nlu import dialogue
from floodgate_nlu.dialogue import ESCALATED, RESOLVED, Turn
from floodgate_nlu.glosses import gloss
from floodgate_nlu.meanings import Embeddings, shared_embeddings
from floodgate_nlu.network import Network, load_network
from floodgate_nlu.resources import read_bytes

DoubleArray = NDArray[np.float64]

NETWORK_ARTEFACT: Final = "moods.npz"
ARTEFACT: Final = "feelings.npz"
SENTIMENTS: Final = ("negative", "neutral", "positive")
_NEUTRAL: Final = SENTIMENTS.index("neutral")
_FLOOR: Final = 1e-2
_SQUASH: Final = 1.5
_NOTHING_SAID: Final = (0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Joint:
    """The logistic regression: a row per feature and one for the constant, a column per sentiment."""

    weights: DoubleArray
    origin: str

    def shares(self, found: Sequence[float]) -> DoubleArray:
        """How likely each sentiment is."""
        raw = np.append(found, 1.0) @ self.weights
        raw = np.exp(raw - raw.max())
        return np.asarray(raw / raw.sum(), dtype=np.float64)

    def to_bytes(self) -> bytes:
        """The weights as a compressed archive."""
        buffer = io.BytesIO()
        np.savez_compressed(buffer, weights=self.weights.astype(np.float32), origin=np.array(self.origin))
        return buffer.getvalue()


@cache
def _shipped() -> tuple[Network, Joint] | None:
    network, joint = read_bytes(NETWORK_ARTEFACT), read_bytes(ARTEFACT)
    if network is None or joint is None:
        return None
    with np.load(io.BytesIO(joint), allow_pickle=False) as archive:
        return load_network(network), Joint(archive["weights"].astype(np.float64), str(archive["origin"]))


def features(
    turns: Sequence[Turn], resolution: str, language: str, network: Network, embeddings: Embeddings
) -> list[float]:
    """What the regression reads of a conversation."""
    own = [turn.text for turn in turns if turn.by_customer and turn.text.strip()]
    balance = dialogue.mood(turns, resolution, language)
    read = _moods([gloss(text, language) for text in (own[:1] + own[1:][-1:])], network, embeddings)
    first, *last = read or [_NOTHING_SAID]
    return [
        balance / (abs(balance) + _SQUASH),
        *first,
        *(last[0] if last else _NOTHING_SAID),
        float(not last),
        float(resolution == RESOLVED),
        float(resolution == ESCALATED),
        float(bool(own) and "?" in own[0]),
    ]


def _moods(texts: Sequence[str], network: Network, embeddings: Embeddings) -> list[tuple[float, float]]:
    """Per text the log-odds of complaint and of praise beside neither."""
    if not texts:
        return []
    logs = np.log(network.probabilities(embeddings.of(texts)) + _FLOOR)
    return [(float(row[0] - row[_NEUTRAL]), float(row[2] - row[_NEUTRAL])) for row in logs]


def sentiment_shares(turns: Sequence[Turn], resolution: str, language: str) -> Mapping[str, float]:
    """How likely the customer is negative, neutral and positive over the conversation.

    The lexicons alone decide without the sentence encoder, and where nobody has answered yet: how it went is not known.
    """
    shipped, embeddings = _shipped(), shared_embeddings()
    if shipped is None or embeddings is None or not dialogue.answered(turns):
        said = dialogue.conversation_sentiment(turns, resolution, language)
        return {name: float(name == said) for name in SENTIMENTS}
    network, joint = shipped
    found = joint.shares(features(turns, resolution, language, network, embeddings))
    return dict(zip(SENTIMENTS, (float(share) for share in found), strict=True))


def likeliest(shares: Mapping[str, float]) -> str:
    """The sentiment with the largest share; of equal ones the first in order of SENTIMENTS."""
    return max(SENTIMENTS, key=lambda name: (shares[name], -SENTIMENTS.index(name)))
