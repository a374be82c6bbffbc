"""Reading the services' own figures."""

from __future__ import annotations

from floodgate_demo.figures import counter_value, histogram_percentiles
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest


def exposition() -> str:
    registry = CollectorRegistry()
    times = Histogram("work_seconds", "Time.", ["channel"], buckets=(0.1, 0.2, 0.4), registry=registry)
    for seconds in (0.05, 0.15, 0.15, 0.15):
        times.labels("a").observe(seconds)
    for _ in range(4):
        times.labels("b").observe(0.3)
    failures = Counter("failures", "Failures.", ["kind"], registry=registry)
    failures.labels("x").inc(2)
    failures.labels("y").inc(3)
    return generate_latest(registry).decode()


def test_percentiles_are_interpolated_within_their_bucket_over_all_labels() -> None:
    assert histogram_percentiles(exposition(), "work_seconds") == {"n": 8, "p50": 200, "p95": 380}


def test_what_was_never_observed_has_no_percentiles() -> None:
    assert histogram_percentiles(exposition(), "other_seconds") is None


def test_a_counter_is_summed_over_its_labels() -> None:
    assert counter_value(exposition(), "failures_total") == 5
    assert counter_value("", "failures_total") == 0
