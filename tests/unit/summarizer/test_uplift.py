"""What features add to a model, on invented people."""

from __future__ import annotations

import numpy as np
import pytest
from summarizer.domain.uplift import auc, columns, fitted, scored, uplift


def people(count: int, *, tells: float, seed: int = 1) -> list[dict]:
    """Labels joined with records; `tells` is how much the satisfaction says of who leaves."""
    chance = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        tenure, csat = chance.random(), chance.random()
        odds = 2 * (0.5 - tenure) + tells * (0.5 - csat)
        left = int(chance.random() < 1 / (1 + np.exp(-odds)))
        rows.append(
            {
                "interaction_id": str(number),
                "summary": "s",
                "urgency_score": 0.2,
                "csat_indicator": csat,
                "sentiment": "negative" if csat < 0.3 else "neutral",
                "primary_topic": "billing",
                "intent": "other",
                "resolution_status": "resolved",
                "label_at": "2026-11-20",
                "label_tenure": tenure,
                "label_label": left,
            }
        )
    return rows


def test_features_that_tell_bring_a_gain_whose_interval_is_above_nothing():
    found = uplift(people(600, tells=5))
    assert found.gain.low > 0.02
    assert found.own_columns == ("label_tenure",)
    assert found.labels_needed is not None
    assert found.labels_needed < 600


def test_features_that_tell_nothing_bring_none():
    found = uplift(people(600, tells=0))
    assert found.gain.low < 0.01
    assert abs(found.gain.value) < 0.03


def test_the_same_seed_gives_the_same_answer():
    assert uplift(people(120, tells=3)) == uplift(people(120, tells=3))


def test_labels_without_a_record_count_as_missing_and_not_as_zero():
    rows = people(80, tells=3)
    bare = [{k: v for k, v in row.items() if k.startswith("label_")} for row in rows[:20]] + rows[20:]
    assert uplift(bare).known == 60
    assert columns(bare, ("csat_indicator",)).shape == (80, 2)


@pytest.mark.parametrize("rows", [people(30, tells=1), [{**row, "label_label": 1} for row in people(60, tells=1)]])
def test_too_few_labels_or_one_kind_are_refused(rows):
    with pytest.raises(ValueError, match="are needed"):
        uplift(rows)


def test_a_label_that_is_neither_is_refused():
    with pytest.raises(ValueError, match="0 or 1"):
        uplift([{**row, "label_label": "yes"} for row in people(60, tells=1)])


def test_auc_counts_ties_half():
    assert auc(np.array([0.1, 0.5, 0.5, 0.9]), np.array([0.0, 0.0, 1.0, 1.0])) == pytest.approx(0.875)
    assert auc(np.zeros(4), np.array([0.0, 0.0, 1.0, 1.0])) == 0.5


def test_the_regression_finds_which_way_a_column_points():
    chance = np.random.default_rng(2)
    matrix = chance.normal(size=(400, 2))
    truth = (matrix[:, 0] - matrix[:, 1] + chance.normal(size=400) > 0).astype(float)
    weights = fitted(matrix, truth)
    assert weights[1] > 0 > weights[2]
    assert auc(scored(matrix, weights), truth) > 0.85
