"""The fold: windows close once, late events correct them, and reading a stretch twice changes nothing."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from pulse.domain.log import Count, Tick, read
from pulse.domain.windows import DAY_MS, HOUR_MS, Figure, Windows
from pulse.handlers import whole

NOON = 1_777_896_000_000
CELL = ("sign_in", "en", "PL")


def count(offset: int, at_ms: int, figures: dict[str, int] | None = None, **more: Any) -> Count:
    facts: dict[str, Any] = {"topic": "support.verdicts", "partition": 0, "timestamp_ms": at_ms, "cell": CELL, **more}
    return Count(offset=offset, at_ms=at_ms, figures={"verdicts": 1} if figures is None else figures, **facts)


def tick(now_ms: int, watermark_ms: int | None = None, instance: str = "0") -> Tick:
    return Tick(instance=instance, now_ms=now_ms, watermark_ms=now_ms if watermark_ms is None else watermark_ms)


def minutes(figures: list[Figure]) -> dict[tuple[int, str], tuple[int, int]]:
    return {(each.start_ms, each.name): (each.value, each.revision) for each in figures if each.seconds == 60}


def test_a_window_closes_once_its_grace_is_over() -> None:
    windows = Windows({}, grace_ms=15_000)
    windows.count(count(0, NOON))
    assert minutes(windows.tick(tick(NOON + 74_000), 1)[0]) == {}
    assert minutes(windows.tick(tick(NOON + 75_000), 2)[0]) == {(NOON, "verdicts"): (1, 0)}
    assert minutes(windows.tick(tick(NOON + 76_000), 3)[0]) == {}


def test_a_late_event_corrects_its_window_with_a_higher_revision() -> None:
    windows = Windows({})
    windows.count(count(0, NOON))
    windows.tick(tick(NOON + 80_000), 1)
    windows.count(count(1, NOON + 5_000))
    assert minutes(windows.tick(tick(NOON + 90_000), 3)[0]) == {(NOON, "verdicts"): (2, 1)}


def test_a_window_waits_for_the_partition_that_is_behind() -> None:
    windows = Windows({})
    windows.count(count(0, NOON))
    assert minutes(windows.tick(tick(NOON + HOUR_MS, watermark_ms=NOON + 30_000), 1)[0]) == {}
    assert minutes(windows.tick(tick(NOON + HOUR_MS), 2)[0]) == {(NOON, "verdicts"): (1, 0)}


def test_a_window_waits_for_the_process_that_is_behind() -> None:
    windows = Windows({})
    windows.count(count(0, NOON))
    windows.tick(tick(NOON + 80_000, watermark_ms=NOON, instance="1"), 1)
    assert minutes(windows.tick(tick(NOON + 80_000), 2)[0]) == {}
    # It has not been heard of for a minute: nobody waits for it.
    assert minutes(windows.tick(tick(NOON + 150_000), 3)[0]) == {(NOON, "verdicts"): (1, 0)}


def test_what_comes_too_late_for_its_window_is_counted_as_late() -> None:
    windows = Windows({})
    windows.tick(tick(NOON), 0)
    windows.count(count(1, NOON - 3 * HOUR_MS))
    late = [each for each in windows.tick(tick(NOON + 90_000), 2)[0] if each.name == "late"]
    assert [(each.start_ms, each.seconds, each.cell) for each in late] == [(NOON, 60, ("", "", ""))]


def test_a_tick_that_is_read_again_publishes_the_same_again() -> None:
    store: dict[str, Any] = {}
    windows = Windows(store)
    windows.count(count(0, NOON))
    first = windows.tick(tick(NOON + 80_000), 7)[0]
    again = Windows(store)
    again.restore()
    assert again.tick(tick(NOON + 80_000), 7)[0] == first


Step = tuple[int, int]


@settings(max_examples=60, deadline=None)
@given(
    events=st.lists(st.tuples(st.integers(0, 40), st.integers(0, 3 * 60)), min_size=1, max_size=60),
    cuts=st.lists(st.tuples(st.integers(0, 60), st.integers(0, 30), st.booleans()), max_size=4),
)
def test_closed_windows_equal_a_recount_whatever_is_read_twice(
    events: list[Step], cuts: list[tuple[int, int, bool]]
) -> None:
    """At each cut the process is killed: the table is as it was left, and the log is read again from before."""
    log: list[Count | Tick] = []
    for offset, (partition, seconds) in enumerate(events):
        log.append(count(offset, NOON + seconds * 1000, partition=partition % 3))
        log.append(tick(NOON + offset * 4000))
    log.append(tick(NOON + HOUR_MS + 60_000))
    store: dict[str, Any] = {}
    published: dict[tuple[Any, ...], Figure] = {}

    def run(start: int, end: int) -> None:
        windows = Windows(store)
        windows.restore()
        for offset in range(start, end):
            item = log[offset]
            if isinstance(item, Count):
                windows.count(item)
                continue
            for each in windows.tick(item, offset)[0]:
                place = each.seconds, each.start_ms, each.cell, each.name
                if place not in published or each.revision >= published[place].revision:
                    published[place] = each

    at = 0
    for length, back, lost in cuts:
        start, end, kept = at, min(at + length, len(log)), dict(published)
        run(start, end)
        if lost:
            # What was published did not arrive, though what was changed in the table did.
            published.clear()
            published.update(kept)
        at = start if lost else max(start, end - back)
    run(at, len(log))
    sums: dict[int, int] = {}
    for _, seconds in events:
        start = NOON + seconds * 1000 // 60_000 * 60_000
        sums[start] = sums.get(start, 0) + 1
    found = {each.start_ms: each.value for each in published.values() if each.seconds == 60 and each.name == "verdicts"}
    assert found == sums


def test_the_first_dead_letter_of_a_group_is_told_and_the_next_ones_are_not() -> None:
    letter = ("firewall", "poison", "ValueError", "1")
    store: dict[str, Any] = {}
    windows = Windows(store)
    first = windows.count(count(0, NOON, letter=letter))
    assert [alert.name for alert in first] == ["dead_letters.first"]
    assert windows.count(count(1, NOON + 1000, letter=letter)) == []
    assert windows.count(count(2, NOON, letter=("agent", "poison", "ValueError", "1"))) != []
    # Read again after a crash, it is the same alert; a day later it is another.
    assert Windows(store).count(count(0, NOON, letter=letter)) == first
    assert windows.count(count(3, NOON + 2 * DAY_MS, letter=letter)) != []


def test_an_interaction_without_a_record_is_a_gap_and_one_with_is_none() -> None:
    windows = Windows({}, gap_ms=60_000)
    windows.count(count(0, NOON, {"interactions": 1}, opens="a"))
    windows.count(count(1, NOON, {"interactions": 1}, opens="b"))
    windows.count(count(2, NOON, {"summaries": 1}, closes="b"))
    assert windows.tick(tick(NOON + 59_000), 3)[1] == []
    (gap,) = windows.tick(tick(NOON + 61_000), 4)[1]
    assert (gap.name, gap.value) == ("completeness.gap", 1.0)
    assert windows.tick(tick(NOON + 62_000), 5)[1] == []


def test_a_record_that_is_counted_before_its_interaction_closes_it_all_the_same() -> None:
    windows = Windows({}, gap_ms=60_000)
    windows.count(count(0, NOON, closes="a"))
    windows.count(count(1, NOON, opens="a"))
    assert windows.tick(tick(NOON + HOUR_MS), 2)[1] == []


def test_an_hour_far_beyond_the_same_hour_of_earlier_days_is_a_surge() -> None:
    windows = Windows({})
    offset = 0
    for day in range(5):
        for minute in range(4):
            windows.count(count(offset, NOON + day * DAY_MS + minute * 60_000, {"verdicts.urgent": 1}))
            offset += 1
        assert windows.tick(tick(NOON + day * DAY_MS + 2 * HOUR_MS), offset)[1] == []
        offset += 1
    today = NOON + 5 * DAY_MS
    for second in range(30):
        windows.count(count(offset, today + second * 1000, {"verdicts.urgent": 1}))
        offset += 1
    alerts = windows.tick(tick(today + 40_000), offset)[1]
    assert {(alert.name, alert.dimensions.get("category")) for alert in alerts} == {
        ("surge.verdicts.urgent", None),
        ("surge.verdicts.urgent", "sign_in"),
    }
    assert "usual for this hour is 4 (of 5 days)" in alerts[0].text
    assert windows.tick(tick(today + 50_000), offset + 1)[1] == []


def test_old_windows_are_forgotten() -> None:
    store: dict[str, Any] = {}
    windows = Windows(store)
    windows.count(count(0, NOON))
    windows.tick(tick(NOON + 2 * HOUR_MS), 1)
    windows.tick(tick(NOON + 60 * HOUR_MS), 2)
    assert [key for key in store if key.startswith("w\x1f")] == []


def test_what_stands_on_the_log_reads_back() -> None:
    for item in (count(3, NOON, letter=("a", "b", "c", "d")), tick(NOON)):
        assert read(whole(item)) == item
