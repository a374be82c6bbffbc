"""A gap is an alert within five minutes; what the watcher cannot see it says."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from floodgate.events import Summary
from keyflow.errors import FatalError
from prometheus_client import REGISTRY
from pydantic import ValidationError
from structlog.testing import capture_logs
from summarizer.domain.ledger import Grace
from summarizer.ledger_watch import LedgerWatch
from summarizer.settings import LedgerSettings

BEGAN = datetime(2026, 11, 22, 10, tzinfo=UTC)
LOOK_SECONDS = 60


class Message:
    def __init__(self, at: datetime) -> None:
        self._at_ms = int(at.timestamp() * 1000)

    def timestamp(self) -> tuple[int, int]:
        return 1, self._at_ms


class Records:
    """The topics in memory; counts what is read."""

    def __init__(self) -> None:
        self.unreadable = 0
        self.written: list[tuple[str, datetime, Any]] = []
        self.read = 0
        self.is_out = False

    def write(self, topic: str, at: datetime, value: Any) -> None:
        self.written.append((topic, at, value))

    def of(self, topic: str, *, since_ms: int | None = None) -> Iterator[tuple[Any, str, Any]]:
        if self.is_out:
            raise FatalError(f"{topic} cannot be read")
        for place, at, value in self.written:
            if place == topic and at.timestamp() * 1000 >= (since_ms or 0):
                self.read += 1
                yield Message(at), str(value.interaction_id), value


class Clock:
    def __init__(self) -> None:
        self.now = BEGAN

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def records() -> Records:
    return Records()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def watch(records, clock) -> LedgerWatch:
    return LedgerWatch(records, hours=48, grace=Grace(), now=clock, look_seconds=0.001)


def gap(what: str = "interactions") -> float | None:
    return REGISTRY.get_sample_value("floodgate_ledger_gap", {"what": what})


def test_a_summarizer_that_stands_still_is_an_alert_within_five_minutes(records, clock, watch, interaction) -> None:
    lost = interaction(interaction_id=uuid4())
    records.write("support.interactions", BEGAN, lost)
    alerted = None
    with capture_logs() as logs:
        for _ in range(10):
            clock.now += timedelta(seconds=LOOK_SECONDS)
            if watch.look().is_gap:
                alerted = clock.now
                break
    assert alerted is not None
    assert alerted - BEGAN <= timedelta(minutes=5)
    (line,) = [line for line in logs if line["event"] == "ledger.gap"]
    assert (line["log_level"], line["interactions"], line["oldest"]) == ("error", 1, [str(lost.interaction_id)])
    assert gap() == 1
    assert REGISTRY.get_sample_value("floodgate_ledger_oldest_gap_seconds") == (alerted - BEGAN).total_seconds()


def test_a_gap_that_closes_is_told_and_the_figure_goes_back(records, clock, watch, interaction) -> None:
    late = interaction(interaction_id=uuid4())
    records.write("support.interactions", BEGAN, late)
    clock.now += timedelta(minutes=4)
    assert watch.look().is_gap
    record = Summary.model_construct(causation_id=late.event_id, interaction_id=late.interaction_id)
    records.write("support.summaries", clock.now, record)
    clock.now += timedelta(minutes=1)
    with capture_logs() as logs:
        assert not watch.look().is_gap
    assert [line["event"] for line in logs] == ["ledger.closed"]
    assert gap() == 0


def test_a_look_reads_only_what_came_since_the_last(records, clock, watch, interaction) -> None:
    for _ in range(5):
        one = interaction(interaction_id=uuid4(), event_id=uuid4())
        records.write("support.interactions", BEGAN - timedelta(hours=3), one)
    watch.look()
    assert records.read == 5
    clock.now += timedelta(minutes=1)
    watch.look()
    assert records.read == 5


def test_an_object_of_which_nothing_came_is_a_gap(records, clock) -> None:
    watch = LedgerWatch(records, hours=48, grace=Grace(), now=clock, drops=lambda _: [("s3://bucket/a.jsonl", BEGAN)])
    assert not watch.look().is_gap
    clock.now += timedelta(minutes=4)
    assert watch.look().lost == ["s3://bucket/a.jsonl"]
    assert gap("objects") == 1


async def test_a_broker_out_of_reach_later_is_an_error_and_no_end(records, watch) -> None:
    watch.look()
    records.is_out = True
    stop = asyncio.Event()
    with capture_logs() as logs:
        running = asyncio.create_task(watch.run(stop))
        await asyncio.wait([running], timeout=0.2)
        stop.set()
        await running
    assert "ledger.blind" in {line["event"] for line in logs}


async def test_a_broker_out_of_reach_at_the_start_ends_the_process(records, watch) -> None:
    records.is_out = True
    with pytest.raises(FatalError, match="cannot be read"):
        await watch.run(asyncio.Event())


def test_settings_that_would_alert_too_late_are_refused() -> None:
    with pytest.raises(ValidationError, match="the time to an alert"):
        LedgerSettings(grace_seconds=280, look_seconds=60)
