"""What the customer feels over a whole conversation: the lexicons' balance beside a network over sentence embeddings.

Most complaints hold no word of complaint ("I took half a day off for this"), so a small network has read sentences of
every mood (`data/moods.txt`, `data/support_topics.txt`). It learned each of them twice, once reduced to the words that
glosses are made of, so that it reads other languages' glosses too. A logistic regression joins both over the first and
the last turn and the outcome.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Final

import numpy as np

from floodgate_nlu import dialogue
from floodgate_nlu.dialogue import ESCALATED, RESOLVED, Turn
from floodgate_nlu.glosses import gloss
from floodgate_nlu.meanings import Embeddings, shared_embeddings
from floodgate_nlu.network import Network, load_network
from floodgate_nlu.opinions import opinion_of, words_of_feeling
from floodgate_nlu.regression import Joint, load_joint
from floodgate_nlu.resources import read_bytes
from floodgate_nlu.sentiment import SENTIMENTS

NETWORK_ARTEFACT: Final = "moods.npz"
ARTEFACT: Final = "feelings.npz"
_NEUTRAL: Final = SENTIMENTS.index("neutral")
_FLOOR: Final = 1e-2
_SQUASH: Final = 1.5
_NOTHING_SAID: Final = (0.0, 0.0)


@cache
def _shipped() -> tuple[Network, Joint] | None:
    network, joint = read_bytes(NETWORK_ARTEFACT), read_bytes(ARTEFACT)
    if network is None or joint is None:
        return None
    return load_network(network), load_joint(joint)


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
        *(words_of_feeling(own[-1], language) if last else _NOTHING_SAID),
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

    Where nobody has answered yet, nothing is known of how it went: the text alone decides. The lexicons alone decide
    where nothing was trained, and over an answered conversation without the sentence encoder.
    """
    if not dialogue.answered(turns):
        return _of_text(turns, resolution, language)
    shipped, embeddings = _shipped(), shared_embeddings()
    if shipped is None or embeddings is None:
        return _surely(dialogue.conversation_sentiment(turns, resolution, language))
    network, joint = shipped
    found = joint.shares(features(turns, resolution, language, network, embeddings))
    return dict(zip(SENTIMENTS, (float(share) for share in found), strict=True))


def _of_text(turns: Sequence[Turn], resolution: str, language: str) -> Mapping[str, float]:
    said = dialogue.conversation_sentiment(turns, resolution, language)
    text = " ".join(turn.text for turn in turns if turn.by_customer)
    if not text.strip() or (said == SENTIMENTS[_NEUTRAL] and dialogue.requests(text, language)):
        return _surely(said)
    return opinion_of(text, language) or _surely(said)


def _surely(sentiment: str) -> Mapping[str, float]:
    return {name: float(name == sentiment) for name in SENTIMENTS}


def likeliest(shares: Mapping[str, float]) -> str:
    """The sentiment with the largest share; of equal ones the first in order of SENTIMENTS."""
    return max(SENTIMENTS, key=lambda name: (shares[name], -SENTIMENTS.index(name)))
