"""The offline store's layout, and joins that see only what was known at the time."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from floodgate.events import Summary

from summarizer.domain.features import EVENT_TIME_FEATURE, IDENTIFIER_FEATURE, feature_values, typed_values

# What SageMaker adds to every row of its offline store.
ADDED_COLUMNS: Final = ("api_invocation_time", "write_time", "is_deleted")
Row = dict[str, Any]


def offline_row(summary: Summary, *, invoked_at: datetime, written_at: datetime) -> Row:
    """One row as the offline store keeps it."""
    return {
        **typed_values(feature_values(summary)),
        "api_invocation_time": invoked_at,
        "write_time": written_at,
        "is_deleted": False,
    }


def partition_of(event_time: str) -> str:
    """The hour under which a row lies: `year=2026/month=11/day=22/hour=09`."""
    return parsed(event_time).strftime("year=%Y/month=%m/day=%d/hour=%H")


def parsed(moment: str) -> datetime:
    """A moment in UTC; one without a zone is taken for UTC.

    Raises:
        ValueError: It is no ISO 8601 moment.
    """
    found = datetime.fromisoformat(moment)
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def merged(rows: Iterable[Row]) -> list[Row]:
    """One row for each record and event time, in order; of two the one written last."""
    kept: dict[tuple[str, str], Row] = {}
    for row in sorted(rows, key=lambda row: row["write_time"]):
        kept[row[IDENTIFIER_FEATURE], row[EVENT_TIME_FEATURE]] = row
    return [kept[key] for key in sorted(kept, key=lambda key: (key[1], key[0]))]


def as_of(rows: Iterable[Row], labels: Sequence[Mapping[str, Any]], key: str) -> list[Row]:
    """For every label the newest row of its key that was known at the label's moment; a label without one has none.

    Args:
        rows: Of the offline store.
        labels: Each with the key and `at`; what else they have stands in the result as `label_…`.
        key: `interaction_id` or `contact_id`.

    Raises:
        ValueError: A label lacks the key or its moment.
    """
    of_key: dict[str, list[tuple[datetime, Row]]] = {}
    for row in rows:
        of_key.setdefault(str(row[key]), []).append((parsed(row[EVENT_TIME_FEATURE]), row))
    for known in of_key.values():
        known.sort(key=lambda pair: pair[0])
    joined = []
    for number, label in enumerate(labels, 1):
        if key not in label or "at" not in label:
            raise ValueError(f"label {number} needs {key} and at")
        known = of_key.get(str(label[key]), [])
        place = bisect_right([moment for moment, _ in known], parsed(str(label["at"])))
        found = known[place - 1][1] if place else {key: label[key]}
        joined.append({**found, **{f"label_{name}": value for name, value in label.items() if name != key}})
    return joined
