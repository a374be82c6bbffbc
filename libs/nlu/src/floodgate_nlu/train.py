"""Makes the trained artefacts of the package: `python -m floodgate_nlu.train --shared DIR`.

An artefact holds weights over hashed features and embeddings, and the names of its sources, and no text. The word
vectors come from CLINC150 and MultiDoGO alone, so that Banking77 stays unseen by the intent measures.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from floodgate_nlu.attack_templates import ordinary_by_language
from floodgate_nlu.catalogue import load_catalogue
from floodgate_nlu.corpora import CATALOGUE, ordinary_messages
from floodgate_nlu.encoder import load_encoder
from floodgate_nlu.endings import ARTEFACT as ENDINGS
from floodgate_nlu.endings import GLOSSED_ARTEFACT as GLOSSED_ENDINGS
from floodgate_nlu.endings import NETWORK_ARTEFACT as OUTCOMES
from floodgate_nlu.feelings import ARTEFACT as FEELINGS
from floodgate_nlu.feelings import NETWORK_ARTEFACT as MOODS
from floodgate_nlu.glosses import TABLE as GLOSSES
from floodgate_nlu.glosses import cells
from floodgate_nlu.injection import ARTEFACT, MEANING_ARTEFACT, NETWORK_ARTEFACT
from floodgate_nlu.language import ARTEFACT as LANGUAGES
from floodgate_nlu.language import FUNCTION_WORDS, SERVED, letters
from floodgate_nlu.linear import FEATURES, LinearModel, train_rows
from floodgate_nlu.meanings import Embeddings
from floodgate_nlu.network import load_network
from floodgate_nlu.opinions import (
    ENGLISH_ARTEFACT,
    LEARNED_ARTEFACT,
    SURFACE_ARTEFACT,
    WORDS_ARTEFACT,
)
from floodgate_nlu.opinions import NETWORK_ARTEFACT as OPINION_NETWORK
from floodgate_nlu.opinions import TABLE as FEELING_WORDS
from floodgate_nlu.resources import load_yaml, phrases, read_text
from floodgate_nlu.text import fold
from floodgate_nlu.topic_words import TABLE as TOPIC_WORDS
from floodgate_nlu.topics import ARTEFACT as TOPICS
from floodgate_nlu.topics import make_atlas, matters
from floodgate_nlu.train_endings import endings, train_endings, train_outcomes
from floodgate_nlu.train_feelings import train_joint, train_moods
from floodgate_nlu.train_injection import SentenceTable, train_detector
from floodgate_nlu.train_opinions import train_opinions
from floodgate_nlu.train_urgency import train_urgency, train_urgency_network
from floodgate_nlu.urgency_model import ARTEFACT as URGENCY
from floodgate_nlu.urgency_model import NETWORK_ARTEFACT as URGENCY_NETWORK
from floodgate_nlu.word_vectors import ARTEFACT as VECTORS
from floodgate_nlu.word_vectors import train_word_vectors

VECTOR_ORIGIN: Final = "python -m floodgate_nlu.train; CLINC150 (CC BY 3.0); MultiDoGO (CDLA-Permissive-1.0)"
TOPIC_ORIGIN: Final = "python -m floodgate_nlu.train; Floodgate's own sentences (MIT)"
LANGUAGE_ORIGIN: Final = "python -m floodgate_nlu.train; Floodgate's own catalogue and sentences (MIT)"
_VECTOR_SIZE: Final = 96
# What says nothing of a language.
_SAID_EVERYWHERE: Final = (
    "ok", "okay", "super", "stop", "info", "app", "online", "internet", "wifi", "email", "sms", "pdf", "iban", "bic",
    "visa", "mastercard", "maestro", "paypal", "whatsapp", "google", "iphone", "android", "netflix", "hotel", "https",
    "www",
)  # fmt: skip
# The glosses' first column is in the language that they are.
_NAMES: Final = {"english": "en"}
_ARTEFACTS: Final = ("vectors", "language", "injection", "urgency", "topics", "endings", "moods", "opinions")


def train_language(catalogue: Path = CATALOGUE) -> LinearModel:
    """Train the language model on the project's own texts, and on the words of its tables one by one."""
    rows = [(text, code) for code, texts in ordinary_by_language().items() for text in texts]
    for category in load_catalogue(catalogue).categories.values():
        rows += [(text, code) for code, texts in category.by_language.items() for text in texts]
    rows += [(word, code) for code, words in load_yaml(FUNCTION_WORDS).items() for word in phrases(words)]
    rows += [(word, code) for word in _SAID_EVERYWHERE for code in SERVED]
    rows += [row for table in (GLOSSES, FEELING_WORDS, TOPIC_WORDS) for row in _words_of(table)]
    kept = [
        (spelled, SERVED.index(code))
        for text, code in rows
        if code in SERVED
        for spelled in sorted({text.lower(), fold(text)})
    ]
    return train_rows(
        [letters(text) for text, _ in kept],
        [label for _, label in kept],
        SERVED,
        FEATURES,
        origin=LANGUAGE_ORIGIN,
        epochs=10,
    )


def _words_of(table: str) -> Iterator[tuple[str, str]]:
    """Every word (or beginning of words) of a table, and its language, which heads its column."""
    head, *rows = (cells(line) for line in read_text(table).splitlines() if line)
    for row in rows:
        for name, cell in zip(head, row, strict=False):
            forms = (form.strip().removesuffix("*") for form in cell.split(","))
            yield from ((form, _NAMES.get(name, name)) for form in forms if form)


def main(arguments: Sequence[str] | None = None) -> int:
    """Train and write the artefacts."""
    parser = argparse.ArgumentParser(prog="python -m floodgate_nlu.train", description=__doc__)
    parser.add_argument("--shared", type=Path, required=True, help="directory that holds corpora/")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "data")
    parser.add_argument("--only", action="append", choices=_ARTEFACTS, help="default: all artefacts")
    options = parser.parse_args(arguments)
    corpora = options.shared / "corpora"
    wanted = options.only or _ARTEFACTS
    if "vectors" in wanted:
        texts = ordinary_messages(corpora, ("clinc150",)) + ordinary_messages(corpora, ("multidogo",), every_nth=1)
        vectors = train_word_vectors(texts, dimensions=_VECTOR_SIZE, origin=VECTOR_ORIGIN)
        _write(options.out / VECTORS, vectors.to_bytes())
    if "language" in wanted:
        _write(options.out / LANGUAGES, train_language().to_bytes())
    if "injection" in wanted:
        detector = train_detector(corpora, SentenceTable())
        models = (detector.surface, detector.meaning, detector.network)
        for name, model in zip((ARTEFACT, MEANING_ARTEFACT, NETWORK_ARTEFACT), models, strict=True):
            if model is not None:
                _write(options.out / name, model.to_bytes())
    if "urgency" in wanted:
        _write(options.out / URGENCY, train_urgency(corpora).to_bytes())
        _write(options.out / URGENCY_NETWORK, train_urgency_network(corpora, SentenceTable()).to_bytes())
    if "topics" in wanted:
        _write(options.out / TOPICS, make_atlas(Embeddings(load_encoder()), matters(), TOPIC_ORIGIN).to_bytes())
    if "endings" in wanted:
        embeddings = Embeddings(load_encoder())
        network = train_outcomes(endings(), embeddings)
        _write(options.out / OUTCOMES, network.to_bytes())
        english, glossed = train_endings(load_network(network.to_bytes()), embeddings)
        _write(options.out / ENDINGS, english.to_bytes())
        _write(options.out / GLOSSED_ENDINGS, glossed.to_bytes())
    if "moods" in wanted:
        embeddings = Embeddings(load_encoder())
        network = train_moods(embeddings)
        _write(options.out / MOODS, network.to_bytes())
        _write(options.out / FEELINGS, train_joint(load_network(network.to_bytes()), embeddings).to_bytes())
    if "opinions" in wanted:
        opinions = train_opinions(corpora, Embeddings(load_encoder()))
        _write(options.out / WORDS_ARTEFACT, opinions.words.to_bytes())
        _write(options.out / SURFACE_ARTEFACT, opinions.surface.to_bytes())
        _write(options.out / OPINION_NETWORK, opinions.network.to_bytes())
        _write(options.out / ENGLISH_ARTEFACT, opinions.english.to_bytes())
        _write(options.out / LEARNED_ARTEFACT, opinions.learned.to_bytes())
    return 0


def _write(path: Path, raw: bytes) -> None:
    path.write_bytes(raw)
    sys.stdout.write(f"{path.name}: {len(raw)} bytes\n")


if __name__ == "__main__":
    sys.exit(main())
