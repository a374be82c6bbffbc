"""A soak whose services give nothing any more ends, and says so."""

from __future__ import annotations

from bench.soak.__main__ import StandStill, table


def test_services_that_give_nothing_for_longer_than_any_fault_stand_still() -> None:
    still = StandStill()
    assert not still.seen(0, 10.0)
    assert not still.seen(40, 70.0)
    assert not still.seen(40, 370.0)
    assert still.seen(40, 371.0)


def test_what_goes_on_after_a_fault_does_not() -> None:
    still = StandStill()
    for minute, outputs in enumerate([0, 10, 10, 10, 11, 11, 11, 30]):
        assert not still.seen(outputs, 60.0 * minute)
    assert not still.found


def test_the_verdict_names_it_with_what_is_left_to_read() -> None:
    result = {"trends": [], "not_judged": [], "stood_still": True, "lag_at_the_end": None}
    assert table(result).splitlines()[-1] == "The services stood still; left to read: Kafka does not say"
    assert "stood still" not in table(result | {"stood_still": False})
