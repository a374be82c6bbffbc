"""Brings old interactions in beside live traffic: the same lines as drops, slower, and from where it stopped."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final, Protocol

from floodgate.bedrock import ModelPrice
from keyflow.errors import FatalError, PoisonMessageError, RetryableError

from ingest.domain.backfill import Estimate, Pace, Standing, estimate, text_characters, usd_of
from ingest.domain.lines import Line
from ingest.intake import Intake, LineIntake

_SAMPLED_DOCUMENTS: Final = 20
_LOOK_SECONDS: Final = 1.0
_STANDING_SECONDS: Final = 0.5
_MOST_AT_ONCE: Final = 50
_TRIES: Final = 5


class End(StrEnum):
    """How a run ended."""

    DONE = "done"
    BUDGET = "budget"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Document:
    """A document of lines; `name` is what dead letters call it."""

    name: str
    size_bytes: int


class Source(Protocol):
    """Where documents are."""

    async def documents(self) -> list[Document]:
        """All of them, in order."""
        ...

    def batches(self, document: Document) -> AsyncGenerator[Sequence[Line], None]:
        """The lines of one."""
        ...


class Backlog(Protocol):
    """How many interactions wait for the summarizer."""

    async def waiting(self) -> int: ...


@dataclass
class Progress:
    """What a run tells while it runs."""

    standing: Standing
    per_second: float
    backlog: int


class StandingFile:
    """Keeps where a backfill stands.

    Args:
        path: The file; its folder is made.
        source: What is brought in: another one's file is refused.
    """

    def __init__(self, path: Path, source: str) -> None:
        self._path = path
        self._source = source

    def load(self) -> Standing:
        """Where the last run stopped.

        Raises:
            FatalError: The file is of another source, or cannot be read.
        """
        remedy = "name another file with --state, or remove it to begin anew"
        try:
            found = Standing.of(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return Standing(self._source)
        except (OSError, ValueError) as error:
            raise FatalError(f"{self._path}: cannot be read ({type(error).__name__}); {remedy}") from error
        if found.source != self._source:
            raise FatalError(f"{self._path}: is of {found.source}; {remedy}")
        return found

    def save(self, standing: Standing) -> None:
        """Keeps it: wholly or not at all.

        Raises:
            FatalError: It cannot be written.
        """
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            beside = self._path.with_suffix(".part")
            beside.write_text(standing.text(), encoding="utf-8")
            beside.replace(self._path)
        except OSError as error:
            raise FatalError(f"{self._path}: {error.strerror}; name another file with --state") from error


class Backfill:
    """One run.

    A chunk of lines is written, then its place is kept: killed between the two, the next run writes the chunk again
    under the same event ids, of which the summarizer takes one.

    Args:
        source: The documents.
        intake: Writes lines as drops are written.
        backlog: Watched, so that live traffic keeps its latency.
        kept: Where the run's place is kept.
        pace: How fast it may go.
        price: Of the model that will be asked.
        budget_usd: Estimated cost, earlier runs included, at which it stops; None: no limit.
        tell: Called after every chunk.
    """

    def __init__(
        self,
        source: Source,
        intake: LineIntake,
        backlog: Backlog,
        kept: StandingFile,
        *,
        pace: Pace,
        price: ModelPrice,
        budget_usd: float | None = None,
        tell: Callable[[Progress], None] = lambda _: None,
    ) -> None:
        self._source = source
        self._intake = intake
        self._backlog = backlog
        self._kept = kept
        self._pace = pace
        self._price = price
        self._budget_usd = budget_usd
        self._tell = tell
        self._waiting = 0
        self._looked_at = float("-inf")

    async def estimated(self) -> Estimate:
        """What the documents that are not done cost, by a sample of them.

        Raises:
            FatalError: There are none at all.
        """
        standing = self._kept.load()
        found = await self._source.documents()
        if not found:
            raise FatalError(f"{standing.source}: no document is there; name a folder or prefix with *.jsonl or *.gz")
        left = [document for document in found if document.name not in set(standing.done)]
        step = max(len(left) // _SAMPLED_DOCUMENTS, 1)
        samples = [await self._sample(document) for document in left[::step][:_SAMPLED_DOCUMENTS]]
        return estimate([document.size_bytes for document in left], samples, self._price)

    async def _sample(self, document: Document) -> tuple[int, list[bytes]]:
        """The first lines of a document, and how many bytes of it they take as it is stored."""
        lines: list[bytes] = []
        is_whole = True
        try:
            async with aclosing(self._source.batches(document)) as batches:
                async for batch in batches:
                    if lines:
                        is_whole = False
                        break
                    lines = [line.data for line in batch]
        except PoisonMessageError:
            return document.size_bytes, lines
        data = b"\n".join(lines)
        stored = gzip.compress(data) if document.name.endswith(".gz") else data
        return document.size_bytes if is_whole else len(stored), lines

    async def run(self, stop: asyncio.Event) -> tuple[End, Standing]:
        """Brings in what is left.

        Raises:
            RetryableError: Kafka or the source failed again and again; what was written is kept.
        """
        standing = self._kept.load()
        done = set(standing.done)
        for document in await self._source.documents():
            if document.name in done:
                continue
            end = await self._document(document, standing, stop)
            if end is not End.DONE:
                return end, standing
            standing.finished(document.name)
            self._kept.save(standing)
        return End.DONE, standing

    async def _document(self, document: Document, standing: Standing, stop: asyncio.Event) -> End:
        written = standing.lines.get(document.name, 0)
        try:
            async for lines in self._source.batches(document):
                fresh = [line for line in lines if line.number > written]
                for start in range(0, len(fresh), _MOST_AT_ONCE):
                    end = await self._chunk(document, fresh[start : start + _MOST_AT_ONCE], standing, stop)
                    if end is not End.DONE:
                        return end
        except PoisonMessageError as error:
            intake = Intake()
            await self._intake.give_up(document.name, error, intake)
            standing.dead_letters += 1
        return End.DONE

    async def _chunk(self, document: Document, lines: Sequence[Line], standing: Standing, stop: asyncio.Event) -> End:
        usd = sum(usd_of(text_characters(line.data), self._price) for line in lines)
        if self._budget_usd is not None and standing.usd + usd > self._budget_usd:
            return End.BUDGET
        await self._brake(len(lines), stop)
        if stop.is_set():
            return End.STOPPED
        intake = await self._written(lines, document.name)
        standing.lines[document.name] = lines[-1].number
        standing.interactions += intake.interactions
        standing.dead_letters += intake.dead_letters
        standing.usd += usd
        self._kept.save(standing)
        self._tell(Progress(standing, self._pace.per_second, self._waiting))
        return End.DONE

    async def _written(self, lines: Sequence[Line], origin: str) -> Intake:
        for attempt in range(1, _TRIES + 1):
            intake = Intake()
            try:
                await self._intake.take(lines, origin, intake)
            except RetryableError:
                if attempt == _TRIES:
                    raise
                await asyncio.sleep(attempt)
            else:
                return intake
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def _brake(self, lines: int, stop: asyncio.Event) -> None:
        """Waits so long that so many lines fit the pace, and while too many interactions wait."""
        clock = asyncio.get_running_loop().time
        until = clock() + lines / self._pace.per_second
        while not stop.is_set():
            now = clock()
            if now - self._looked_at >= _LOOK_SECONDS:
                self._waiting = await self._backlog.waiting()
                self._pace.seen(self._waiting, now - self._looked_at)
                self._looked_at = now
            if now >= until and not self._pace.is_standing(self._waiting):
                return
            await asyncio.sleep(_STANDING_SECONDS if now >= until else min(until - now, _LOOK_SECONDS))
