"""A soak whose services give nothing any more ends, and says so."""

from __future__ import annotations

from typing import Any

import pytest

from bench.soak.__main__ import StandStill, failed, table


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


RESULT = {
    "trends": [{"grows": False}],
    "not_judged": [],
    "stood_still": False,
    "ends_nobody_asked_for": [],
    "left_over": {},
    "drained_seconds": 7.2,
}


@pytest.mark.parametrize(
    "broken",
    [
        {"stood_still": True},
        {"left_over": {"delivery": 72_543}},
        {"left_over": None},
        {"not_judged": ["agent"]},
        {"ends_nobody_asked_for": ["agent-0 exited with 1"]},
        {"trends": [{"grows": True}]},
    ],
)
def test_each_shortcoming_alone_fails_a_run(broken: dict[str, Any]) -> None:
    assert not failed(RESULT)
    assert failed(RESULT | broken)


def test_the_verdict_names_what_stood_still_and_what_is_left() -> None:
    result = RESULT | {"trends": [], "stood_still": True, "left_over": {"delivery": 7}}
    result["ends_nobody_asked_for"] = ["agent-0 exited with 1"]
    assert table(result).splitlines()[-3:] == [
        "The services stood still",
        "Nobody asked for: agent-0 exited with 1",
        "{'delivery': 7} is left to read 7 s after the last message",
    ]
    assert table(RESULT | {"trends": []}).splitlines()[-1] == "nothing is left to read 7 s after the last message"
    assert "Kafka does not say" in table(RESULT | {"trends": [], "left_over": None})
