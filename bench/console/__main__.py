"""`make bench-console`: the console over a month of records, on a stack of its own."""

from __future__ import annotations

import asyncio
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import httpx
import psutil
from floodgate.events import Message, MessageKind
from floodgate.events.serde import AvroSerde
from floodgate.service import EventProducer
from floodgate.settings import KafkaSettings
from floodgate_local.progress import PlainProgress
from floodgate_local.stack import Stack
from floodgate_local.state import free_ports

from bench.console.filling import fill

ROOT: Final = Path(__file__).resolve().parents[2]
BOUNDS: Final = {"page_p95_ms": 300.0, "live_seconds": 1.0, "rss_mib": 400.0}
_STARTED: Final = time.monotonic()
_SPANS: Final = ("24h", "30d")


def say(text: str) -> None:
    """Progress, on standard error."""
    sys.stderr.write(f"[{time.monotonic() - _STARTED:5.0f} s] {text}\n")
    sys.stderr.flush()


@contextmanager
def stack_of_our_own(folder: Path) -> Iterator[dict[str, str]]:
    """Kafka, registry and OpenSearch for the time of the run."""
    stack = Stack(folder / "stack", only=["kafka", "apicurio", "opensearch"])
    say("starting Kafka, the schema registry and OpenSearch")
    try:
        stack.up(PlainProgress(sys.stderr), fresh=True)
        env = {**os.environ, **stack.env(), "FLOODGATE_CATALOGUE_DIR": str(ROOT / "catalogue")}
        for command in (["topics", "apply"], ["schemas", "register"]):
            _command(*command, env=env)
        yield env
    finally:
        stack.down(purge=True)


def _command(*words: str, env: dict[str, str]) -> str:
    command = [sys.executable, "-m", "floodgate.cli.main", *words]
    return subprocess.run(command, env=env, check=True, stdout=subprocess.PIPE, text=True).stdout  # noqa: S603 (ours)


def rebuilt(env: dict[str, str]) -> dict[str, Any]:
    """The projection from the topics, as an operator makes it; its progress goes to standard error."""
    say("rebuilding the projection")
    began, before = time.monotonic(), _children_seconds()
    said = json.loads(_command("console", "rebuild", "--json", env=env))
    seconds = time.monotonic() - began
    return {
        "records": said["records"],
        "seconds": round(seconds, 1),
        "processor_seconds": round(_children_seconds() - before, 1),
        "records_per_second": round(said["records"] / seconds),
    }


def _children_seconds() -> float:
    found = os.times()
    return found.children_user + found.children_system


class Serving:
    """A console of its own and how much memory it takes at most."""

    def __init__(self, env: dict[str, str], log: Path) -> None:
        [port] = free_ports(1, set())
        self.url = f"http://127.0.0.1:{port}"
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "console"],
                env={**env, "FLOODGATE_CONSOLE_PORT": str(port)},
                stdout=output,
                stderr=output,
            )
        self._seen = psutil.Process(self._process.pid)
        self._over = threading.Event()
        self.rss_bytes = 0
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        while not self._over.wait(0.2):
            try:
                self.rss_bytes = max(self.rss_bytes, self._seen.memory_info().rss)
            except psutil.NoSuchProcess:
                return

    def ready(self) -> None:
        """Returns once it answers and follows the topics."""
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            try:
                if httpx.get(f"{self.url}/healthz", trust_env=False).status_code == 200:
                    return
            except httpx.HTTPError:
                pass
            time.sleep(0.2)
        raise SystemExit("bench: the console does not answer")

    def processor_seconds(self) -> float:
        """What it has used so far."""
        used = self._seen.cpu_times()
        return float(used.user + used.system)

    def stop(self) -> None:
        """Ends it."""
        self._over.set()
        self._process.terminate()
        self._process.wait(30)


def addresses(http: httpx.Client) -> list[str]:
    """Every page and every address that answers with data, in the ways in which people open them."""
    boards = [
        f"{path}?span={span}" for path in ("/", "/firewall", "/agent", "/summaries", "/knowledge") for span in _SPANS
    ]
    letter = _first(http.get("/dead-letters", params={"service": "firewall"}).text, "/dead-letter?id=")
    plain = ["/impact", "/impact.csv", "/conversations", "/conversations?q=barcode", "/conversations?q=contact-77"]
    plain += ["/conversation?id=rest:bench-500", "/dead-letters", "/dead-letters?state=all&service=firewall", letter]
    return [*boards, *plain, "/topics", "/topics?topic=support.verdicts", "/openapi.json", "/healthz"]


def _first(page: str, begins: str) -> str:
    at = page.index(begins)
    return page[at : page.index('"', at)]


def asked(serving: Serving, times: int) -> dict[str, dict[str, float]]:
    """Milliseconds of each address, the first request apart, and what the console itself used for one."""
    found = {}
    with httpx.Client(base_url=serving.url, timeout=60, trust_env=False) as http:
        for address in addresses(http):
            taken, before = [], 0.0
            for number in range(times + 1):
                if number == 1:
                    before = serving.processor_seconds()
                began = time.perf_counter()
                answer = http.get(address)
                taken.append((time.perf_counter() - began) * 1000)
                answer.raise_for_status()
            used = (serving.processor_seconds() - before) / times * 1000
            later = taken[1:]
            found[address] = {
                "first_ms": round(taken[0], 1),
                "p50_ms": round(statistics.median(later), 1),
                "p95_ms": round(sorted(later)[max(0, round(0.95 * len(later)) - 1)], 1),
                "console_processor_ms": round(used, 1),
            }
            say(f"{address}: p50 {found[address]['p50_ms']:.0f} ms, p95 {found[address]['p95_ms']:.0f} ms")
    return found


async def followed(serving: Serving, env: dict[str, str], times: int) -> list[float]:
    """Seconds from the record's confirmation by Kafka until an open page was told and shows it."""
    settings = KafkaSettings(bootstrap_servers=env["FLOODGATE_KAFKA_BOOTSTRAP_SERVERS"])
    producer = EventProducer(settings, AvroSerde(env["FLOODGATE_SCHEMA_REGISTRY_URL"]))
    found = []
    async with (
        httpx.AsyncClient(base_url=serving.url, timeout=60, trust_env=False) as http,
        http.stream("GET", "/events") as events,
    ):
        told = (line async for line in events.aiter_lines() if line.startswith("event:"))
        for _ in range(times):
            name = f"rest:live-{uuid4().hex}"
            said = Message(
                event_id=uuid4(), occurred_at=datetime.now(UTC), conversation_id=name,
                kind=MessageKind.USER_MESSAGE, channel="rest", contact_id="bench", text="Is anybody there?",
            )  # fmt: skip
            await producer.send("support.messages", name, said)
            began = time.monotonic()
            while await anext(told):
                if (await http.get("/conversation", params={"id": name})).status_code == 200:
                    break
            found.append(time.monotonic() - began)
    await producer.close()
    return found


def main() -> None:
    """The command."""
    parser = ArgumentParser(prog="python -m bench.console", description=__doc__)
    parser.add_argument("--count", type=int, default=1_000_000, help="records in the topics")
    parser.add_argument("--times", type=int, default=40, help="requests an address")
    parser.add_argument("--folder", type=Path, help="state of the stack and logs; by default a new one")
    parser.add_argument("--json", type=Path, help="keeps the figures there")
    arguments = parser.parse_args()
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="floodgate-bench-console-"))
    with stack_of_our_own(folder) as env:
        result = measured(env, arguments.count, arguments.times, folder / "console.log")
    if arguments.folder is None:
        shutil.rmtree(folder, ignore_errors=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    sys.stdout.write(told(result))


def measured(env: dict[str, str], count: int, times: int, log: Path) -> dict[str, Any]:
    """Everything that is asked of the console."""
    serde = AvroSerde(env["FLOODGATE_SCHEMA_REGISTRY_URL"])
    step = max(1_000, count // 20 // 1_000 * 1_000)
    say(f"writing {count:,} records")
    began = time.monotonic()
    written = fill(
        env["FLOODGATE_KAFKA_BOOTSTRAP_SERVERS"], serde, count, lambda so_far: _progress(so_far, count, step)
    )
    result: dict[str, Any] = {"records": written, "fill_seconds": round(time.monotonic() - began, 1)}
    result["rebuild"] = rebuilt(env)
    serving = Serving(env, log)
    try:
        serving.ready()
        result["pages"] = asked(serving, times)
        live = sorted(asyncio.run(followed(serving, env, 20)))
        result["live"] = {"p50_seconds": round(statistics.median(live), 2), "max_seconds": round(live[-1], 2)}
    finally:
        serving.stop()
    result["rss_mib"] = round(serving.rss_bytes / 2**20)
    result["machine"] = {"processors": os.cpu_count(), "load": os.getloadavg()[0], "python": platform.python_version()}
    return result


def _progress(so_far: int, count: int, step: int) -> None:
    if so_far % step == 0:
        say(f"{so_far:,} of {count:,}")


def told(result: dict[str, Any]) -> str:
    """The figures as a table, and what misses its bound."""
    rebuild, live = result["rebuild"], result["live"]
    lines = [
        f"{result['records']:,} records; the projection took {rebuild['seconds']} s "
        f"({rebuild['records_per_second']:,} a second, {rebuild['processor_seconds']} s of processor time)",
        "| address | first ms | p50 ms | p95 ms | console's processor ms |",
        "|---|---|---|---|---|",
    ]
    missed = []
    for address, figures in result["pages"].items():
        lines.append(f"| {address} | " + " | ".join(f"{value:.0f}" for value in figures.values()) + " |")
        if figures["p95_ms"] > BOUNDS["page_p95_ms"]:
            missed.append(f"{address}: p95 {figures['p95_ms']:.0f} ms")
    lines.append(f"live: p50 {live['p50_seconds']} s, at most {live['max_seconds']} s; {result['rss_mib']} MiB")
    if live["max_seconds"] > BOUNDS["live_seconds"]:
        missed.append(f"live: {live['max_seconds']} s")
    if result["rss_mib"] > BOUNDS["rss_mib"]:
        missed.append(f"memory: {result['rss_mib']} MiB")
    lines.append(f"missed: {'; '.join(missed)}" if missed else "every bound is kept")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
