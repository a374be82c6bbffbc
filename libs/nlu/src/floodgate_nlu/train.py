"""Makes the trained artefacts of the package: `python -m floodgate_nlu.train --shared DIR`.

An artefact holds weights over hashed features and the names of its sources, and no text. Attacks come
from this project's own templates; ordinary messages from CLINC150 (CC BY 3.0), MultiDoGO
(CDLA-Permissive-1.0) and Banking77 (CC BY 4.0), from this project's catalogue in ten languages and from its own
sentences. The word vectors come from CLINC150 and MultiDoGO alone, so that Banking77 stays unseen by the intent
measures.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from floodgate_nlu.attack_templates import attacks, harmless, ordinary_by_language
from floodgate_nlu.catalogue import load_catalogue
from floodgate_nlu.injection import ARTEFACT
from floodgate_nlu.language import ARTEFACT as LANGUAGES
from floodgate_nlu.language import SERVED
from floodgate_nlu.linear import LinearModel, train_linear
from floodgate_nlu.word_vectors import ARTEFACT as VECTORS
from floodgate_nlu.word_vectors import train_word_vectors

ORIGIN: Final = (
    "python -m floodgate_nlu.train; CLINC150 (CC BY 3.0); Banking77 (CC BY 4.0); "
    "MultiDoGO (CDLA-Permissive-1.0); Floodgate's own templates and catalogue (MIT)"
)
VECTOR_ORIGIN: Final = "python -m floodgate_nlu.train; CLINC150 (CC BY 3.0); MultiDoGO (CDLA-Permissive-1.0)"
LANGUAGE_ORIGIN: Final = "python -m floodgate_nlu.train; Floodgate's own catalogue and sentences (MIT)"
_VECTOR_SIZE: Final = 96
_CLASSES: Final = ("ordinary", "attack")
_EVERY_NTH_DOMAIN_TURN: Final = 4
_ATTACK_WEIGHT: Final = 5.0
_EXAMPLE_COPIES: Final = 2
CATALOGUE: Final = Path(__file__).parents[4] / "catalogue"


def read_jsonl(path: Path) -> list[dict[str, str]]:
    """The rows of a JSON Lines file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def ordinary_messages(corpora: Path, sources: Sequence[str], every_nth: int = _EVERY_NTH_DOMAIN_TURN) -> list[str]:
    """Ordinary messages of the named sources."""
    texts: list[str] = []
    if "banking77" in sources:
        texts += [row["text"] for row in read_jsonl(corpora / "banking77/train.jsonl")]
    if "clinc150" in sources:
        texts += [row["text"] for row in read_jsonl(corpora / "clinc150/train_val.jsonl")]
    if "multidogo" in sources:
        for path in sorted((corpora / "multidogo").glob("*.jsonl")):
            texts += [row["text"] for row in read_jsonl(path)][::every_nth]
    return texts


def bipia_attacks(corpora: Path) -> list[str]:
    """The attack instructions of BIPIA."""
    rows = read_jsonl(corpora / "injection/attacks.jsonl")
    return [row["text"] for row in rows if row["source"].startswith("BIPIA")]


def catalogue_examples(catalogue: Path = CATALOGUE) -> list[str]:
    """What customers say in ten languages, as the project's catalogue words it."""
    return [text for category in load_catalogue(catalogue).categories.values() for text in category.examples]


def train_injection(
    corpora: Path, ordinary_sources: Sequence[str] = ("banking77", "clinc150", "multidogo")
) -> LinearModel:
    """Train the sentence classifier; sources can be left out to measure on them.

    BIPIA is measured on and not trained on: its instructions are plain tasks ("explain to me why"), and a detector
    that has learned them takes customers' imperatives for attacks.
    """
    attack_texts = attacks()
    ordinary = ordinary_messages(corpora, ordinary_sources) + harmless() + catalogue_examples() * _EXAMPLE_COPIES
    labels = [1] * len(attack_texts) + [0] * len(ordinary)
    weights = [_ATTACK_WEIGHT] * len(attack_texts) + [1.0] * len(ordinary)
    texts = attack_texts + ordinary
    return train_linear(texts, labels, _CLASSES, origin=ORIGIN, epochs=4, example_weights=weights)


def train_language(catalogue: Path = CATALOGUE) -> LinearModel:
    """Train the language model on the project's own texts."""
    rows = [(text, code) for code, texts in ordinary_by_language().items() for text in texts]
    for category in load_catalogue(catalogue).categories.values():
        rows += [(text, code) for code, texts in category.by_language.items() for text in texts]
    classes = tuple(SERVED)
    kept = [(text, classes.index(code)) for text, code in rows if code in SERVED]
    return train_linear(
        [text for text, _ in kept], [label for _, label in kept], classes, origin=LANGUAGE_ORIGIN, epochs=5
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Train and write the artefacts."""
    parser = argparse.ArgumentParser(prog="python -m floodgate_nlu.train", description=__doc__)
    parser.add_argument("--shared", type=Path, required=True, help="directory that holds corpora/")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "data")
    options = parser.parse_args(arguments)
    corpora = options.shared / "corpora"
    vectors = train_word_vectors(
        ordinary_messages(corpora, ("clinc150",)) + ordinary_messages(corpora, ("multidogo",), every_nth=1),
        dimensions=_VECTOR_SIZE,
        origin=VECTOR_ORIGIN,
    )
    _write(options.out / VECTORS, vectors.to_bytes())
    _write(options.out / LANGUAGES, train_language().to_bytes())
    _write(options.out / ARTEFACT, train_injection(corpora).to_bytes())
    return 0


def _write(path: Path, raw: bytes) -> None:
    path.write_bytes(raw)
    sys.stdout.write(f"{path.name}: {len(raw)} bytes\n")


if __name__ == "__main__":
    sys.exit(main())
