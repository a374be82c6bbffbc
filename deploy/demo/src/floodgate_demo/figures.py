"""What the services say of themselves, read from their Prometheus endpoints."""

from __future__ import annotations

from collections import defaultdict

from prometheus_client.parser import text_string_to_metric_families


def counter_value(exposition: str, name: str) -> int:
    """The sum of a counter over all its labels; 0 when there is no such counter."""
    return round(sum(value for sample, _, value in _samples(exposition) if sample == name))


def histogram_percentiles(exposition: str, name: str) -> dict[str, int] | None:
    """n, p50 and p95 in milliseconds of a histogram in seconds, over all its labels; None when it holds nothing.

    Within a bucket the values are taken to lie evenly, as Prometheus' own `histogram_quantile` does.
    """
    counts: dict[float, float] = defaultdict(float)
    for sample, labels, value in _samples(exposition):
        if sample == f"{name}_bucket":
            counts[float(labels["le"])] += value
    buckets = sorted(counts.items())
    if not buckets or buckets[-1][1] == 0:
        return None
    return {
        "n": round(buckets[-1][1]),
        "p50": _quantile_ms(buckets, 0.50),
        "p95": _quantile_ms(buckets, 0.95),
    }


def _samples(exposition: str) -> list[tuple[str, dict[str, str], float]]:
    return [
        (sample.name, sample.labels, sample.value)
        for family in text_string_to_metric_families(exposition)
        for sample in family.samples
    ]


def _quantile_ms(buckets: list[tuple[float, float]], share: float) -> int:
    rank = share * buckets[-1][1]
    lower, below = 0.0, 0.0
    for upper, count in buckets:
        if count >= rank:
            if upper == float("inf"):
                return round(lower * 1000)
            inside = (rank - below) / (count - below) if count > below else 1.0
            return round((lower + (upper - lower) * inside) * 1000)
        lower, below = upper, count
    return round(lower * 1000)
