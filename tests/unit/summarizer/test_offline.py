"""The offline store as Parquet, joins as of a moment, and drift."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pyarrow.parquet as pq
import pytest
from floodgate.events import ResolutionStatus, Sentiment, Summary, Versions
from hypothesis import given
from hypothesis import strategies as st
from summarizer.adapters.parquet_offline_store import ParquetOfflineStore, schema, write_table
from summarizer.domain.drift import shifts, stability_index
from summarizer.domain.features import feature_definitions
from summarizer.domain.offline import ADDED_COLUMNS, as_of, merged, offline_row, partition_of

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def summary(**changes) -> Summary:
    values = {
        "event_id": uuid4(), "occurred_at": NOW, "interaction_id": uuid4(), "contact_id": "c1", "summary": "Says it.",
        "sentiment": Sentiment.NEUTRAL, "primary_topic": "tickets", "intent": "other", "language": "en",
        "resolution_status": ResolutionStatus.RESOLVED, "urgency_score": 0.2, "csat_indicator": 0.6, "model": "m",
        "event_time": NOW, "versions": Versions(prompt="summarize@2"),
    }  # fmt: skip
    return Summary.model_validate({**values, **changes})


def row(record: Summary, written: datetime = NOW):
    return offline_row(record, invoked_at=NOW, written_at=written)


def test_a_row_has_every_feature_and_what_the_offline_store_adds(tmp_path) -> None:
    names = [feature.name for feature in feature_definitions()]
    assert [field.name for field in schema()] == [*names, *ADDED_COLUMNS]
    record = summary(country="NL")
    store = ParquetOfflineStore(tmp_path)
    assert store.write([row(record)]) == (1, 1)
    (read,) = store.rows()
    assert (read["interaction_id"], read["urgency_score"], read["repaired"]) == (str(record.interaction_id), 0.2, 0)
    assert (read["feature_set_version"], read["is_deleted"], read["write_time"]) == ("summarize@2", False, NOW)
    assert (tmp_path / "year=2026/month=11/day=22/hour=12/features.parquet").is_file()


def test_writing_twice_changes_nothing_and_more_rows_join_their_hour(tmp_path) -> None:
    store, first, second = ParquetOfflineStore(tmp_path), summary(), summary()
    later = summary(event_time=NOW + timedelta(hours=1))
    store.write([row(first)])
    assert store.write([row(first, NOW + timedelta(days=1)), row(second), row(later)]) == (3, 2)
    assert len(list(store.rows())) == 3
    assert len(list(store.rows(since=NOW + timedelta(minutes=70)))) == 1
    assert len(list(store.rows(until=NOW + timedelta(hours=1)))) == 2


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 9)), max_size=20))
def test_of_one_record_and_moment_the_last_written_stays(written) -> None:
    rows = [
        {"interaction_id": str(i), "event_time": f"2026-11-22T0{t}:00:00Z", "write_time": NOW + timedelta(hours=w)}
        for i, t, w in written
    ]
    kept = merged(rows)
    keys = [(r["interaction_id"], r["event_time"]) for r in kept]
    assert len(keys) == len(set(keys)) == len({(i, t) for i, t, _ in written})
    for found in kept:
        same = [r["write_time"] for r in rows if (r["interaction_id"], r["event_time"]) == (
            found["interaction_id"], found["event_time"])]  # fmt: skip
        assert found["write_time"] == max(same)


def test_a_label_sees_only_what_was_known_at_its_moment(tmp_path) -> None:
    early, late = summary(csat_indicator=0.9), summary(csat_indicator=0.1, event_time=NOW + timedelta(days=2))
    labels = [
        {"contact_id": "c1", "at": "2026-11-23T00:00:00Z", "churned": False},
        {"contact_id": "c1", "at": "2026-11-30T00:00:00Z", "churned": True},
        {"contact_id": "c1", "at": "2026-11-01T00:00:00Z", "churned": False},
        {"contact_id": "c2", "at": "2026-11-30T00:00:00Z", "churned": False},
    ]
    joined = as_of([row(late), row(early)], labels, "contact_id")
    assert [found.get("csat_indicator") for found in joined] == [0.9, 0.1, None, None]
    assert [found["label_churned"] for found in joined] == [False, True, False, False]
    write_table(joined, tmp_path / "joined.parquet")
    assert pq.read_table(tmp_path / "joined.parquet").num_rows == 4
    with pytest.raises(ValueError, match="label 1 needs contact_id and at"):
        as_of([], [{"contact_id": "c1"}], "contact_id")


def test_a_partition_is_the_hour_in_utc() -> None:
    assert partition_of("2026-11-22T01:30:00+02:00") == "year=2026/month=11/day=21/hour=23"


def test_a_changed_distribution_alarms_and_a_sample_of_the_same_does_not() -> None:
    def window(negative: int, total: int = 200) -> list[Summary]:
        kinds = [Sentiment.NEGATIVE] * negative + [Sentiment.NEUTRAL] * (total - negative)
        return [summary(sentiment=kind) for kind in kinds]

    moved = {shift.feature for shift in shifts(window(40), window(140)) if shift.alarms}
    assert moved == {"sentiment"}
    assert not [shift for shift in shifts(window(40), window(50)) if shift.alarms]
    assert shifts(window(4, 10), window(9, 10)) == []
    assert stability_index({"a": 10, "b": 10}, {"a": 10, "b": 10}) == 0.0  # type: ignore[arg-type]
