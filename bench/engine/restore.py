"""How fast tables come back from their changelog, and how much memory they take: a process that does only that."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any, Final

from confluent_kafka import Producer
from keyflow.table import Entry, encode_entry

from bench.engine.broker import PARTITIONS, QUIET, Broker
from bench.engine.measure import environment_of
from bench.engine.process import ContenderError
from bench.engine.workloads import Row

STATE_BYTES: Final = 1000
_SECONDS: Final = 120.0


def fill(broker: Broker, topic: str, keys: int) -> None:
    """Writes an entry for each key in transactions of 1,000, as the engine would."""
    producer = Producer({"bootstrap.servers": broker.servers, "transactional.id": broker.run, "linger.ms": 5, **QUIET})
    producer.init_transactions(30)
    state = json.dumps({"turns": ["x" * 60] * (STATE_BYTES // 64)}).encode()
    for first in range(0, keys, 1000):
        producer.begin_transaction()
        for number in range(first, min(first + 1000, keys)):
            value = encode_entry(Entry(state, None, 1_700_000_000_000 + number))
            producer.produce(topic, key=f"key-{number}", value=value, partition=number % PARTITIONS)
        producer.commit_transaction(30)


def row(broker: Broker, keys: int) -> Row:
    """Fills a changelog here, restores it there.

    Raises:
        ContenderError: The restoring process failed.
    """
    (topic,) = broker.create("state")
    fill(broker, topic, keys)
    command = [sys.executable, "-m", "bench.engine.contenders.keyflow_restore", broker.servers, topic]
    try:
        done = subprocess.run(  # noqa: S603  # our own command
            command, env=environment_of(command), capture_output=True, text=True, timeout=_SECONDS, check=True
        )
    except subprocess.CalledProcessError as error:
        raise ContenderError((error.stderr.strip().splitlines() or ["it said nothing"])[-1]) from error
    finally:
        broker.delete(topic)
    figures: dict[str, Any] = json.loads(done.stdout)
    return {
        "contender": "keyflow",
        "guarantee": "exactly once",
        "records": figures["keys"],
        "records_per_second": figures["keys"] / figures["seconds"],
        "ratio_to_ideal": None,
        "order_violations": None,
        "duplicates": None,
        "lost": keys - figures["keys"],
        "cpu_seconds_per_1000": figures["cpu_seconds"] / keys * 1000,
        "peak_rss_mb": figures["peak_rss_mb"],
        "state_bytes": STATE_BYTES,
        "reasons": dict.fromkeys(("ratio_to_ideal", "order_violations", "duplicates"), "a table has no outputs"),
    }
