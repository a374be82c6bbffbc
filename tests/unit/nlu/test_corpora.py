"""Floors on public corpora; skipped where ../shared is not beside the repository."""

from pathlib import Path

from floodgate_nlu.measure import measure_banking, measure_injection, measure_language


def test_few_shot_intents_stay_above_the_floor(corpora: Path) -> None:
    figures = measure_banking(corpora)
    assert figures["accuracy_10_shot"] >= 0.70
    assert figures["accuracy_5_shot"] >= 0.60


def test_injection_of_unseen_sources_is_caught_without_false_alarms(corpora: Path) -> None:
    figures = measure_injection(corpora)
    assert figures["recall_deepset_hidden_in_message"] >= 0.55
    assert figures["false_positive_rate_unseen_brand"] <= 0.005
    assert figures["false_positive_rate_benign_hard"] <= 0.03


def test_languages_are_identified(corpora: Path) -> None:
    figures = measure_language(corpora)
    assert figures["accuracy_13_to_99_words"] >= 0.97
