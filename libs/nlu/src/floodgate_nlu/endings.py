"""How a conversation ended: what cue phrases say of it beside a network over sentence embeddings.

Agents settle, hand over and leave open in more words than any list has ("Our hygiene officer rings you this
afternoon"), so a small network has read endings of many trades (`data/outcomes.txt`), each twice, once reduced to the
words that glosses are made of. A logistic regression joins its opinions of the last turns with the phrases' verdict; of
glosses another one does, which trusts the network less.
"""

from collections.abc import Sequence
from functools import cache
from typing import Final

import numpy as np

from floodgate_nlu.dialogue import (
    ANSWER_CUES,
    ESCALATED,
    PENDING,
    REPLY_CUES,
    RESOLVED,
    Turn,
    cues,
    resolution_of,
    speaks_for_the_company,
)
from floodgate_nlu.glosses import gloss
from floodgate_nlu.meanings import Embeddings, shared_embeddings
from floodgate_nlu.network import Network, load_network
from floodgate_nlu.regression import Joint, load_joint
from floodgate_nlu.resources import read_bytes
from floodgate_nlu.text import sentences

NETWORK_ARTEFACT: Final = "outcomes.npz"
ARTEFACT: Final = "endings.npz"
GLOSSED_ARTEFACT: Final = "endings_glossed.npz"
OUTCOMES: Final = (PENDING, RESOLVED, ESCALATED)
_ENGLISH: Final = "en"
_FLOOR: Final = 1e-2
_NOTHING_SAID: Final = (0.0, 0.0)


@cache
def _shipped() -> tuple[Network, Joint, Joint] | None:
    network, english, glossed = (read_bytes(name) for name in (NETWORK_ARTEFACT, ARTEFACT, GLOSSED_ARTEFACT))
    if network is None or english is None or glossed is None:
        return None
    return load_network(network), load_joint(english), load_joint(glossed)


def outcome_of(turns: Sequence[Turn], language: str) -> str:
    """resolved, escalated or pending; the phrases alone decide where nothing was trained or nobody has answered."""
    shipped, embeddings = _shipped(), shared_embeddings()
    if shipped is None or embeddings is None or not any(map(speaks_for_the_company, turns)):
        return resolution_of(turns, language)
    network, english, glossed = shipped
    joint = english if language == _ENGLISH else glossed
    read = [gloss(text, language) for text in last_words(turns)]
    return OUTCOMES[int(joint.shares(features(turns, read, language, network, embeddings)).argmax())]


def last_words(turns: Sequence[Turn]) -> list[str]:
    """What the company's side said last, its last sentence, what it said before, and what the customer replies.

    Raises:
        IndexError: The company's side said nothing.
    """
    spoken = [turn for turn in turns if turn.text.strip()]
    answers = [turn.text for turn in spoken if speaks_for_the_company(turn)]
    before = answers[-2] if len(answers) > 1 else ""
    reply = spoken[-1].text if spoken[-1].by_customer else ""
    return [answers[-1], (sentences(answers[-1]) or answers)[-1], before, reply]


def features(
    turns: Sequence[Turn], read: Sequence[str], language: str, network: Network, embeddings: Embeddings
) -> list[float]:
    """What the regression reads: the phrases and their verdict, and how the last words sound.

    Args:
        turns: The conversation.
        read: Its last words as the network is to read them.
        language: Of the turns.
        network: Trained on endings.
        embeddings: The sentence encoder's.
    """
    said, closing, _, reply = last_words(turns)
    verdict, of_answer, of_reply = resolution_of(turns, language), cues(said, language), cues(reply, language)
    logs = np.log(network.probabilities(embeddings.of([text or " " for text in read])) + _FLOOR)
    opinions = [(float(row[1] - row[0]), float(row[2] - row[0])) for row in logs]
    heard = [number for text, pair in zip(read, opinions, strict=True) for number in (pair if text else _NOTHING_SAID)]
    return [
        float(verdict == RESOLVED),
        float(verdict == ESCALATED),
        *(float(cue in of_answer) for cue in ANSWER_CUES),
        *(float(cue in of_reply) for cue in REPLY_CUES),
        *heard,
        float("?" in reply),
        float(closing.endswith("?")),
    ]
