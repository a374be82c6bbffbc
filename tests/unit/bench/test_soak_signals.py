"""The first signal ends a soak with its verdict, the second one at once."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from bench.soak.__main__ import ended_by_signal


@pytest.fixture(autouse=True)
def handlers_are_put_back() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_is_judged_after_the_first_and_left_at_the_second(number: signal.Signals) -> None:
    ended = ended_by_signal()
    assert not ended.is_set()
    signal.raise_signal(number)
    assert ended.is_set()
    with pytest.raises(SystemExit) as told:
        signal.raise_signal(number)
    assert told.value.code == 128 + number
