"""What services say of themselves: their Prometheus figures, read where the settings say."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import httpx
from prometheus_client.parser import text_string_to_metric_families

_KEEP_SECONDS: Final = 3.0
_TIMEOUT_SECONDS: Final = 1.0


@dataclass(slots=True)
class ProcessorFigures:
    """One processor's state."""

    breaker: str = ""
    outage: bool = False
    oldest_seconds: float = 0.0
    in_flight: int = 0
    parked: int = 0


@dataclass(frozen=True, slots=True)
class Figures:
    """What one service says; nothing when it does not answer."""

    service: str
    answers: bool
    by_processor: Mapping[str, ProcessorFigures] = field(default_factory=dict)


class PrometheusScraper:
    """Asks every few seconds, whoever looks.

    Args:
        urls: Base address of each service's figures.
    """

    def __init__(self, urls: Mapping[str, str], *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._urls = urls
        self._http = httpx.AsyncClient(timeout=_TIMEOUT_SECONDS, transport=transport)
        self._read_at = 0.0
        self._known: list[Figures] = []

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._http.aclose()

    async def read(self) -> list[Figures]:
        """What the services say."""
        if time.monotonic() - self._read_at > _KEEP_SECONDS:
            self._read_at = time.monotonic()
            self._known = list(await asyncio.gather(*(self._ask(name, url) for name, url in self._urls.items())))
        return self._known

    async def _ask(self, name: str, url: str) -> Figures:
        try:
            answer = await self._http.get(f"{url.rstrip('/')}/metrics")
            answer.raise_for_status()
            return Figures(name, True, parsed(answer.text))
        except (httpx.HTTPError, ValueError):
            return Figures(name, False)


def parsed(text: str) -> dict[str, ProcessorFigures]:
    """The engine's figures by processor.

    Raises:
        ValueError: It is no exposition.
    """
    found: dict[str, ProcessorFigures] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            name = sample.labels.get("processor")
            if name is None:
                continue
            figures = found.setdefault(name, ProcessorFigures())
            match sample.name:
                case "keyflow_breaker" if sample.value:
                    figures.breaker = sample.labels["state"]
                case "keyflow_outage":
                    figures.outage = bool(sample.value)
                case "keyflow_oldest_unfinished_seconds":
                    figures.oldest_seconds = sample.value
                case "keyflow_in_flight":
                    figures.in_flight = int(sample.value)
                case "keyflow_parked_keys":
                    figures.parked = int(sample.value)
    return found
