"""The temporary catalogue: made of examples alone, valid for the services, readable by the local model."""

from __future__ import annotations

from pathlib import Path

import pytest
from firewall.domain.screen import Screen
from floodgate_eval.catalogues import own_catalogue, temporary_catalogue, write_for_local_model
from floodgate_eval.rows import ROW_MODELS, IntentRow, Task, read_rows
from floodgate_nlu.catalogue import load_catalogue

ROOT = Path(__file__).parents[3]
EXAMPLES = [
    IntentRow(text="where is my card", intent="Card/Arrival?"),
    IntentRow(text="waar is mijn kaart", intent="Card/Arrival?", lang="nl"),
    IntentRow(text="kartım nerede", intent="Card/Arrival?", lang="tr"),
    IntentRow(text="what is the weather", intent="oos"),
    IntentRow(text="a person please", intent="none"),
    IntentRow(text="is there 7", intent="7 days"),
]


def test_every_label_gets_a_category_and_a_path_of_its_own() -> None:
    measured = temporary_catalogue(EXAMPLES)
    assert measured.ids == {"Card/Arrival?": "card_arrival", "none": "none_2", "7 days": "c_7_days"}
    assert measured.label_of("card_arrival") == "Card/Arrival?"
    assert measured.label_of(None) == "oos"
    assert measured.path_of("Card/Arrival?") == "card_arrival"
    assert measured.path_of(None) == "unknown"
    assert measured.path_of("Other") == "other"


def test_labels_that_differ_in_punctuation_only_stay_apart() -> None:
    rows = [IntentRow(text=text, intent=text) for text in ("a-b", "a_b", "a b")]
    assert sorted(temporary_catalogue(rows).ids.values()) == ["a_b", "a_b_2", "a_b_3"]


def test_labels_without_examples_are_known_by_name_and_told() -> None:
    measured = temporary_catalogue(EXAMPLES, ["lost luggage", "7 days", "oos"])
    assert measured.without_examples == ("lost luggage",)
    assert measured.path_of("lost luggage") == "lost_luggage"


def test_nothing_of_the_own_brand_but_what_holds_for_any_is_taken() -> None:
    base = own_catalogue(ROOT / "catalogue").catalogue
    measured = temporary_catalogue(EXAMPLES, base=base)
    assert measured.catalogue.urgency == base.urgency
    assert measured.catalogue.articles == ()
    assert {category.id for category in measured.catalogue.categories} == set(measured.ids.values())
    card = next(c for c in measured.catalogue.categories if c.id == "card_arrival")
    # An unserved language joins the default one, so that its examples are found.
    assert card.examples == {"en": ("kartım nerede", "where is my card"), "nl": ("waar is mijn kaart",)}


def test_the_firewall_takes_it_and_the_local_model_reads_the_same(tmp_path: Path) -> None:
    measured = temporary_catalogue(EXAMPLES, base=own_catalogue(ROOT / "catalogue").catalogue)
    assert "card_arrival | card_arrival | Card Arrival?" in Screen(measured.catalogue, "test").prompt.system
    write_for_local_model(measured.catalogue, tmp_path)
    read = load_catalogue(tmp_path)
    assert set(read.categories) == set(measured.ids.values())
    assert set(read.categories["card_arrival"].examples) == {"where is my card", "waar is mijn kaart", "kartım nerede"}
    assert (tmp_path / "urgency.yaml").is_file()


def test_the_same_examples_give_the_same_version() -> None:
    assert temporary_catalogue(EXAMPLES).catalogue.version == temporary_catalogue(EXAMPLES[::-1]).catalogue.version


@pytest.mark.parametrize("name", ["intent", "match", "urgency"])
def test_the_own_corpora_name_categories_of_the_own_catalogue(name: str) -> None:
    measured = own_catalogue(ROOT / "catalogue")
    rows = read_rows([ROOT / "eval/corpora" / f"{name}.jsonl"], ROW_MODELS[Task(name)])
    labels = {getattr(row, "intent", None) or getattr(row, "chosen_category", None) for row in rows}
    assert labels <= {*measured.ids, "oos"}
    assert {row.lang for row in rows} == set(measured.catalogue.languages)
