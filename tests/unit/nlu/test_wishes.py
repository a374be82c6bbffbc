"""Wishes that are easily mistaken, read with the project's own catalogue."""

from pathlib import Path

import yaml
from floodgate_nlu.catalogue import load_catalogue
from floodgate_nlu.concepts import concepts_in
from floodgate_nlu.intents import IntentModel
from floodgate_nlu.taxonomy import Taxonomy
from floodgate_nlu.text import tokens

ROOT = Path(__file__).resolve().parents[3]


def test_wishes_are_told_apart_in_ten_languages() -> None:
    wishes = yaml.safe_load((Path(__file__).parent / "wishes.yaml").read_text(encoding="utf-8"))
    model = IntentModel(Taxonomy(load_catalogue(ROOT / "catalogue").categories).examples())
    rows = [(text, category) for category, texts in wishes.items() for text in texts]
    right = sum(model.predict(text).best()[0] == category for text, category in rows)
    assert right / len(rows) >= 0.8


def test_an_account_at_a_bank_is_no_user_account() -> None:
    assert "account" not in concepts_in(tokens("Auf dem Konto ist noch nichts"))
    assert "account" in concepts_in(tokens("Ich komme nicht in mein Konto"))
