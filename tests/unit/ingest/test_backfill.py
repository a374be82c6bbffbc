"""Old interactions beside live traffic: in steps, from where it stopped, within a budget, slower under a backlog."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Coroutine
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from floodgate.bedrock import ModelPrice
from hypothesis import given
from hypothesis import strategies as st
from ingest.adapters.backfill_sources import Folder
from ingest.backfill import Backfill, End, Progress, StandingFile
from ingest.domain.backfill import Pace, estimate, text_characters, usd_of
from ingest.edge import EdgeWriter
from ingest.intake import LineIntake
from ingest_fakes import FakeSink, clock
from ingest_samples import PSEUDONYMS
from keyflow.errors import FatalError, RetryableError
from support.virtual_time import VirtualLoop

PRICE = ModelPrice(input=0.06, output=0.24)
FAST = 1e9


class KilledError(Exception):
    """The process is gone."""


class FakeBacklog:
    """Says what it is told to."""

    def __init__(self, *said: int) -> None:
        self.said = list(said) or [0]
        self.asked = 0

    async def waiting(self) -> int:
        self.asked += 1
        return self.said[min(self.asked, len(self.said)) - 1]


def line(number: int, text: str = "Where are my tickets?") -> str:
    return json.dumps({"interaction_id": str(UUID(int=number)), "turns": [{"role": "customer", "text": text}]})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two files, one of them packed and below another folder: 120 and 30 interactions."""
    root = tmp_path / "drops"
    (root / "2025").mkdir(parents=True)
    (root / "a.jsonl").write_text("\n".join(line(n) for n in range(120)), encoding="utf-8")
    (root / "2025" / "b.jsonl.gz").write_bytes(gzip.compress("\n".join(line(n) for n in range(200, 230)).encode()))
    (root / "readme.txt").write_text("not a drop", encoding="utf-8")
    return root


def job(folder: Path, sink: Any, tmp_path: Path, **changes: Any) -> Backfill:
    intake = LineIntake(EdgeWriter(sink, "file"), PSEUDONYMS, clock, source="file", takes_conversations=False)
    options = {"pace": Pace(200, FAST, FAST), "price": PRICE, **changes}
    backlog = options.pop("backlog", FakeBacklog())
    return Backfill(Folder(folder), intake, backlog, StandingFile(tmp_path / "state.json", str(folder)), **options)


def ids(sink: FakeSink) -> list[int]:
    return [event.interaction_id.int for event in sink.on("support.interactions")]


EVERYTHING = sorted([*range(120), *range(200, 230)])


async def test_every_line_of_every_document_comes_in_once(folder, tmp_path) -> None:
    sink = FakeSink()
    end, standing = await job(folder, sink, tmp_path).run(asyncio.Event())
    assert (end, standing.interactions, standing.dead_letters) == (End.DONE, 150, 0)
    assert sorted(ids(sink)) == EVERYTHING
    origins = {event.origin for event in sink.on("support.interactions")}
    assert {"file:a.jsonl:1", "file:2025/b.jsonl.gz:30"} <= origins


async def test_a_second_run_goes_on_where_the_first_stopped(folder, tmp_path) -> None:
    sink, stop = FakeSink(), asyncio.Event()

    def stop_early(progress: Progress) -> None:
        if progress.standing.interactions >= 80:
            stop.set()

    end, _ = await job(folder, sink, tmp_path, tell=stop_early).run(stop)
    assert end is End.STOPPED
    assert 80 <= len(ids(sink)) < 150
    end, standing = await job(folder, sink, tmp_path).run(asyncio.Event())
    assert (end, standing.interactions) == (End.DONE, 150)
    assert sorted(ids(sink)) == EVERYTHING
    await job(folder, sink, tmp_path).run(asyncio.Event())
    assert len(ids(sink)) == 150


async def test_killed_before_its_place_was_kept_it_repeats_a_chunk_under_the_same_ids(folder, tmp_path) -> None:
    sink = FakeSink()

    class Killed(StandingFile):
        def save(self, standing: Any) -> None:
            if standing.interactions == 80:
                raise KilledError
            super().save(standing)

    first = job(folder, sink, tmp_path)
    first._kept = Killed(tmp_path / "state.json", str(folder))
    with pytest.raises(KilledError):
        await first.run(asyncio.Event())
    await job(folder, sink, tmp_path).run(asyncio.Event())
    assert len(ids(sink)) > 150
    assert sorted(set(ids(sink))) == EVERYTHING
    assert len({event.event_id for event in sink.on("support.interactions")}) == 150


async def test_it_stops_before_the_budget_is_passed_and_a_larger_one_goes_on(folder, tmp_path) -> None:
    sink = FakeSink()
    budget = 60 * usd_of(21, PRICE)
    end, standing = await job(folder, sink, tmp_path, budget_usd=budget).run(asyncio.Event())
    assert end is End.BUDGET
    assert 0 < standing.usd <= budget
    assert 0 < len(ids(sink)) <= 60
    end, _ = await job(folder, sink, tmp_path, budget_usd=10 * budget).run(asyncio.Event())
    assert end is End.DONE
    assert sorted(ids(sink)) == EVERYTHING


async def test_a_line_that_cannot_be_read_is_a_dead_letter(folder, tmp_path) -> None:
    (folder / "a.jsonl").write_text(f"{line(1)}\nno json\n{line(2)}\n", encoding="utf-8")
    (folder / "2025" / "b.jsonl.gz").write_bytes(b"\x1f\x8bdamaged")
    sink = FakeSink()
    _, standing = await job(folder, sink, tmp_path).run(asyncio.Event())
    assert (standing.interactions, standing.dead_letters) == (2, 2)
    assert {letter.origin_topic for letter in sink.dead_letters} == {"file:a.jsonl", "file:2025/b.jsonl.gz"}


async def test_kafka_that_is_out_for_a_moment_is_tried_again(folder, tmp_path, monkeypatch) -> None:
    sink, waits = FakeSink(), []

    async def no_sleep(seconds: float) -> None:
        waits.append(seconds)

    real, failures = sink.send, iter([True, True, False])

    async def send(*args: Any, **more: Any) -> None:
        if next(failures, False):
            raise RetryableError("Kafka is out")
        await real(*args, **more)

    monkeypatch.setattr(sink, "send", send)
    monkeypatch.setattr("ingest.backfill.asyncio.sleep", no_sleep)
    _, standing = await job(folder, sink, tmp_path).run(asyncio.Event())
    assert standing.interactions == 150
    assert set(ids(sink)) == set(EVERYTHING)
    assert waits


def in_virtual_time(job: Coroutine[Any, Any, float]) -> float:
    loop = VirtualLoop()
    try:
        return loop.run_until_complete(job)
    finally:
        loop.end()


def test_under_a_backlog_it_stands_still_until_that_is_gone(folder, tmp_path) -> None:
    sink = FakeSink()
    backlog = FakeBacklog(5_000, 5_000, 5_000, 0)
    seen: list[int] = []

    async def run() -> float:
        began = asyncio.get_running_loop().time()
        at: list[float] = []

        def tell(progress: Progress) -> None:
            seen.append(progress.backlog)
            at.append(asyncio.get_running_loop().time() - began)

        pace = Pace(200, FAST, FAST)
        await job(folder, sink, tmp_path, backlog=backlog, pace=pace, tell=tell).run(asyncio.Event())
        return at[0]

    first_write_seconds = in_virtual_time(run())
    assert first_write_seconds >= 2.0
    assert max(seen) <= 400
    assert sorted(ids(sink)) == EVERYTHING


def test_it_keeps_to_its_rate(folder, tmp_path) -> None:
    async def run() -> float:
        began = asyncio.get_running_loop().time()
        await job(folder, FakeSink(), tmp_path, pace=Pace(200, ceiling=10.0, per_second=10.0)).run(asyncio.Event())
        return asyncio.get_running_loop().time() - began

    assert in_virtual_time(run()) >= 150 / 10


@given(st.lists(st.integers(0, 2_000), max_size=40))
def test_the_pace_stays_within_its_bounds_whatever_it_sees(backlogs) -> None:
    pace = Pace(200, ceiling=50.0)
    for backlog in backlogs:
        before = pace.per_second
        pace.seen(backlog, 1.0)
        assert 1.0 <= pace.per_second <= 50.0
        assert (pace.per_second < before) <= (backlog > 200)


async def test_the_estimate_comes_close_to_what_a_run_counts(folder, tmp_path) -> None:
    found = await job(folder, FakeSink(), tmp_path).estimated()
    assert (found.documents, found.lines) == (2, 150)
    _, standing = await job(folder, FakeSink(), tmp_path).run(asyncio.Event())
    assert found.usd == pytest.approx(standing.usd)


async def test_the_estimate_of_large_documents_comes_from_their_first_lines(folder, tmp_path) -> None:
    for name, pack in (("big.jsonl", bytes), ("big.jsonl.gz", gzip.compress)):
        for old in folder.rglob("*.*"):
            old.unlink()
        lines = "\n".join(line(n, f"Where are my tickets of order {n * 7919 % 9973}?") for n in range(2_000))
        (folder / name).write_bytes(pack(lines.encode()))
        found = await job(folder, FakeSink(), tmp_path).estimated()
        assert found.lines == pytest.approx(2_000, rel=0.2)


def test_nothing_to_sample_costs_nothing() -> None:
    assert estimate([], [], PRICE).usd == 0.0
    assert text_characters(b"no json") == 7


async def test_an_empty_folder_and_a_place_of_another_source_are_refused(folder, tmp_path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(FatalError, match="no document is there"):
        await job(tmp_path / "empty", FakeSink(), tmp_path).estimated()
    await job(folder, FakeSink(), tmp_path).run(asyncio.Event())
    with pytest.raises(FatalError, match="name another file with --state"):
        await job(tmp_path / "empty", FakeSink(), tmp_path).run(asyncio.Event())
    (tmp_path / "state.json").write_text("{", encoding="utf-8")
    with pytest.raises(FatalError, match="cannot be read"):
        await job(folder, FakeSink(), tmp_path).run(asyncio.Event())
