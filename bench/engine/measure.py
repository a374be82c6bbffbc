"""One contender on one topic: watched from outside, timed by what a read-committed reader could see."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from bench.engine.broker import Broker, CommittedReader
from bench.engine.environments import ROOT, Say
from bench.engine.job import Job
from bench.engine.judge import Judge, Verdict
from bench.engine.process import Contender, ContenderError, Usage
from bench.engine.roster import Peer

_START_SECONDS: Final = 60.0
_EVERY_SECONDS: Final = 0.1
# Towards the end a look every few milliseconds, for the sake of the last record's time.
_CLOSE: Final = 0.85
_CLOSE_SECONDS: Final = 0.02
_STILL_SECONDS: Final = 0.3
_AFTERWARDS_SECONDS: Final = 0.5


@dataclass(frozen=True)
class Limits:
    """How long a contender may take.

    Attributes:
        seconds: Then it is cut off, unless at its pace it would be done within `most_seconds`.
        patience_seconds: As long as nothing new is visible, there may still be something to come.
    """

    seconds: float = 20.0
    most_seconds: float = 60.0
    patience_seconds: float = 3.0


@dataclass(frozen=True)
class Sample:
    """What could be seen at one moment."""

    at: float
    ends: dict[int, int]
    usage: Usage

    @property
    def visible(self) -> int:
        """Committed records; transaction markers count too."""
        return sum(self.ends.values())

    def shows(self, last_offsets: dict[int, int]) -> bool:
        """Whether a reader could have read that far."""
        return all(self.ends[partition] > offset for partition, offset in last_offsets.items())


@dataclass(frozen=True)
class Measured:
    """One run's figures.

    Attributes:
        records: On how many records the figures rest.
        whole: Whether it came to the end of the data.
    """

    records: int
    whole: bool
    seconds: float
    cpu_seconds: float
    peak_rss_mb: float
    verdict: Verdict


@dataclass
class Run:
    """What one run needs besides the contender itself."""

    broker: Broker
    topic: str
    count: int
    in_flight: int
    waits: bool
    say: Say
    state: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)

    def start(self, peer: Peer, output: str, dead: str, folder: Path) -> Contender:
        """Starts the contender."""
        job = Job(
            servers=self.broker.servers,
            group=f"{output}-{peer.name}",
            input=self.topic,
            output=output,
            dead=dead,
            state=self.state,
            folder=str(folder),
            in_flight=peer.slots or self.in_flight,
            waits=self.waits,
            options={**peer.options, **self.options},
        )
        command = [*peer.command(self.say), *peer.arguments(job)]
        return Contender(command, environment_of(command), folder)

    def measure(self, peer: Peer, limits: Limits) -> Measured:
        """Runs the contender to the end of the data or of its time.

        Raises:
            ContenderError: It could not be built, or ended by itself.
        """
        output, dead = self.broker.create("out", "dead")
        reader = CommittedReader(self.broker, output, Judge(self.count))
        try:
            with tempfile.TemporaryDirectory(prefix="bench-") as folder:
                with self.start(peer, output, dead, Path(folder)) as contender:
                    began, before = contender.wait_began(_START_SECONDS)
                    limits = replace(limits, patience_seconds=peer.patience_seconds)
                    samples, whole = self._watch(contender, reader, output, began, limits)
                if not whole:
                    reader.bound = samples[-1].ends
                    reader.read(_AFTERWARDS_SECONDS * 2)
                _read_rest(reader)
                if not reader.within:
                    raise ContenderError(f"no output within {limits.seconds:.0f} s: {contender.last_line()}")
                return _result(reader, samples, whole, began, before)
        finally:
            reader.close()
            self.broker.delete(output, dead)

    def _watch(
        self, contender: Contender, reader: CommittedReader, output: str, began: float, limits: Limits
    ) -> tuple[list[Sample], bool]:
        samples: list[Sample] = []
        told = moved = time.time()
        while True:
            contender.check()
            now = Sample(time.time(), self.broker.committed_ends(output), contender.usage())
            moved = now.at if not samples or now.visible != samples[-1].visible else moved
            samples.append(now)
            if now.visible >= self.count and now.at - moved > _STILL_SECONDS:
                # All of it, or as much with its transactions' markers: reading tells.
                before = reader.judge.distinct
                reader.read(_STILL_SECONDS)
                if reader.judge.distinct > before:
                    moved = time.time()  # reading a million takes longer than patience lasts
                if reader.judge.complete or time.time() - moved > limits.patience_seconds:
                    return samples, True
            if cut_off(now.at - began, now.visible / self.count, limits):
                return samples, False
            if now.at - told > 5:
                told = now.at
                self.say(f"{now.visible:,} of {self.count:,} after {now.at - began:.0f} s")
            time.sleep(_CLOSE_SECONDS if now.visible > _CLOSE * self.count else _EVERY_SECONDS)


def cut_off(elapsed: float, share: float, limits: Limits) -> bool:
    """Whether a contender has had its time, given the share of the data that it is through."""
    if elapsed <= limits.seconds:
        return False
    return elapsed > limits.most_seconds or share == 0 or elapsed / share > limits.most_seconds


def _read_rest(reader: CommittedReader) -> None:
    """What the contender wrote until it was stopped: duplicates would be there."""
    deadline = time.monotonic() + _AFTERWARDS_SECONDS
    while time.monotonic() < deadline:
        reader.take(0.05)


def _result(reader: CommittedReader, samples: list[Sample], whole: bool, began: float, before: Usage) -> Measured:
    end = samples[-1]
    if whole:
        end = next((sample for sample in samples if sample.shows(reader.last_offsets)), end)
    return Measured(
        records=reader.within,
        whole=whole,
        seconds=max(end.at - began, 1e-6),
        cpu_seconds=end.usage.cpu_seconds - before.cpu_seconds,
        peak_rss_mb=samples[-1].usage.peak_rss_mb,
        verdict=reader.judge.verdict(whole=whole),
    )


def environment_of(command: Sequence[str]) -> dict[str, str]:
    """This repository on the path; what else is on it is for our own environment only."""
    paths = [str(ROOT)]
    if command[0] == sys.executable and os.environ.get("PYTHONPATH"):
        paths.append(os.environ["PYTHONPATH"])
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONUNBUFFERED": "1"}
