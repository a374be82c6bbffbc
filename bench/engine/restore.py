"""How fast tables come back from their changelog, and how much memory they take."""

from __future__ import annotations

import json
import time

from common import PARTITIONS, Broker, arguments, cpu_seconds, peak_rss_mb, tell
from confluent_kafka import Producer
from keyflow import StateSpec
from keyflow.restore import restored
from keyflow.table import Entry, Table, encode_entry


def fill(broker: Broker, keys: int, state_bytes: int) -> None:
    """Writes an entry for each key in transactions of 1,000, as the engine would."""
    producer = Producer({"bootstrap.servers": broker.servers, "transactional.id": broker.run, "linger.ms": 5})
    producer.init_transactions(30)
    state = json.dumps({"turns": ["x" * 60] * (state_bytes // 64)}).encode()
    for first in range(0, keys, 1000):
        producer.begin_transaction()
        for number in range(first, min(first + 1000, keys)):
            value = encode_entry(Entry(state, None, 1_700_000_000_000 + number))
            producer.produce(broker.topic("state"), key=f"key-{number}", value=value, partition=number % PARTITIONS)
        producer.commit_transaction(30)


def main() -> None:
    """Writes, then restores."""
    args = arguments(keys=100_000, state_bytes=1000)
    broker = Broker(args.kafka)
    broker.create("state")
    fill(broker, args.keys, args.state_bytes)
    before = peak_rss_mb()
    spec: StateSpec[bytes] = StateSpec(broker.topic("state"), bytes, bytes)
    tables = {partition: Table(spec) for partition in range(PARTITIONS)}
    began, cpu = time.monotonic(), cpu_seconds()
    restored(broker.config(), broker.topic("state"), tables, dict.fromkeys(tables, True))
    seconds, cpu = time.monotonic() - began, cpu_seconds() - cpu
    broker.delete("state")
    tell(
        {
            "workload": "restore",
            "keys": sum(len(table) for table in tables.values()),
            "state_bytes": args.state_bytes,
            "seconds": seconds,
            "records_per_second": args.keys / seconds,
            "cpu_us_per_record": cpu / args.keys * 1e6,
            "rss_mb_before": before,
            "peak_rss_mb": peak_rss_mb(),
        }
    )


if __name__ == "__main__":
    main()
