"""What the contenders read: numbered records with skewed keys, and the least time in which they can be handled."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

MEDIAN_SECONDS: Final = 0.12
P95_SECONDS: Final = 0.28
_SIGMA: Final = math.log(P95_SECONDS / MEDIAN_SECONDS) / 1.6449
_SEED: Final = 20261122


@dataclass(frozen=True)
class Data:
    """One workload's records: number, key, and the latency of the model call that each stands for.

    Attributes:
        text_bytes: Filling of each record; 640 make it about 700 bytes.
    """

    rows: list[tuple[int, str, float]]
    text_bytes: int = 640

    @classmethod
    def made(cls, count: int, keys: int = 2000, text_bytes: int = 640) -> Data:
        """Keys with skew (the top key about 0.3 %), latency log-normal with median 120 ms and p95 280 ms."""
        chance = random.Random(_SEED)  # noqa: S311  # data of a benchmark
        weights = [1 / (number + 160) for number in range(keys)]
        chosen = chance.choices(range(keys), weights, k=count)
        mean = math.log(MEDIAN_SECONDS)
        return cls([(n, f"key-{key}", chance.lognormvariate(mean, _SIGMA)) for n, key in enumerate(chosen)], text_bytes)

    def __len__(self) -> int:
        return len(self.rows)

    def ideal_seconds(self, slots: int) -> float:
        """No scheduler can be faster: all slots always busy, or the longest key one after the other."""
        of_key: dict[str, float] = {}
        for _, key, latency in self.rows:
            of_key[key] = of_key.get(key, 0.0) + latency
        return max(sum(of_key.values()) / slots, *of_key.values())

    def records(self) -> Iterator[dict[str, Any]]:
        """The records, as the codec takes them."""
        text = "".join(random.Random(1).choices("abcdefghijklmnop ", k=self.text_bytes))  # noqa: S311  # filling
        for number, key, latency in self.rows:
            yield {"number": number, "sent_at": 0.0, "key": key, "latency_seconds": latency, "text": text}
