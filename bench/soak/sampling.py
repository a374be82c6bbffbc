"""Memory, files, threads and asyncio tasks of every service, every ten seconds, by the life of its process."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Mapping
from typing import Final

import httpx
import psutil
from prometheus_client.parser import text_string_to_metric_families
from support.fleet import Fleet, Slot

INTERVAL_SECONDS: Final = 10.0
_TASKS: Final = "floodgate_asyncio_tasks"
Life = tuple[str, int]
"""A service and the process that fills its slot."""


class Sampler:
    """Samples until it is stopped.

    Args:
        fleet: Whose processes.
    """

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)
        self.began = time.monotonic()
        self.series: dict[Life, dict[str, list[tuple[float, float]]]] = defaultdict(lambda: defaultdict(list))

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(60)

    def _run(self) -> None:
        due = time.monotonic()
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            due += INTERVAL_SECONDS
            for slot in list(self._fleet.slots.values()):
                self._take(slot)

    def _take(self, slot: Slot) -> None:
        at = round(time.monotonic() - self.began, 1)
        try:
            process = psutil.Process(slot.process.pid)
            with process.oneshot():
                values = {
                    "rss_mib": process.memory_info().rss / 2**20,
                    "files": float(process.num_fds()),
                    "threads": float(process.num_threads()),
                }
        except (psutil.Error, AssertionError):
            # It was killed just now; the next sample is the next life's.
            return
        for measure, value in {**values, **_tasks(slot.metrics_port)}.items():
            self.series[slot.name, slot.process.pid][measure].append((at, value))


def _tasks(metrics_port: int) -> Mapping[str, float]:
    try:
        text = httpx.get(f"http://127.0.0.1:{metrics_port}/metrics", timeout=5.0, trust_env=False).text
    except httpx.HTTPError:
        return {}
    families = text_string_to_metric_families(text)
    found = [sample.value for family in families for sample in family.samples if sample.name == _TASKS]
    return {"tasks": found[0]} if found else {}
