"""What the soak calls growth: a leak, and nothing that only looks like one."""

from __future__ import annotations

import random

import pytest

from bench.soak.plot import svg
from bench.soak.verdict import MIN_SAMPLES, THRESHOLDS, trend

Points = list[tuple[float, float]]


def samples(per_hour: float, noise: float, minutes: int = 90, start: float = 150.0) -> Points:
    rng = random.Random(7)
    return [
        (at, start + per_hour * at / 3600 + rng.uniform(-noise, noise)) for at in map(float, range(0, minutes * 60, 10))
    ]


def grows(measure: str, points: Points) -> bool:
    found = trend("firewall", measure, points)
    assert found is not None
    return found.grows


@pytest.mark.parametrize("measure", THRESHOLDS)
def test_twice_the_threshold_grows_and_half_of_it_does_not(measure: str) -> None:
    allowed = THRESHOLDS[measure].per_hour
    assert grows(measure, samples(2 * allowed, allowed / 4))
    assert not grows(measure, samples(allowed / 2, allowed / 4))


def test_noise_around_a_level_is_no_growth() -> None:
    assert not grows("rss_mib", samples(0.0, 40.0))


def test_one_step_is_no_growth() -> None:
    points = [(at, value + (30.0 if at > 4_000 else 0.0)) for at, value in samples(0.0, 1.0)]
    assert not grows("rss_mib", points)


def test_outliers_do_not_hide_a_leak() -> None:
    points = samples(40.0, 1.0)
    points[3::50] = [(at, 5.0) for at, _ in points[3::50]]
    assert grows("rss_mib", points)


def test_a_steep_slope_over_a_few_minutes_is_noise_where_the_rise_is_small() -> None:
    assert not grows("rss_mib", samples(30.0, 0.1, minutes=6))


def test_a_short_life_is_not_judged() -> None:
    assert trend("firewall", "files", samples(0.0, 0.0)[: MIN_SAMPLES - 1]) is None


def test_the_picture_has_a_line_for_each_life_and_one_for_each_fault() -> None:
    lives = {"firewall": [[(0.0, 1.0), (10.0, 2.0)], [(20.0, 1.0)]], "agent": [[(0.0, 3.0)]]}
    text = svg({"files": lives}, [(5.0, "kill")], "a <title>")
    assert text.count("<polyline") == 3
    assert "<title>kill</title>" in text
    assert "a &lt;title&gt;" in text
