"""Floors on public corpora, on small draws of them; skipped where ../shared is not beside the repository."""

from pathlib import Path

from floodgate_nlu.corpora import benign_hard, ordinary_messages, public_attacks, read_jsonl
from floodgate_nlu.intents import IntentModel
from floodgate_nlu.meanings import shared_embeddings
from floodgate_nlu.measure import few_shot, measure_language
from floodgate_nlu.misuse import assess_misuse


def test_few_shot_intents_stay_above_the_floor(corpora: Path) -> None:
    rows = [row for row in read_jsonl(corpora / "banking77/train.jsonl") if row["intent"] < "d"]
    train, test = few_shot(rows, 10, 10)
    model = IntentModel(train)
    floor = 0.80 if shared_embeddings() else 0.70
    assert sum(model.predict(text).best()[0] == label for text, label in test) >= floor * len(test)


def test_attacks_of_a_source_not_trained_on_are_caught(corpora: Path) -> None:
    attacks = public_attacks(corpora, ("deepset",))
    assert sum(assess_misuse(text).kind == "injection" for text in attacks) >= 0.6 * len(attacks)


def test_customers_and_harmless_trigger_words_are_let_through(corpora: Path) -> None:
    ordinary = ordinary_messages(corpora, ("multidogo",))[::40]
    harmless = benign_hard(corpora)
    assert sum(assess_misuse(text).kind == "injection" for text in ordinary) <= 0.005 * len(ordinary)
    assert sum(assess_misuse(text).kind == "injection" for text in harmless) <= 0.05 * len(harmless)


def test_languages_are_identified(corpora: Path) -> None:
    figures = measure_language(corpora)
    assert figures["accuracy_13_to_99_words"] >= 0.97
