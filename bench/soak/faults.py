"""What is broken from time to time, and healed again. A process that is killed begins a new life, judged by itself."""

from __future__ import annotations

import random
import signal
import threading
import time
from collections.abc import Callable
from typing import Final

from faults.services.site import Site

_LASTS_SECONDS: Final = 20.0
_PAUSE_SECONDS: Final = 10.0


class Faults:
    """Strikes every so often, until it is stopped.

    Args:
        site: What is struck.
        seed: Chooses.
        every_seconds: Between two.
        tell: Takes a line.
    """

    def __init__(self, site: Site, seed: int, every_seconds: float, tell: Callable[[str], None]) -> None:
        self._site = site
        self._rng = random.Random(seed)  # noqa: S311 (repeats a run)
        self._every_seconds = every_seconds
        self._tell = tell
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="faults", daemon=True)
        self._began = time.monotonic()
        self.done: list[tuple[float, str]] = []

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(60)

    def _run(self) -> None:
        kinds = [self._throttled, self._model_out, self._shop_out, self._intercom_out, self._kafka_pauses, self._kill]
        self._rng.shuffle(kinds)
        number = 0
        while not self._stop.wait(self._every_seconds):
            kind = kinds[number % len(kinds)]
            number += 1
            self.done.append((round(time.monotonic() - self._began, 1), kind.__name__.strip("_")))
            self._tell(f"fault: {self.done[-1][1]}")
            kind()

    def _healed(self) -> None:
        self._stop.wait(_LASTS_SECONDS)
        self._site.heal()

    def _throttled(self) -> None:
        self._site.model.set_faults({"throttle_rate": 0.6})
        self._healed()

    def _model_out(self) -> None:
        self._site.model.set_faults({"outage": True})
        self._healed()

    def _shop_out(self) -> None:
        self._site.shop_fails(kind="error", probability=0.5, seed=self._rng.randrange(1_000_000))
        self._healed()

    def _intercom_out(self) -> None:
        self._site.intercom_fails(kind="error", probability=0.5, seed=self._rng.randrange(1_000_000))
        self._healed()

    def _kafka_pauses(self) -> None:
        self._site.signal_kafka(signal.SIGSTOP)
        try:
            self._stop.wait(_PAUSE_SECONDS)
        finally:
            self._site.signal_kafka(signal.SIGCONT)

    def _kill(self) -> None:
        self._site.fleet.kill(self._site.fleet.choose(self._rng.choice))
