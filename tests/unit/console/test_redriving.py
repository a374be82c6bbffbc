"""Many letters go back at a steady rate, each once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID, uuid5

from console.redriving import RedriveJobs
from floodgate.deadletters import Decision, Redriven
from floodgate.events import DeadLetter
from keyflow.errors import FatalError

SPACE = UUID(int=7)


def letter(number: int) -> DeadLetter:
    return DeadLetter(
        event_id=uuid5(SPACE, str(number)),
        occurred_at=datetime(2026, 3, 2, tzinfo=UTC),
        service="summarizer",
        origin_topic="support.interactions",
        origin_partition=0,
        origin_offset=number,
        error_class="poison",
        reason="no turn",
        attempts=1,
    )


class Desk:
    """Keeps a ledger, as the real one does."""

    def __init__(self, count: int, fails_after: int | None = None) -> None:
        self.all = [letter(number) for number in range(count)]
        self.ledger: list[str] = []
        self.fails_after = fails_after

    def letters(self, wanted: Sequence[str]) -> list[DeadLetter]:
        return [found for found in self.all if str(found.event_id) in set(wanted)]

    def redrive(
        self, letters: Sequence[DeadLetter], *, actor: str, reason: str, corrected: bytes | None = None
    ) -> Redriven:
        sent, kept = [], []
        for found in letters:
            name = str(found.event_id)
            if self.fails_after is not None and len(self.ledger) >= self.fails_after:
                raise FatalError("another redrive runs")
            (kept if name in self.ledger else sent).append(Decision(found, "topic", "went before"))
            if name not in self.ledger:
                self.ledger.append(name)
        return Redriven(tuple(sent), tuple(kept))


def names(desk: Desk) -> list[str]:
    return [str(found.event_id) for found in desk.all]


async def test_all_go_back_in_order_and_slowly() -> None:
    desk, pauses = Desk(100), []
    jobs = RedriveJobs(desk, per_second=10, pause=pauses.append)
    job = jobs.order(names(desk), "summarizer", "mila", "fixed")
    await jobs.work(job, asyncio.Event())
    assert (job.state, job.sent, job.kept) == ("done", 100, 0)
    assert desk.ledger == names(desk)
    assert sum(pauses) >= 100 / 10 - 2  # the last chunk is not waited for


async def test_a_job_that_failed_is_repeated_without_sending_anything_twice() -> None:
    desk = Desk(50, fails_after=20)
    jobs = RedriveJobs(desk, per_second=5, pause=lambda _: None)
    job = jobs.order(names(desk), "summarizer", "mila", "fixed")
    await jobs.work(job, asyncio.Event())
    assert (job.state, job.problem) == ("failed", "another redrive runs")
    desk.fails_after = None
    again = jobs.order(names(desk), "summarizer", "mila", "fixed")
    await jobs.work(again, asyncio.Event())
    assert (again.sent, again.kept) == (30, 20)
    assert desk.ledger == names(desk)


async def test_a_stop_leaves_a_job_between_two_chunks() -> None:
    desk, stop = Desk(30), asyncio.Event()
    jobs = RedriveJobs(desk, per_second=5, pause=lambda _: stop.set())
    job = jobs.order(names(desk), "summarizer", "mila", "fixed")
    await jobs.work(job, stop)
    assert job.state == "stopped"
    assert len(desk.ledger) == 10


async def test_a_letter_that_is_named_twice_is_one() -> None:
    desk = Desk(2)
    job = RedriveJobs(desk, per_second=5).order(names(desk) * 2, "summarizer", "mila", "fixed")
    assert job.total == 2
