"""A model endpoint that answers Converse with valid feature records after a drawn latency, with faults on demand.

It stands for the model, so that the pipeline is measured and not a model: `python -m bench.summarizer.endpoint PORT`.
"""

from __future__ import annotations

import asyncio
import html
import json
import math
import random
import re
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

MEDIAN_SECONDS: Final = 1.2
P95_SECONDS: Final = 2.8
SIGMA: Final = math.log(P95_SECONDS / MEDIAN_SECONDS) / 1.6449
MEAN_SECONDS: Final = MEDIAN_SECONDS * math.exp(SIGMA**2 / 2)
_TURN: Final = re.compile(r'<turn role="customer">(.*?)</turn>', re.DOTALL)
_PLACEHOLDER: Final = re.compile(r"<[A-Z_]+_\d+>|[<>]")
_REASONS: Final = {200: "OK", 429: "Too Many Requests", 500: "Internal Server Error", 503: "Service Unavailable"}
_ERRORS: Final = {429: "ThrottlingException", 500: "InternalServerException", 503: "ServiceUnavailableException"}


@dataclass
class Mix:
    """Shares of calls that go wrong, and a time during which all do (seconds after the first call)."""

    throttled: float = 0.0
    failing: float = 0.0
    malformed: float = 0.0
    breaking: float = 0.0
    outage: tuple[float, float] | None = None


@dataclass
class Endpoint:
    """Counts what it answered; `mean_seconds` is of the latencies that it drew for good answers."""

    mix: Mix
    counts: Counter[str] = field(default_factory=Counter)
    waited_seconds: float = 0.0
    in_flight: int = 0
    most_in_flight: int = 0
    began: float | None = None
    chance: random.Random = field(default_factory=lambda: random.Random(20261122))  # noqa: S311  # a benchmark's data

    async def answer(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """One call."""
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            return await self._answer(body)
        finally:
            self.in_flight -= 1

    async def _answer(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        self.began = self.began if self.began is not None else time.monotonic()
        since, mix = time.monotonic() - self.began, self.mix
        if mix.outage is not None and mix.outage[0] <= since < mix.outage[0] + mix.outage[1]:
            return self._failed(503, "outage")
        drawn = self.chance.random()
        if drawn < mix.throttled:
            return self._failed(429, "throttled")
        if drawn < mix.throttled + mix.failing:
            return self._failed(500, "failing")
        seconds = self.chance.lognormvariate(math.log(MEDIAN_SECONDS), SIGMA)
        self.waited_seconds += seconds
        await asyncio.sleep(seconds)
        tool = body["toolConfig"]["tools"][0]["toolSpec"]
        record = features(body, tool["inputSchema"]["json"])
        kind = "good"
        content: list[dict[str, Any]] = [
            {"toolUse": {"toolUseId": f"t{sum(self.counts.values())}", "name": tool["name"], "input": record}}
        ]
        if drawn < mix.throttled + mix.failing + mix.malformed:
            kind, content = "malformed", [{"text": '{"summary": "The customer'}]
        elif drawn < mix.throttled + mix.failing + mix.malformed + mix.breaking:
            kind = "breaking"
            record.update({"sentiment": "furious", "urgency_score": "high"})
        self.counts[kind] += 1
        return 200, _response(content, body)

    def _failed(self, status: int, kind: str) -> tuple[int, dict[str, Any]]:
        self.counts[kind] += 1
        return status, {"message": kind, "__type": _ERRORS[status]}


def features(body: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """A record that holds: the customer's own first words, and the first value of every closed set."""
    asked = "".join(block.get("text", "") for block in body["messages"][0]["content"])
    said = _TURN.search(asked)
    words = _PLACEHOLDER.sub("", html.unescape(said[1] if said else "a request without words")).split()
    summary = " ".join(words)
    properties = schema["properties"]
    return {
        "summary": summary if len(summary) <= 190 else summary[:190].rsplit(" ", 1)[0],
        "sentiment": "neutral",
        "primary_topic": properties["primary_topic"]["enum"][0],
        "intent": properties["intent"]["enum"][0],
        "resolution_status": "pending",
        "urgency_score": 0.3,
        "csat_indicator": 0.5,
        "language": "en",
    }


def _response(content: list[dict[str, Any]], body: dict[str, Any]) -> dict[str, Any]:
    fixed = len(json.dumps(body["toolConfig"])) // 4 + len(body["system"][0]["text"]) // 4
    varying = len(json.dumps(body["messages"])) // 4
    return {
        "output": {"message": {"role": "assistant", "content": content}},
        "stopReason": "tool_use",
        "usage": {"inputTokens": fixed + varying, "outputTokens": 90, "totalTokens": fixed + varying + 90},
        "metrics": {"latencyMs": 1},
    }


async def _serve(endpoint: Endpoint, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            length = re.search(r"content-length: *(\d+)", head, re.IGNORECASE)
            raw = await reader.readexactly(int(length[1])) if length else b""
            status, answer = await _route(endpoint, head.split(" ", 2)[:2], raw)
            data = json.dumps(answer, ensure_ascii=False).encode()
            extra = f"x-amzn-ErrorType: {answer['__type']}\r\n" if "__type" in answer else ""
            writer.write(
                f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: application/json\r\n{extra}"
                f"Content-Length: {len(data)}\r\n\r\n".encode()
                + data
            )
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass  # the client went away
    finally:
        writer.close()


async def _route(endpoint: Endpoint, asked: list[str], raw: bytes) -> tuple[int, dict[str, Any]]:
    if asked[0] == "GET":
        answered = sum(endpoint.counts[kind] for kind in ("good", "malformed", "breaking"))
        return 200, {
            "counts": dict(endpoint.counts),
            "mean_seconds": endpoint.waited_seconds / max(answered, 1),
            "most_in_flight": endpoint.most_in_flight,
        }
    return await endpoint.answer(json.loads(raw))


async def main(port: int, mix: Mix) -> None:
    """Serves until it is stopped."""
    endpoint = Endpoint(mix)
    server = await asyncio.start_server(
        lambda reader, writer: _serve(endpoint, reader, writer), "127.0.0.1", port, limit=2**20, backlog=1024
    )
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    told = json.loads(sys.argv[2]) if len(sys.argv) > 2 else {}
    outage = told.pop("outage", None)
    asyncio.run(main(int(sys.argv[1]), Mix(**told, outage=tuple(outage) if outage else None)))
