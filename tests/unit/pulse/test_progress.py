"""Who stands still, and how far everything was counted."""

from __future__ import annotations

from pulse.domain.progress import Progress, Stand

PLACE = ("support.verdicts", 0)


def test_a_partition_that_waits_without_moving_stands_still() -> None:
    progress = Progress()
    progress.watched({PLACE: Stand(end=10, read=0, given=None)}, 0.0)
    progress.watched({PLACE: Stand(end=12, read=0, given=None)}, 30.0)
    assert progress.stalled_seconds(45.0) == 45.0


def test_reading_on_or_taking_on_is_progress() -> None:
    progress = Progress()
    progress.watched({PLACE: Stand(10, 4, 4)}, 0.0)
    progress.handled(PLACE, 1, 1000)
    progress.watched({PLACE: Stand(10, 4, 4)}, 30.0)
    assert progress.stalled_seconds(40.0) == 10.0


def test_a_marker_behind_the_last_record_is_no_lag() -> None:
    progress = Progress()
    progress.handled(PLACE, 8, 1000)
    progress.watched({PLACE: Stand(end=10, read=10, given=9)}, 0.0)
    assert progress.lag() == {}
    assert progress.watermark_ms(5000) == 5000


def test_what_was_given_out_and_not_taken_holds_the_watermark() -> None:
    progress = Progress()
    progress.handled(PLACE, 3, 1000)
    progress.watched({PLACE: Stand(end=10, read=10, given=10)}, 0.0)
    assert progress.lag() == {PLACE: 6}
    assert progress.watermark_ms(5000) == 1000


def test_a_partition_that_moved_elsewhere_says_nothing_any_more() -> None:
    progress = Progress()
    progress.handled(PLACE, 3, 1000)
    progress.watched({}, 0.0)
    assert progress.lag() == {}
    assert progress.taken == {}
