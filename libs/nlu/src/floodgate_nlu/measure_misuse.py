"""Measures the injection detector on whole sources and whole families of attacks that it was not trained on."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from floodgate_nlu.attack_templates import attack_families
from floodgate_nlu.corpora import benign_hard, ordinary_messages, public_attacks
from floodgate_nlu.injection import INJECTION_THRESHOLD, Detector
from floodgate_nlu.misuse import combined_score
from floodgate_nlu.text import sentences
from floodgate_nlu.train_injection import SentenceTable, Sources, train_detector

Figures = dict[str, float]
_SAMPLE: Final = 3000
_FEWEST_WORDS: Final = 6
_CARRIERS: Final = ("banking77",)


def measure_injection(corpora: Path) -> Figures:
    """Attacks and ordinary messages of sources that the detector was not trained on.

    Both public sources of attacks are left out, with one brand's ordinary messages: MultiDoGO's four, or Banking77. Of
    the benign texts full of trigger words every other row is trained on and the rest measured; once more with all of
    them left out.
    """
    embed = SentenceTable()
    benign = benign_hard(corpora)
    figures: Figures = {}
    for brand, trained in (("multidogo", ("banking77", "clinc150")), ("banking77", ("multidogo", "clinc150"))):
        detector = train_detector(corpora, embed, Sources(trained, (), benign_every=2))
        messages = ordinary_messages(corpora, (brand,))[::4][:_SAMPLE]
        for attack in ("deepset", "bipia"):
            alone = public_attacks(corpora, (attack,))
            hidden = _hidden(messages, alone)
            figures[f"recall_{attack}_without_{brand}"] = _flagged(detector, alone)
            figures[f"recall_{attack}_hidden_in_{brand}"] = _flagged(detector, hidden)
            figures[f"n_{attack}"] = len(alone)
        figures[f"false_positive_rate_{brand}"] = _flagged(detector, messages)
        figures[f"false_positive_rate_benign_hard_without_{brand}"] = _flagged(detector, benign[1::2])
        figures[f"n_{brand}"] = len(messages)
    unseen = train_detector(corpora, embed, Sources(("banking77", "clinc150"), ("bipia",), benign_every=0))
    figures["false_positive_rate_benign_hard_all_unseen"] = _flagged(unseen, benign)
    figures["n_benign_hard"] = len(benign)
    return figures


def measure_families(corpora: Path) -> Figures:
    """The project's own families of attacks in ten languages, one left out at a time, hidden in customers' messages."""
    embed = SentenceTable()
    messages = ordinary_messages(corpora, _CARRIERS)[1::4]
    figures: Figures = {}
    for family, texts in attack_families().items():
        detector = train_detector(corpora, embed, Sources(("clinc150", "multidogo"), without_families=(family,)))
        sample = texts[:: 1 + len(texts) // 300]
        figures[f"recall_{family}"] = _flagged(detector, _hidden(messages, sample))
        figures[f"n_{family}"] = len(sample)
    return figures


def _hidden(messages: Sequence[str], attacks: Sequence[str]) -> list[str]:
    """Attacks after, before or between ordinary messages."""
    carriers = [text for text in messages if len(text.split()) > _FEWEST_WORDS]
    return [_spliced(carriers[n % len(carriers)], text, n) for n, text in enumerate(attacks)]


def _spliced(carrier: str, attack: str, number: int) -> str:
    carrier = carrier.rstrip(".") + "."
    return (f"{carrier} {attack}", f"{attack} {carrier}", f"{carrier} {attack} {carrier}")[number % 3]


def _flagged(detector: Detector, texts: Sequence[str]) -> float:
    scores = [combined_score(text, detector.probabilities(sentences(text)))[0] for text in texts]
    return float(np.mean([score >= INJECTION_THRESHOLD for score in scores]))
