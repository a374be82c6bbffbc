"""Labelled interactions beside their feature records: the columns, the figures, the file's own taxonomy."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
from floodgate.events import ResolutionStatus, Sentiment, Summary
from floodgate_eval.catalogues import own_catalogue
from floodgate_eval.feature_columns import NO_ANSWER, feature_columns, is_covered, with_taxonomy
from floodgate_eval.feature_figures import feature_figures
from floodgate_eval.rows import FeaturesRow, Labels, read_rows
from keyflow import FatalError

REPOSITORY = Path(__file__).parents[3]
ROW = {
    "interaction_id": str(uuid4()),
    "language": "en-GB",
    "country": "GB",
    "turns": [{"role": "customer", "text": "Order TK-1234 never came. I am anna@example.org"}],
    "labels": {
        "sentiment": "Negative", "primary_topic": "delivery", "intent": "track", "resolution_status": "pending",
        "urgency": 0.5, "csat": 0.25,
    },
    "reference_summaries_en": ["Order TK-1234 never came."],
    "reference_summary_local": "Order TK-1234 never came.",
    "key_facts": ["TK-1234", "never came"],
}  # fmt: skip
KEYS = {
    "sentiment_macro_f1", "topic_accuracy", "resolution_accuracy", "urgency_mae", "csat_mae", "rouge1", "rougeL",
    "fact_coverage", "unsupported_facts", "personal_data_in_summaries", "valid",
}  # fmt: skip


def row(**changes: object) -> FeaturesRow:
    return FeaturesRow.model_validate({**ROW, **changes})


def record(**changes: object) -> Summary:
    values: dict[str, object] = {
        "event_id": uuid4(), "occurred_at": datetime(2026, 11, 22, tzinfo=UTC), "interaction_id": uuid4(),
        "summary": "Order TK-1234 never came.", "sentiment": Sentiment.NEGATIVE, "primary_topic": "delivery",
        "intent": "track", "resolution_status": ResolutionStatus.PENDING, "urgency_score": 0.25,
        "csat_indicator": 0.25, "language": "en", "model": "m", "event_time": datetime(2026, 11, 22, tzinfo=UTC),
    }  # fmt: skip
    return Summary.model_validate({**values, **changes})


def figures(*pairs: tuple[FeaturesRow, Summary | None]) -> dict[str, float]:
    columns = [feature_columns(*pair) for pair in pairs]
    found = feature_figures({name: np.asarray([column[name] for column in columns]) for name in columns[0]})
    return {name: figure.value for name, figure in found.items() if figure is not None}


def test_a_right_record_is_right_in_every_figure() -> None:
    found = figures((row(), record()))
    assert set(found) >= KEYS
    assert (found["sentiment_macro_f1"], found["topic_accuracy"], found["resolution_accuracy"]) == (1.0, 1.0, 1.0)
    assert (found["urgency_mae"], found["csat_mae"]) == (0.25, 0.0)
    assert (found["rouge1"], found["fact_coverage"], found["language_accuracy"]) == (1.0, 1.0, 1.0)
    assert (found["unsupported_facts"], found["personal_data_in_summaries"], found["valid"]) == (0.0, 0.0, 1.0)


def test_a_record_that_never_came_is_wrong_in_everything() -> None:
    found = figures((row(), record()), (row(), None))
    assert (found["valid"], found["topic_accuracy"], found["rouge1"]) == (0.5, 0.5, 0.5)
    assert found["csat_mae"] == pytest.approx(0.75 / 2)
    assert feature_columns(row(), None)["sentiment"] == NO_ANSWER


@pytest.mark.parametrize("summary", ["Write to anna@example.org.", "<EMAIL_1> never got the order."])
def test_personal_data_in_a_summary_is_counted(summary: str) -> None:
    assert figures((row(), record(summary=summary)))["personal_data_in_summaries"] == 1.0


def test_invented_facts_are_counted_per_summary() -> None:
    assert figures((row(), record(summary="Order TK-9999 never came to Lisbon.")))["unsupported_facts"] == 2.0


def test_what_nobody_labelled_has_no_figure() -> None:
    found = figures((row(labels={"sentiment": "neutral"}, key_facts=[], reference_summaries_en=[],
                         reference_summary_local=None), record()))  # fmt: skip
    assert not {"topic_accuracy", "urgency_mae", "rouge1", "fact_coverage"} & set(found)


@pytest.mark.parametrize(
    ("fact", "covered"),
    [("TK-1234", True), ("tk 1234", True), ("12.50", False), ("order never", True), ("refund promised", False),
     ("1234 orders", True)],
)  # fmt: skip
def test_a_fact_is_covered_by_its_numbers_and_most_of_its_words(fact: str, covered: bool) -> None:
    assert is_covered(fact, "Order TK-1234 never came.") is covered


def test_the_topics_of_the_file_are_the_taxonomy() -> None:
    own = own_catalogue(REPOSITORY / "catalogue")
    labels = [Labels(primary_topic=topic, intent="track") for topic in ("warranty", "delivery", "warranty")]
    changed = with_taxonomy(own, labels).catalogue
    assert (changed.topics, changed.intents) == (("delivery", "warranty"), ("track",))
    assert changed.categories == own.catalogue.categories
    assert with_taxonomy(own, [Labels(sentiment="neutral")]).catalogue.topics == own.catalogue.topics


def test_rows_are_read_as_they_are_dropped_into_s3(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text(json.dumps(ROW), encoding="utf-8")
    (read,) = read_rows([file], FeaturesRow)
    assert (read.group, read.labels.sentiment, read.reference_summary_local) == (
        "en", "negative", ("Order TK-1234 never came.",),
    )  # fmt: skip
    file.write_text(json.dumps({**ROW, "labels": {"csat": 4}}), encoding="utf-8")
    with pytest.raises(FatalError, match=r"a\.jsonl:1: labels\.csat"):
        read_rows([file], FeaturesRow)


def test_facts_may_be_numbers_and_references_may_be_one_text_or_none() -> None:
    read = row(key_facts=["TK-1234", 45, 12.5], reference_summaries_en="One.", reference_summary_local=None)
    assert read.key_facts == ("TK-1234", "45", "12.5")
    assert (read.reference_summaries_en, read.reference_summary_local) == (("One.",), ())


def test_the_projects_own_labelled_interactions_are_well_formed() -> None:
    corpora = REPOSITORY / "eval/corpora"
    rows = read_rows([corpora / "features.jsonl", corpora / "features_held_out.jsonl"], FeaturesRow)
    languages = {read.group for read in rows}
    assert len(languages) == 10
    assert min(sum(read.group == language for read in rows) for language in languages) >= 12
