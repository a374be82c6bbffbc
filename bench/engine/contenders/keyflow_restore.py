"""A process that does nothing but restore our tables from a changelog."""

from __future__ import annotations

import json
import resource
import sys
import time
from typing import Final

import psutil
from keyflow import EngineConfig, StateSpec
from keyflow.restore import restored
from keyflow.table import Table

from bench.engine.process import peak_mb

_PARTITIONS: Final = 12


def main(servers: str, topic: str) -> None:
    """Restores all partitions and says what it took."""
    spec: StateSpec[bytes] = StateSpec(topic, bytes, bytes)
    tables = {partition: Table(spec) for partition in range(_PARTITIONS)}
    usage = resource.getrusage(resource.RUSAGE_SELF)
    began, cpu = time.monotonic(), usage.ru_utime + usage.ru_stime
    restored(EngineConfig(servers, f"{topic}-group"), topic, tables, dict.fromkeys(tables, True))
    seconds, usage = time.monotonic() - began, resource.getrusage(resource.RUSAGE_SELF)
    figures = {
        "keys": sum(len(table) for table in tables.values()),
        "seconds": seconds,
        "cpu_seconds": usage.ru_utime + usage.ru_stime - cpu,
        "peak_rss_mb": peak_mb(psutil.Process()),
    }
    print(json.dumps(figures))  # noqa: T201  # the protocol


if __name__ == "__main__":
    main(*sys.argv[1:])
