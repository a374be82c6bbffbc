"""Figures against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from floodgate_eval.metrics import (
    agreement,
    auroc,
    bootstrap,
    calibration_error,
    confusions,
    cut_at_false_alarms,
    encoded,
    macro_f1,
    percentiles_ms,
    proportion,
    recall_at_false_alarms,
    reliability,
    roc,
    wilson,
)
from hypothesis import given
from hypothesis import strategies as st


def floats(*values: float) -> np.ndarray:
    return np.array(values, dtype=float)


def flags(*values: int) -> np.ndarray:
    return np.array(values, dtype=bool)


def test_wilson_agrees_with_the_published_example_and_never_leaves_zero_to_one() -> None:
    low, high = wilson(10, 20)
    assert (round(low, 4), round(high, 4)) == (0.2993, 0.7007)
    assert wilson(0, 10)[0] == 0.0
    assert wilson(10, 10)[1] == pytest.approx(1.0)
    assert wilson(0, 0) == (0.0, 1.0)


def test_a_proportion_of_nothing_is_no_figure() -> None:
    assert proportion([]) is None
    found = proportion([True, False, True, True])
    assert found is not None
    assert found.value == 0.75


def test_macro_f1_weighs_every_label_of_the_truth_alike() -> None:
    truth = np.array(["a", "a", "a", "b"])
    predicted = np.array(["a", "a", "b", "b"])
    # a: precision 1, recall 2/3, F1 0.8; b: precision 1/2, recall 1, F1 2/3.
    assert macro_f1(*encoded(predicted, truth)) == pytest.approx((0.8 + 2 / 3) / 2)


def test_auroc_counts_ties_as_half() -> None:
    assert auroc(floats(0.1, 0.4, 0.35, 0.8), flags(0, 0, 1, 1)) == pytest.approx(0.75)
    assert auroc(floats(1, 1, 1, 1), flags(0, 1, 0, 1)) == pytest.approx(0.5)
    # Pairs: (1,0) won, (1,1) tied, (1,0) won, (0,0) tied, (0,1) lost, (0,0) tied.
    assert auroc(floats(1, 0, 0, 1, 0), flags(1, 1, 0, 0, 0)) == pytest.approx((2 + 0.5 + 2 * 0.5) / 6)


def test_auroc_of_one_kind_is_no_figure() -> None:
    assert auroc(floats(0.1, 0.2), flags(1, 1)) is None


def test_recall_at_a_false_alarm_rate_lets_at_most_that_share_pass() -> None:
    negatives = list(range(100))
    scores = floats(*negatives, 94.5, 95.5, 98.5, 200)
    positive = flags(*[0] * 100, 1, 1, 1, 1)
    # Five negatives (95 to 99) may pass at 5 %, so the threshold is 94; one (99) at 1 %, so it is 98.
    assert recall_at_false_alarms(scores, positive, 0.05) == 1.0
    assert recall_at_false_alarms(scores, positive, 0.01) == 0.5
    assert recall_at_false_alarms(scores, positive, 0.0) == 0.25


def test_recall_at_a_false_alarm_rate_passes_equal_scores_together() -> None:
    scores = floats(0, 0, 0, 1, 1, 1)
    positive = flags(0, 0, 1, 0, 1, 1)
    # The one negative at 1 is a third of them: at 5 % nothing may pass with it.
    assert recall_at_false_alarms(scores, positive, 0.05) == 0.0
    assert recall_at_false_alarms(scores, positive, 0.34) == pytest.approx(2 / 3)


def test_recall_at_a_false_alarm_rate_needs_both_kinds() -> None:
    assert recall_at_false_alarms(floats(1.0), flags(1), 0.05) is None


def test_calibration_error_is_the_mean_gap_of_the_bins() -> None:
    confidence = floats(0.95, 0.95, 0.25, 0.25)
    correct = flags(1, 0, 0, 0)
    # Bins: 0.95 right half of the time (gap 0.45), 0.25 never right (gap 0.25).
    assert calibration_error(confidence, correct) == pytest.approx((2 * 0.45 + 2 * 0.25) / 4)
    assert [one["n"] for one in reliability(confidence, correct)] == [2, 2]


def test_a_confidence_of_one_falls_into_the_last_bin() -> None:
    assert calibration_error(floats(1.0), flags(1)) == 0.0


def test_roc_runs_from_the_origin_to_the_corner() -> None:
    points = roc(floats(0.9, 0.8, 0.3, 0.1), flags(1, 0, 1, 0))
    assert points == [[0.0, 0.0], [0.0, 0.5], [0.5, 0.5], [0.5, 1.0], [1.0, 1.0]]
    assert roc(floats(1.0), flags(1)) == []


def test_bootstrap_is_seeded_and_brackets_the_figure() -> None:
    values = np.arange(50.0)
    first = bootstrap(lambda rows: float(values[rows].mean()), 50)
    second = bootstrap(lambda rows: float(values[rows].mean()), 50)
    assert first == second
    assert first is not None
    low, high = first.interval
    assert low < first.value < high
    assert bootstrap(lambda rows: None, 5) is None
    assert bootstrap(lambda rows: 1.0, 0) is None


def test_confusions_name_the_commonest_mistake_first() -> None:
    worst = confusions(["b", "b", "a", "a"], ["a", "a", "b", "a"])
    assert worst[0] == {"truth": "a", "predicted": "b", "n": 2, "share": pytest.approx(2 / 3)}
    assert len(worst) == 2


def test_agreement_is_the_share_of_rows_that_always_got_the_same_answer() -> None:
    assert agreement([["a", "a", "a"], ["a", "b", "a"]]) == 0.5
    assert agreement([]) is None


def test_percentiles_are_in_milliseconds() -> None:
    assert percentiles_ms([0.001] * 20) == {"p50": 1.0, "p95": 1.0}
    assert percentiles_ms([]) == {}


@given(
    st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=40),
)
def test_auroc_is_the_share_of_pairs_in_the_right_order(pairs: list[tuple[int, bool]]) -> None:
    scores = floats(*[float(score) for score, _ in pairs])
    positive = flags(*[int(flag) for _, flag in pairs])
    above, below = scores[positive], scores[~positive]
    found = auroc(scores, positive)
    if len(above) == 0 or len(below) == 0:
        assert found is None
        return
    won = sum((a > b) + 0.5 * (a == b) for a in above for b in below)
    assert found == pytest.approx(won / (len(above) * len(below)))


def test_the_cut_lets_through_as_many_negatives_as_the_rate_allows():
    scores = np.array([0.1, 0.2, 0.3, 0.4, 0.9])
    positive = np.array([False, False, False, False, True])
    assert cut_at_false_alarms(scores, positive, 0.0) == 0.4
    assert cut_at_false_alarms(scores, positive, 0.25) == 0.3
    assert cut_at_false_alarms(scores, positive, 1.0) is None
