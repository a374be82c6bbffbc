"""The learned estimate of urgency finds what no rule foresees and doubts a rule's words in everyday questions."""

import json
from pathlib import Path

import numpy as np
import pytest
from floodgate_nlu.urgency import UrgencyRules, catalogue_phrases, default_rules
from floodgate_nlu.urgency_model import KINDS, concepts_of, probabilities, windows

ROOT = Path(__file__).parents[3]
HELD_OUT = ROOT / "eval/corpora/urgency_held_out.jsonl"


def test_a_concept_is_the_same_in_every_language() -> None:
    for text in ("my daughter is missing", "mijn dochter is vermist", "ma fille a disparu", "dcera zmizela"):
        assert {"child", "missing"} <= set(concepts_of(text))


def test_a_long_message_is_judged_by_neighbouring_sentences() -> None:
    text = "Hello. I have a question. Somebody has a gun at the bar. Please help. Thanks."
    assert len(windows(text)) == 4
    value, words = probabilities(text)["safety_at_event"]
    assert value > 0.5
    assert "gun" in words


def test_every_kind_but_the_ordinary_one_has_a_probability() -> None:
    assert set(probabilities("Where is my ticket?")) == set(KINDS) - {"none"}
    assert probabilities("") == {}


@pytest.mark.parametrize(
    "message",
    [
        "In which season does she go to court?",
        "Mag mijn zoon de film over de ontvoerde jongen zien?",
        "Wann beginnt die Feuershow?",
    ],
)
def test_a_rules_word_in_an_everyday_question_is_not_urgent(message: str) -> None:
    assert default_rules().assess(message).score < 0.7


def test_messages_never_tuned_on_are_told_apart() -> None:
    rules = UrgencyRules(catalogue_phrases(ROOT / "catalogue"))
    rows = [json.loads(line) for line in HELD_OUT.read_text(encoding="utf-8").splitlines()]
    urgent = np.array([row["urgent"] for row in rows])
    found = np.array([rules.assess(row["text"]).score >= 0.7 for row in rows])
    assert len(rows) > 900
    assert found[urgent].mean() >= 0.7
    assert found[~urgent].mean() <= 0.1
