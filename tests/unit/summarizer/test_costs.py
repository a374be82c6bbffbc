"""What a record costs: the waterfall, the breakdown, the alarm."""

from __future__ import annotations

import pytest
from floodgate.bedrock.prices import ModelPrice
from floodgate.events import ModelUsage, Summary
from summarizer.domain.costs import Size, breakdown, has_drifted, outlook, steps

CACHES = ModelPrice(input=1.0, output=4.0, cache_read=0.1, cache_write=1.25, cache_minimum=1000)
SIZES = [Size(1500, 500, 100), Size(1500, 700, 100)]


def test_every_step_costs_what_the_price_table_says() -> None:
    found = steps(SIZES, CACHES, per_month=1_000_000)
    assert found.prompt == pytest.approx((1500 + 600 + 100 * 4) / 1e6)
    assert found.naive == pytest.approx((4 * 2100 + 100 * 4) / 1e6)
    misses = 30.44 * 86_400 / 300 / 1_000_000
    assert found.caching == pytest.approx((600 + 400 + 1500 * (misses * 1.25 + (1 - misses) * 0.1)) / 1e6)
    assert found.batch == pytest.approx(found.prompt / 2)
    assert 0 < found.caching_saves < 1


def test_a_prefix_below_the_minimum_saves_nothing() -> None:
    short = [Size(900, 600, 100)]
    found = steps(short, CACHES, per_month=1_000_000)
    assert (found.caching, found.caching_saves) == (found.prompt, 0.0)


def test_with_rare_interactions_caching_never_costs_more() -> None:
    found = steps(SIZES, CACHES, per_month=10)
    assert found.caching == found.prompt


async def test_costs_are_broken_down(handler, model, record, interaction, answer, tools) -> None:
    model.answers = [answer()]
    summary = (await handler.handle(record(interaction()), None, tools)).events[0].value
    other = summary.model_copy(update={"language": "nl"})
    found = breakdown([summary, summary, other], "language")
    assert {name: group.records for name, group in found.items()} == {"en": 2, "nl": 1}
    assert found["en"].usd_each == pytest.approx(0.00012)
    assert set(breakdown([summary], "cache")) == {"read"}
    batched = summary.model_copy(update={"usage": summary.usage.model_copy(update={"mode": "batch"})})
    assert {name: group.records for name, group in breakdown([summary, batched], "mode").items()} == {
        "batch": 1,
        "online": 1,
    }
    assert set(breakdown([summary], "prompt")) == {"summarize@2"}


def test_only_a_real_rise_is_an_alarm() -> None:
    assert has_drifted(0.00013, 0.0001, 0.2)
    assert not has_drifted(0.00011, 0.0001, 0.2)
    assert not has_drifted(0.5, 0.0, 0.2)


DAY_MS = 86_400_000
NOW_MS = 400 * DAY_MS


def spent(usd: float, days_ago: float):
    usage = ModelUsage.model_construct(cost_usd=usd)
    return Summary.model_construct(usage=usage), NOW_MS - int(days_ago * DAY_MS)


def test_the_last_days_are_held_against_those_before_and_give_the_forecast() -> None:
    records = [spent(0.0002, 1 + n / 100) for n in range(70)] + [spent(0.0001, 10 + n / 100) for n in range(60)]
    records += [spent(9.0, 60)]
    found = outlook(records, now_ms=NOW_MS, days=7, reference_days=28)
    assert (found.records, found.usd_each, found.usd_each_before) == (70, pytest.approx(0.0002), pytest.approx(0.0001))
    assert found.per_month == pytest.approx(70 / 7 * 30.44)
    assert found.usd_a_month == pytest.approx(70 / 7 * 30.44 * 0.0002)


def test_a_young_topic_tells_the_rate_of_the_time_that_it_covers() -> None:
    found = outlook([spent(0.0002, 0.5), spent(0.0002, 0.1)], now_ms=NOW_MS, days=7, reference_days=28)
    assert found.usd_each_before is None
    assert found.per_month == pytest.approx(2 / 0.5 * 30.44)
    assert outlook([], now_ms=NOW_MS, days=7, reference_days=28).usd_a_month == 0.0
