"""The simulation behind the sizes does what the engine was measured to do."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any, Final

import pytest
from floodgate.sizing import STAGES, Arrival, Load, Stage, conversations, partitions_for, simulate, size

ROOT: Final = Path(__file__).parents[3]
FIREWALL: Final = next(stage for stage in STAGES if stage.name == "firewall")


def bench_data() -> Any:
    spec = importlib.util.spec_from_file_location("bench_engine_data", ROOT / "bench/engine/data.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module.Data


@pytest.mark.parametrize(("in_flight", "measured"), [(256, 1_784), (1_024, 2_225)])
def test_the_engines_measured_rates_are_met_within_four_percent(in_flight: int, measured: float) -> None:
    # docs/engine.md, model-bound; the same 20,000 records with the same latencies, all there at once.
    arrivals: list[Arrival] = [(0.0, key, seconds) for _, key, seconds in bench_data().made(20_000).rows]
    done = simulate(arrivals, processes=1, partitions=1, in_flight=in_flight)
    assert done.rate == pytest.approx(measured, rel=0.04)
    assert done.most_in_flight == in_flight


def test_one_key_is_handled_one_record_after_the_other() -> None:
    done = simulate([(0.0, "a", 1.0)] * 5, processes=2, partitions=6, in_flight=100)
    assert list(done.waits) == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert done.most_in_flight == 1


def test_a_full_process_makes_others_wait_and_a_second_one_does_not() -> None:
    arrivals: list[Arrival] = [(0.0, f"key-{n}", 1.0) for n in range(200)]
    alone = simulate(arrivals, processes=1, partitions=6, in_flight=50)
    both = simulate(arrivals, processes=2, partitions=6, in_flight=50)
    assert alone.most_in_flight == 50
    assert both.most_in_flight == 100
    assert max(alone.waits) == pytest.approx(3.0)
    assert max(both.waits) < max(alone.waits)


def test_arrivals_come_at_the_rate_asked_for_in_conversations() -> None:
    arrivals = conversations(50.0, 400.0, FIREWALL)
    assert len(arrivals) / 400.0 == pytest.approx(50.0, rel=0.1)
    assert 2 < len(arrivals) / len({key for _, key, _ in arrivals}) < 3.5


def test_in_flight_follows_from_rate_and_latency() -> None:
    # Little: 50 a second that take 1.4 s each on average are 70 at once.
    steady = Stage("even", 1.0, 1.4, 1.4001, 0.001)
    done = simulate(conversations(50.0, 300.0, steady), processes=1, partitions=6, in_flight=1_000)
    assert 70 * 0.9 < done.most_in_flight < 70 * 1.7


def test_a_small_site_needs_one_process_of_each() -> None:
    assert {each.processes for each in size(Load(30_000))} == {1}


def test_too_little_in_flight_takes_more_processes() -> None:
    load = Load(10 * 30 * 86_400, peak_factor=1.0, in_flight=8)
    (sized,) = size(load, [FIREWALL])
    assert sized.processes > 1
    assert sized.processes * 8 >= sized.in_flight


def test_partitions_leave_room_for_twice_the_processes() -> None:
    assert [partitions_for(count) for count in (1, 3, 4, 11, 13)] == [6, 6, 12, 24, 48]
