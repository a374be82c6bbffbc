"""The workloads: how much of what, and what the figures are compared with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Final

from confluent_kafka import KafkaException

from bench.engine.broker import Broker
from bench.engine.data import Data
from bench.engine.measure import Limits, Measured, Run
from bench.engine.process import ContenderError
from bench.engine.roster import LIMIT, OURS, Peer

Row = dict[str, Any]
Say = Callable[[str], None]


@dataclass(frozen=True)
class Workload:
    """Records through one hop.

    Attributes:
        waits: Each record waits as long as a model call; otherwise the handler does nothing.
        rounds: How often ours and the limit run, in turn; figures are medians.
    """

    name: str
    title: str
    count: int
    in_flight: int = 256
    waits: bool = True
    text_bytes: int = 640
    rounds: int = 1
    fixed_latency_seconds: float | None = None
    limits: Limits = field(default_factory=Limits)


MODEL: Final = "Model-bound: {slots} in flight, {count:,} records of 700 bytes, 2,000 keys, latency of median 120 ms"
OVERHEAD: Final = "Overhead: {count:,} records of 700 bytes, a handler that does nothing"
BACKLOG: Final = "Backlog: {count:,} small records wait, a handler of 2 ms"


def workloads(scale: float, quick: bool) -> list[Workload]:
    """All of them.

    Args:
        scale: Share of the full number of records, for trying the harness out.
        quick: The small form, in less than a minute.
    """
    few = max(int((12_000 if quick else 20_000) * scale), 100)
    many = max(int((60_000 if quick else 200_000) * scale), 100)
    backlog = max(int(1_000_000 * scale), 100)
    return [
        Workload("model_bound_256", MODEL.format(count=few, slots=256), few),
        Workload("model_bound_1024", MODEL.format(count=few, slots=1024), few, in_flight=1024),
        Workload("overhead", OVERHEAD.format(count=many), many, waits=False, rounds=1 if quick else 3),
        Workload(
            "backlog",
            BACKLOG.format(count=backlog),
            backlog,
            text_bytes=40,
            fixed_latency_seconds=0.002,
            limits=Limits(180.0, 180.0),
        ),
    ]


class Comparison:
    """Runs one workload's contenders over the same filled topic."""

    def __init__(self, workload: Workload, broker: Broker, say: Say) -> None:
        self._workload = workload
        self._broker = broker
        self._say = say
        self._data = Data.made(workload.count, text_bytes=workload.text_bytes)
        self._ideal_rate: float | None = None
        if workload.waits and workload.fixed_latency_seconds is None:
            self._ideal_rate = workload.count / self._data.ideal_seconds(workload.in_flight)

    def rows(self, peers: list[Peer]) -> Iterator[Row]:
        """A row for each contender, in their order; those that run in rounds come first."""
        self._say(f"filling a topic with {self._workload.count:,} records")
        (topic,) = self._broker.create("in")
        self._broker.fill(topic, self._data)
        workload = self._workload
        options = {"latency_seconds": workload.fixed_latency_seconds} if workload.fixed_latency_seconds else {}
        run = Run(self._broker, topic, workload.count, workload.in_flight, workload.waits, self._say, options=options)
        try:
            yield from self._compared(run, peers)
        finally:
            self._broker.delete(topic)

    def _compared(self, run: Run, peers: list[Peer]) -> Iterator[Row]:
        repeated = [peer for peer in peers if peer.name in (OURS, LIMIT)]
        figures: dict[str, list[Measured]] = {peer.name: [] for peer in repeated}
        failed: dict[str, str] = {}
        for number in range(self._workload.rounds):
            for peer in repeated:
                self._say(f"{peer.name}, round {number + 1} of {self._workload.rounds}")
                try:
                    figures[peer.name].append(run.measure(peer, self._workload.limits))
                except (ContenderError, KafkaException) as error:
                    failed[peer.name] = str(error)
        if not self._workload.waits and figures.get(LIMIT):
            self._ideal_rate = median(one.records / one.seconds for one in figures[LIMIT])
        for peer in repeated:
            yield not_run(peer, failed[peer.name]) if peer.name in failed else self._row(peer, figures[peer.name])
        for peer in peers:
            if peer not in repeated:
                self._say(peer.name)
                try:
                    yield self._row(peer, [run.measure(peer, self._workload.limits)])
                except (ContenderError, KafkaException) as error:
                    yield not_run(peer, str(error))

    def _row(self, peer: Peer, rounds: list[Measured]) -> Row:
        rates = [one.records / one.seconds for one in rounds]
        rate = median(rates)
        lost = [one.verdict.lost for one in rounds]
        handled = max(sum(one.records for one in rounds), 1)
        row: Row = {
            "contender": peer.name,
            "guarantee": peer.guarantee,
            "records": rounds[0].records,
            "of_records": self._workload.count,
            "records_per_second": rate,
            "rounds_records_per_second": rates,
            "ratio_to_ideal": rate / self._ideal_rate if self._ideal_rate else None,
            "order_violations": sum(one.verdict.order_violations for one in rounds),
            "duplicates": sum(one.verdict.duplicates for one in rounds),
            "lost": None if None in lost else sum(one or 0 for one in lost),
            "cpu_seconds_per_1000": sum(one.cpu_seconds for one in rounds) / handled * 1000,
            "peak_rss_mb": max(one.peak_rss_mb for one in rounds),
            "reasons": {},
        }
        if row["lost"] is None:
            row["reasons"]["lost"] = "cut off at its time limit"
        if row["ratio_to_ideal"] is None:
            row["reasons"]["ratio_to_ideal"] = "no ideal to compare with in this run"
        return row


FIGURES: Final = (
    "records_per_second", "ratio_to_ideal", "order_violations", "duplicates", "lost", "cpu_seconds_per_1000",
    "peak_rss_mb",
)  # fmt: skip


def not_run(peer: Peer, reason: str) -> Row:
    """The row of a contender without figures."""
    return {
        "contender": peer.name,
        "guarantee": peer.guarantee,
        "not_run": reason,
        "records": 0,
        **dict.fromkeys(FIGURES),
        "reasons": dict.fromkeys(FIGURES, f"not run: {reason}"),
    }
