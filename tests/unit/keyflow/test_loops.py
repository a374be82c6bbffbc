"""How often Python switches threads and collects garbage: what the process had set comes back in the end."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator

import pytest
from keyflow.loops import collecting_seldom, threads_switching_often
from support.crash_lab import Lab

_PYTHONS = 0.005


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(_PYTHONS)
    yield
    sys.setswitchinterval(before)


def _shown() -> float:
    return round(sys.getswitchinterval(), 6)


def test_threads_switch_often_while_an_engine_runs_and_no_longer_when_it_has_stopped() -> None:
    lab = Lab()
    with lab.open():
        process = lab.start()
        lab.pass_time(1.0)
        assert _shown() == 0.001
        assert lab.stop(process) is None
        assert _shown() == _PYTHONS


def test_a_process_that_wants_them_oftener_keeps_its_interval() -> None:
    sys.setswitchinterval(0.0005)
    with threads_switching_often():
        assert _shown() == 0.0005
    assert _shown() == 0.0005


def test_engines_that_overlap_leave_nothing_behind_in_whatever_order_they_end() -> None:
    first, second = threads_switching_often(), threads_switching_often()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert _shown() == 0.001
    second.__exit__(None, None, None)
    assert _shown() == _PYTHONS


def test_an_engine_that_fails_restores_it_too() -> None:
    with pytest.raises(RuntimeError), threads_switching_often():
        raise RuntimeError
    assert _shown() == _PYTHONS


def test_garbage_is_collected_seldom_where_the_application_asks_for_it_and_as_before_afterwards() -> None:
    before = gc.get_threshold()
    with collecting_seldom():
        assert gc.get_threshold()[0] == 50_000
    assert gc.get_threshold() == before
    with pytest.raises(RuntimeError), collecting_seldom():
        raise RuntimeError
    assert gc.get_threshold() == before


def test_an_engine_leaves_the_collector_to_the_application() -> None:
    before = gc.get_threshold()
    lab = Lab()
    with lab.open():
        process = lab.start()
        lab.pass_time(1.0)
        assert gc.get_threshold() == before
        assert lab.stop(process) is None
