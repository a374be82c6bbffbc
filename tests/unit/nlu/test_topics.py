"""Topics and intents of which the local model knows the names alone."""

from collections import Counter

import numpy as np
import pytest
from floodgate_nlu.hashing import FloatArray
from floodgate_nlu.labels import pick_label, read_labels
from floodgate_nlu.meanings import shared_embeddings
from floodgate_nlu.topics import Matter, Named, NamedLabels, make_atlas, matters, read_names, shipped_atlas

STABLE = {
    "en": "My mare has thrown a shoe, can you send the farrier?",
    "de": "Mein Hund ist krank, ich brauche einen Termin beim Tierarzt.",
    "fr": "Mon chat est malade, je voudrais un rendez-vous chez le vétérinaire.",
    "nl": "Mijn kat is ziek, ik wil een afspraak bij de dierenarts.",
    "es": "Mi perro está enfermo, necesito cita con el veterinario.",
    "it": "Il mio gatto è malato, vorrei un appuntamento dal veterinario.",
    "pt": "O meu gato está doente, preciso de uma consulta no veterinário.",
    "pl": "Mój pies jest chory, chcę umówić wizytę u weterynarza.",
    "sv": "Min hund är sjuk, jag vill ha en tid hos veterinären.",
    "cs": "Můj pes je nemocný, chci termín u veterináře.",
}
LABELS = ("animal care", "boat mooring", "tax advice", "wine tasting")


class Bags:
    """An encoder of shared words: enough to test with."""

    def of(self, texts: list[str]) -> FloatArray:
        rows = np.full((len(texts), 4096), 0.001, dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            for word in text.lower().strip("?.").split():
                row[sum(map(ord, word)) % 4096] += 1.0
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)

    of_examples = of


def test_no_name_stands_for_two_matters_and_every_matter_has_sentences() -> None:
    names = Counter(name for matter in matters() for name in matter.names)
    assert [name for name, count in names.items() if count > 1] == []
    assert all(matter.sentences for matter in matters())
    assert len(matters()) > 150


def test_the_shipped_embeddings_are_those_of_the_table() -> None:
    atlas = shipped_atlas()
    assert atlas is not None
    assert len(atlas.sentences) == sum(len(matter.sentences) for matter in matters())
    assert len(atlas.names) == sum(len(matter.names) for matter in matters())


def test_a_matter_speaks_for_the_label_that_is_nearest_to_its_names() -> None:
    table = (
        Matter(("club card", "membership"), (("=", "may i freeze my gym pass"),)),
        Matter(("parcel",), (("-", "the box never came"),)),
        Matter(("tax",), (("=", "which form do i need"),)),
    )
    encoder = Bags()
    labels = NamedLabels(("membership", "parcel"), make_atlas(encoder, table, "test"), encoder)  # type: ignore[arg-type]
    frozen = labels.read("freeze the gym pass", "freeze the gym pass", "en")
    lost = labels.read("the box never came", "the box never came", "en")
    assert frozen.scores.index(0.0) == 0
    assert lost.scores.index(0.0) == 1


def test_a_matter_that_is_near_to_no_label_hardly_counts() -> None:
    table = (
        Matter(("parcel",), (("-", "late box"),)),
        Matter(("tax",), (("-", "late form"),)),
        Matter(("fees",), (("-", "dear dear dear"),)),
    )
    encoder = Bags()
    labels = NamedLabels(("parcel", "tax"), make_atlas(encoder, table, "test"), encoder)  # type: ignore[arg-type]
    undecided = labels.read("dear dear dear", "dear dear dear", "en").scores
    decided = labels.read("dear late box", "dear late box", "en").scores
    assert abs(undecided[0] - undecided[1]) < abs(decided[0] - decided[1])
    assert decided.index(0.0) == 0


@pytest.mark.parametrize("language", sorted(STABLE))
def test_a_label_of_a_trade_without_a_subject_is_found_in_every_language(language: str) -> None:
    if shared_embeddings() is None:
        pytest.skip("the sentence encoder is not installed: make setup")
    named = read_names(LABELS, STABLE[language], STABLE[language], language)
    assert named is not None
    assert LABELS[named.scores.index(0.0)] == "animal care"
    closed = tuple(label.replace(" ", "_") for label in LABELS)
    assert pick_label(read_labels(closed), language, {}, {}, named) == "animal_care"


def test_without_the_encoder_the_other_signals_decide() -> None:
    labels = read_labels(("contract", "refunds"))
    assert pick_label(labels, "en", {}, {"refunds": 1.0}) == "refunds"
    assert pick_label(read_labels(("refund_status", "lost_item")), "en", {"lost_item": 0.9}, {}) == "lost_item"


def test_what_is_near_to_no_name_takes_the_fallback_where_the_set_has_one() -> None:
    far, near = Named((0.0, -0.1), nearness=0.02), Named((0.0, -0.1), nearness=0.4)
    assert pick_label(read_labels(("parking", "opera", "other")), "en", {}, {}, far) == "other"
    assert pick_label(read_labels(("parking", "opera", "other")), "en", {}, {}, near) == "parking"
    assert pick_label(read_labels(("parking", "opera")), "en", {}, {}, far) == "parking"


def test_a_table_that_knows_no_label_leaves_the_choice_to_the_names() -> None:
    table = (Matter(("tax",), (("-", "late form"),)), Matter(("fees",), (("-", "dear dear dear"),)))
    encoder = Bags()
    labels = NamedLabels(("opera box", "parking lot"), make_atlas(encoder, table, "test"), encoder)  # type: ignore[arg-type]
    assert labels.read("late form parking lot", "late form parking lot", "en").scores.index(0.0) == 1
