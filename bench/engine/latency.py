"""What one stateful hop adds at a steady rate: from just before the write until a read-committed reader has it.

Feeder and reader are processes of their own, so that the contender's share of a core is its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from confluent_kafka import Consumer, Producer

from bench.engine.broker import Broker
from bench.engine.codec import decode, encode
from bench.engine.judge import Judge
from bench.engine.measure import Run, environment_of
from bench.engine.process import Contender, ContenderError
from bench.engine.roster import Peer
from bench.engine.workloads import Row, not_run

PARTITIONS: Final = 4
PER_SECOND: Final = 200
_KEYS: Final = 100
_WARM_SECONDS: Final = 3
_START_SECONDS: Final = 60.0
_IDLE_SECONDS: Final = 3.0
_LATE_SECONDS: Final = 30.0
_REASON: Final = "the rate is given"


@dataclass(frozen=True)
class LatencyWorkload:
    """A steady rate for so long, after three seconds to warm up."""

    seconds: int
    name: str = "latency"

    @property
    def title(self) -> str:
        """For the table."""
        return f"Added latency: {PER_SECOND} records/s for {self.seconds} s, one stateful hop, {PARTITIONS} partitions"

    def rows(self, broker: Broker, peers: list[Peer], say: Callable[[str], None]) -> Iterator[Row]:
        """A row for each contender."""
        for peer in peers:
            say(peer.name)
            try:
                yield self._row(broker, peer, say)
            except ContenderError as error:
                yield not_run(peer, str(error))

    def _row(self, broker: Broker, peer: Peer, say: Callable[[str], None]) -> Row:
        topics = broker.create("in", "out", "dead", "state", partitions=PARTITIONS)
        source, output, dead, state = topics
        warm, count = _WARM_SECONDS * PER_SECOND, self.seconds * PER_SECOND
        run = Run(broker, source, warm + count, 256, False, say, state=state)
        try:
            with (
                tempfile.TemporaryDirectory(prefix="bench-") as folder,
                run.start(peer, output, dead, Path(folder)) as contender,
            ):
                reader = _process("read", broker.servers, output, str(warm + count))
                feeder = _process("feed", broker.servers, source, str(warm + count))
                try:
                    figures = _watched(contender, feeder, reader)
                finally:
                    feeder.kill()
                    reader.kill()
                    feeder.wait()
                    reader.wait()
        finally:
            broker.delete(*topics)
        cpu_seconds = figures.pop("cores") * self.seconds
        ages = sorted(age for number, age in figures.pop("ages") if number >= warm)
        if not ages:
            raise ContenderError("nothing came out of it")
        return {
            "contender": peer.name,
            "guarantee": peer.guarantee,
            "records": len(ages),
            "of_records": count,
            "records_per_second": None,
            "ratio_to_ideal": None,
            "p50_ms": ages[len(ages) // 2],
            "p99_ms": ages[len(ages) * 99 // 100],
            "cores": cpu_seconds / self.seconds,
            **figures,
            "cpu_seconds_per_1000": cpu_seconds / count * 1000,
            "reasons": {"records_per_second": _REASON, "ratio_to_ideal": _REASON},
        }


def _watched(contender: Contender, feeder: subprocess.Popen[str], reader: subprocess.Popen[str]) -> dict[str, Any]:
    contender.wait_began(_START_SECONDS)
    assert feeder.stdin is not None
    assert feeder.stdout is not None
    feeder.stdin.write("go\n")
    feeder.stdin.flush()
    feeder.stdout.readline()
    began, before = time.monotonic(), contender.usage()
    feeder.stdout.readline()
    cores = (contender.usage().cpu_seconds - before.cpu_seconds) / (time.monotonic() - began)
    try:
        said, _ = reader.communicate(timeout=2 * _LATE_SECONDS)
    except subprocess.TimeoutExpired:
        raise ContenderError("its outputs did not come") from None
    contender.check()
    began, before = time.monotonic(), contender.usage()
    time.sleep(_IDLE_SECONDS)
    after = contender.usage()
    idle = (after.cpu_seconds - before.cpu_seconds) / (time.monotonic() - began)
    return {**json.loads(said), "cores": cores, "idle_cores": idle, "peak_rss_mb": after.peak_rss_mb}


def _process(role: str, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "bench.engine.latency", role, *arguments]
    environment = environment_of(command)
    return subprocess.Popen(  # noqa: S603  # our own command
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True
    )


def feed(servers: str, topic: str, count: int) -> None:
    """Writes one record, waits to be told, then at a steady rate; says when it is warm, and when it is through."""
    producer = Producer({"bootstrap.servers": servers, "partitioner": "murmur2_random", "linger.ms": 0})
    began = time.monotonic()
    for number in range(count):
        time.sleep(max(began + number / PER_SECOND - time.monotonic(), 0))
        key = f"key-{number % _KEYS}"
        value = {"number": number, "sent_at": time.time(), "key": key, "latency_seconds": 0.0, "text": "x" * 640}
        producer.produce(topic, key=key, value=encode(value))
        producer.poll(0)
        if number == 0:
            producer.flush(20)
            sys.stdin.readline()
            began = time.monotonic()
        if number in (_WARM_SECONDS * PER_SECOND, count - 1):
            print(number, flush=True)  # noqa: T201  # the protocol
    producer.flush(20)


def read(servers: str, topic: str, count: int) -> None:
    """Notes how old each committed output is when it arrives; says all of it at the end."""
    settings = {"bootstrap.servers": servers, "group.id": uuid4().hex, "isolation.level": "read_committed"}
    consumer = Consumer({**settings, "auto.offset.reset": "earliest", "enable.auto.commit": False})
    consumer.subscribe([topic])
    judge, ages = Judge(count), []
    heard = time.monotonic()
    while not judge.complete and time.monotonic() - heard < _LATE_SECONDS:
        message = consumer.poll(0.1)
        value: Any = message.value() if message is not None and message.error() is None else None
        if value is not None:
            heard = time.monotonic()
            record = decode(value)
            if judge.saw(record["number"], record["key"]):
                ages.append((record["number"], (time.time() - record["sent_at"]) * 1000))
    consumer.close()
    verdict = judge.verdict()
    found = {"lost": verdict.lost, "duplicates": verdict.duplicates, "order_violations": verdict.order_violations}
    print(json.dumps({"ages": ages, **found}))  # noqa: T201  # the protocol


if __name__ == "__main__":
    role, servers_, topic_, count_ = sys.argv[1:]
    (feed if role == "feed" else read)(servers_, topic_, int(count_))
