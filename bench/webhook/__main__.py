"""`make bench-webhook`: Intercom's webhook endpoint on one core, with the real Kafka, and forged requests."""

from __future__ import annotations

import json
import os
import platform
import signal
import socket
import subprocess
import sys
import time
import uuid
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import psutil
from confluent_kafka import Consumer, TopicPartition
from floodgate_local.progress import PlainProgress
from floodgate_local.stack import Stack

from bench.webhook.requests import EXPECTED, KINDS

ROOT: Final = Path(__file__).resolve().parents[2]
_FOLDER: Final = ROOT / ".floodgate" / "bench-webhook"
_SECRET: Final = "a client secret of the benchmark"  # noqa: S105 (invented)
_TOPIC: Final = "support.messages"
_CONNECTIONS: Final = 64
_TARGET_P99_MS: Final = 50.0
_STARTED: Final = time.monotonic()


def say(text: str) -> None:
    """Progress, on standard error."""
    sys.stderr.write(f"[{time.monotonic() - _STARTED:5.0f} s] {text}\n")
    sys.stderr.flush()


@contextmanager
def kafka_of_our_own(folder: Path, *, whole: bool) -> Iterator[dict[str, str]]:
    """Kafka and the registry for the time of the run, with topics and schemas."""
    stack = Stack(folder / "stack", only=["kafka", "apicurio", *(["opensearch"] if whole else [])])
    try:
        stack.up(PlainProgress(sys.stderr), fresh=True)
        env = {**os.environ, **stack.env()}
        for command in (["topics", "apply"], ["schemas", "register"]):
            program = [sys.executable, "-m", "floodgate.cli.main", *command]
            subprocess.run(program, env=env, check=True, stdout=sys.stderr)  # noqa: S603 (ours)
        yield env
    finally:
        stack.down(purge=True)


@contextmanager
def ingest(env: dict[str, str], form: str, core: int | None, log: Path) -> Iterator[tuple[psutil.Process, int]]:
    """The service, pinned to a core; its process and its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    settings = {
        "FLOODGATE_CATALOGUE_DIR": str(ROOT / "catalogue"),
        "FLOODGATE_INGEST_PORT": str(port),
        "FLOODGATE_INGEST_RECONCILE_INTERVAL_SECONDS": "0",
        "FLOODGATE_INGEST_SQS_QUEUE_URL": "",
        "FLOODGATE_INTERCOM_TOKEN": "invented",
        "FLOODGATE_INTERCOM_CLIENT_SECRET": _SECRET,
        "FLOODGATE_INTERCOM_BOT_ADMIN_ID": "9001",
        "FLOODGATE_PSEUDONYM_KEY": "a key of at least sixteen bytes",
        "FLOODGATE_KAFKA_START_OVER": "1",
    }
    # Only the processors write there, and only with --whole; the endpoint never does.
    settings["FLOODGATE_OPENSEARCH_URL"] = env.get("FLOODGATE_OPENSEARCH_URL", "http://127.0.0.1:9")
    with log.open("wb") as out:
        command = [sys.executable, "-m", "bench.webhook.server", form]
        started = subprocess.Popen(  # noqa: S603 (ours)
            command, env={**env, **settings}, cwd=ROOT, stdout=out, stderr=out
        )
    process = psutil.Process(started.pid)
    if core is not None:
        process.cpu_affinity([core])
    try:
        _await(started, f"http://127.0.0.1:{port}/healthz", log)
        yield process, port
    finally:
        started.terminate()
        started.wait(40)


def _await(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        try:
            if httpx.get(url, timeout=2.0, trust_env=False).is_success:
                return
        except httpx.HTTPError:
            time.sleep(0.1)
    raise SystemExit(f"ingest did not start:\n{log.read_text(encoding='utf-8')[-2000:]}")


def row(
    env: dict[str, str],
    process: psutil.Process,
    port: int,
    kind: str,
    *,
    rate: float,
    count: int,
    core: int | None,
) -> dict[str, Any]:
    """One kind of request at one rate: what it cost the server, and what its callers waited."""
    before_end = _ends(env)
    before = _cpu_seconds(process)
    command = [sys.executable, "-m", "bench.webhook.generator", "127.0.0.1", str(port), kind, str(rate), str(count)]
    command += [str(_CONNECTIONS), uuid.uuid4().hex[:8]]
    if core is not None:
        command = ["taskset", "-c", str(core), *command]
    secret = {"WEBHOOK_SECRET": _SECRET}
    done = subprocess.run(command, env={**env, **secret}, cwd=ROOT, capture_output=True, check=True)  # noqa: S603 (ours)
    used = _cpu_seconds(process) - before
    said = json.loads(done.stdout)
    taken = said["statuses"].get(str(EXPECTED[kind]), 0)
    return {
        "kind": kind,
        "asked_per_second": rate,
        "requests": count,
        "answered_per_second": round(count / said["seconds"], 1),
        "as_expected": taken,
        "in_kafka": _ends(env) - before_end,
        "p50_ms": round(said["p50_ms"], 2),
        "p99_ms": round(said["p99_ms"], 2),
        "most_ms": round(said["most_ms"], 1),
        "cpu_ms_per_request": round(1000 * used / count, 3),
        "statuses": said["statuses"],
    }


def _cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _ends(env: dict[str, str]) -> int:
    consumer = Consumer({"bootstrap.servers": env["FLOODGATE_KAFKA_BOOTSTRAP_SERVERS"], "group.id": "bench-ends"})
    try:
        numbers = consumer.list_topics(_TOPIC, timeout=20).topics[_TOPIC].partitions
        return sum(consumer.get_watermark_offsets(TopicPartition(_TOPIC, number), timeout=20)[1] for number in numbers)
    finally:
        consumer.close()


def main() -> int:
    """Runs the rows, prints the table; 1 where an answer is not what it should be."""
    parser = ArgumentParser(prog="make bench-webhook", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a fifth of the requests")
    parser.add_argument("--rate", type=float, default=1000.0, help="requests a second")
    parser.add_argument("--whole", action="store_true", help="with ingest's processors in the same process")
    parser.add_argument("--folder", type=Path, default=_FOLDER, help="where the servers' files go")
    parser.add_argument("--json", type=Path, help="write the figures here")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # so that what was started is stopped
    args.folder.mkdir(parents=True, exist_ok=True)
    # The server has a core to itself, as far as the machine lets it; everything else shares the others.
    cores = sorted(os.sched_getaffinity(0))
    server_core, other = (cores[0], cores[-1]) if len(cores) > 1 else (None, None)
    count = int(args.rate * (6 if args.quick else 30))
    with kafka_of_our_own(args.folder.absolute(), whole=args.whole) as env:
        form = "whole" if args.whole else "edge"
        with ingest(env, form, server_core, args.folder / "ingest.log") as (process, port):
            say("warming up")
            row(env, process, port, "accepted", rate=args.rate / 2, count=int(args.rate), core=other)
            rows = []
            for kind in KINDS:
                rows.append(row(env, process, port, kind, rate=args.rate, count=count, core=other))
                say(json.dumps(rows[-1]))
    result = {"rows": rows, "form": form, "cpus": os.cpu_count(), "load": os.getloadavg()[0]}
    result |= {"python": platform.python_version()}
    if args.json is not None:
        args.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    sys.stdout.write(_table(rows))
    return 0 if all(one["as_expected"] == one["requests"] for one in rows) else 1


def _table(rows: list[dict[str, Any]]) -> str:
    names = ("kind", "answered_per_second", "as_expected", "in_kafka", "p50_ms", "p99_ms", "cpu_ms_per_request")
    lines = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    lines += ["| " + " | ".join(str(row[name]) for name in names) + " |" for row in rows]
    slow = [row["kind"] for row in rows if row["p99_ms"] > _TARGET_P99_MS]
    return "\n".join(lines) + f"\n\nover {_TARGET_P99_MS:.0f} ms at the 99th percentile: {', '.join(slow) or 'none'}\n"


if __name__ == "__main__":
    raise SystemExit(main())
