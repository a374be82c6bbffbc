"""Trains the urgency model: the project's own urgent messages in ten languages against ordinary ones."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Final

from floodgate_nlu.attack_templates import harmless
from floodgate_nlu.catalogue import load_catalogue
from floodgate_nlu.corpora import CATALOGUE, ordinary_messages, read_jsonl
from floodgate_nlu.language import identify
from floodgate_nlu.linear import FEATURES, LinearModel, train_rows
from floodgate_nlu.network import Network, train_network
from floodgate_nlu.resources import load_yaml
from floodgate_nlu.train_injection import Embed
from floodgate_nlu.urgency import catalogue_phrases
from floodgate_nlu.urgency_model import KINDS, ORDINARY, training_rows

ORIGIN: Final = (
    "python -m floodgate_nlu.train; Banking77 (CC BY 4.0); CLINC150 (CC BY 3.0); MultiDoGO (CDLA-Permissive-1.0); "
    "Floodgate's own sentences and catalogue (MIT)"
)
# Public messages that tell of fraud; those that may or may not be are left out.
_FRAUD: Final = frozenset(
    {
        *("card_payment_not_recognised", "direct_debit_payment_not_recognised", "compromised_card"),
        *("cash_withdrawal_not_recognised", "report_fraud"),
    }
)
_UNCLEAR: Final = frozenset(
    {
        *("lost_or_stolen_card", "lost_or_stolen_phone", "report_lost_card", "freeze_account", "account_blocked"),
        *("extra_charge_on_statement", "transaction_charged_twice", "passcode_forgotten", "transactions"),
    }
)
# It holds urgent messages and others.
_UNCLEAR_CATEGORY: Final = "account_security"
_SOURCES: Final = ("banking77", "clinc150", "multidogo")
_OWN_COPIES: Final = 3
_URGENT_WEIGHT: Final = 4.0
_EVERY_NTH: Final = 3
_ENGLISH: Final = "en"
_NETWORK_EPOCHS: Final = 8


def train_urgency(corpora: Path, sources: Collection[str] = _SOURCES, without: Collection[str] = ()) -> LinearModel:
    """Train on the project's sentences and the named public sources.

    Args:
        corpora: Where the public sources lie.
        sources: The public sources to read.
        without: Languages whose own urgent sentences are left out, to see what carries over.
    """
    texts = {kind: list(own) for kind, own in _own(without).items()}
    ordinary = texts[ORDINARY] * _OWN_COPIES + harmless() + _catalogue_examples() * _OWN_COPIES
    fraud, public = _public(corpora, sources)
    texts["payment_fraud"] += fraud
    rows, labels = training_rows({**texts, ORDINARY: ordinary + public[::_EVERY_NTH]})
    weights = [1.0 if label == KINDS.index(ORDINARY) else _URGENT_WEIGHT for label in labels]
    return train_rows(
        rows, labels, KINDS, 2 * FEATURES, origin=ORIGIN, epochs=5, decay=1e-4, rate=0.3, example_weights=weights
    )


def train_urgency_network(corpora: Path, embed: Embed) -> Network:
    """Train on the English sentences alone: the encoder reads no other."""
    table = load_yaml("urgency_seeds.yaml")
    own = [(text, kind, _URGENT_WEIGHT) for kind in KINDS for text in table[kind][_ENGLISH]]
    phrases = catalogue_phrases(CATALOGUE).items()
    own += [(text, kind, 2.0) for kind, texts in phrases if kind in KINDS for text in texts if _is_english(text)]
    fraud, public = _public(corpora, _SOURCES)
    own += [(text, ORDINARY, 2.0) for text in dict.fromkeys(harmless() + _catalogue_examples()) if _is_english(text)]
    own += [(text, "payment_fraud", 1.0) for text in fraud]
    own += [(text, ORDINARY, 1.0) for text in public[:: _EVERY_NTH + 1]]
    texts, kinds, weights = zip(*own, strict=True)
    labels = [KINDS.index(kind) for kind in kinds]
    return train_network(
        embed(texts), labels, KINDS, origin=ORIGIN, epochs=_NETWORK_EPOCHS, example_weights=list(weights)
    )


def _is_english(text: str) -> bool:
    return identify(text) == _ENGLISH


def _own(without: Collection[str]) -> Mapping[str, Sequence[str]]:
    """Sentences by kind, those of the catalogue's phrases among them."""
    table = load_yaml("urgency_seeds.yaml")
    seeds = {kind: [text for code, own in table[kind].items() if code not in without for text in own] for kind in KINDS}
    if not without:
        for kind, phrases in catalogue_phrases(CATALOGUE).items():
            if kind in seeds:
                seeds[kind] += phrases
    return seeds


def _catalogue_examples() -> list[str]:
    """What customers say, without the categories that are urgent themselves."""
    categories = load_catalogue(CATALOGUE).categories.values()
    return [text for own in categories if own.id != _UNCLEAR_CATEGORY for text in own.examples]


def _public(corpora: Path, sources: Collection[str]) -> tuple[list[str], list[str]]:
    """Messages that tell of fraud, and ordinary ones."""
    rows = [
        row
        for source, name in (("banking77", "banking77/train.jsonl"), ("clinc150", "clinc150/train_val.jsonl"))
        if source in sources
        for row in read_jsonl(corpora / name)
        if row["intent"] not in _UNCLEAR
    ]
    ordinary = [row["text"] for row in rows if row["intent"] not in _FRAUD]
    if "multidogo" in sources:
        ordinary += ordinary_messages(corpora, ("multidogo",))
    return [row["text"] for row in rows if row["intent"] in _FRAUD][::_EVERY_NTH], ordinary
