"""`make bench-summarizer`: the summarizer's pipeline against an endpoint that answers like a model, and with faults."""

from __future__ import annotations

import asyncio
import json
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import httpx
import psutil
from floodgate.events.serde import AvroSerde
from floodgate.service import EventProducer
from floodgate.settings import KafkaSettings
from floodgate_local.progress import PlainProgress
from floodgate_local.stack import Stack

from bench.summarizer.audit import Audit
from bench.summarizer.endpoint import MEAN_SECONDS
from bench.summarizer.interactions import interactions

ROOT: Final = Path(__file__).resolve().parents[2]
_FOLDER: Final = ROOT / ".floodgate" / "bench-summarizer"
FAULTS: Final = {"throttled": 0.02, "failing": 0.01, "malformed": 0.01, "breaking": 0.005}
# From so many seconds after the first call on, for so many seconds.
_OUTAGE: Final = (20.0, 60.0)
_QUICK_OUTAGE: Final = (5.0, 10.0)
_A_YEAR: Final = 1_300_000
_STARTED: Final = time.monotonic()


def say(text: str) -> None:
    """Progress, on standard error."""
    sys.stderr.write(f"[{time.monotonic() - _STARTED:5.0f} s] {text}\n")
    sys.stderr.flush()


@contextmanager
def stack_of_our_own() -> Iterator[dict[str, str]]:
    """Kafka, registry and feature store for the time of the run."""
    stack = Stack(_FOLDER / "stack", only=["kafka", "apicurio", "featurestore"])
    say("starting Kafka, the schema registry and the feature store")
    try:
        stack.up(PlainProgress(sys.stderr), fresh=True)
        env = {**os.environ, **stack.env(), "FLOODGATE_CATALOGUE_DIR": str(ROOT / "catalogue")}
        for command in (["topics", "apply"], ["schemas", "register"], ["features", "setup"]):
            _floodgate(command, env)
        yield env
    finally:
        stack.down(purge=True)


def _floodgate(command: list[str], env: dict[str, str]) -> None:
    program = Path(sys.executable).parent / "floodgate"
    subprocess.run([str(program), *command], env=env, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 (ours)


def run(
    env: dict[str, str], *, count: int, in_flight: int, processes: int, outage: tuple[float, float] | None
) -> dict[str, Any]:
    """One row of the table; with an outage the other faults come too, and the rate leaves its seconds out."""
    name = uuid4().hex[:8]
    serde = AvroSerde(env["FLOODGATE_SCHEMA_REGISTRY_URL"])
    made = list(interactions(count, name))
    servers = env["FLOODGATE_KAFKA_BOOTSTRAP_SERVERS"]
    asyncio.run(_hand_in(servers, serde, made))
    audit = Audit({str(one.interaction_id) for one in made}, serde)
    mix = {**FAULTS, "outage": outage} if outage else {}
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    log = _FOLDER / f"{name}.log"
    with log.open("wb") as output:
        endpoint = _started(
            [sys.executable, "-m", "bench.summarizer.endpoint", str(port), json.dumps(mix)], env, output
        )
        workers = [
            _started([sys.executable, "-m", "summarizer"], _of_worker(env, url, in_flight, number), output)
            for number in range(processes)
        ]
        began = time.monotonic()
        try:
            started: list[tuple[int, float]] = []

            def note() -> None:
                started.append((len(audit.records), sum(map(_cpu_seconds, workers))))

            audit.follow(servers, within_seconds=150.0 if outage else 60.0, on_first=note)
            seconds = time.monotonic() - began
            # Imports and the first look at the catalogue are over with the first result.
            there, before = started[0] if started else (0, 0.0)
            used = sum(map(_cpu_seconds, workers)) - before
            said = httpx.get(url, trust_env=False).json()
        finally:
            for process in (*workers, endpoint):
                process.terminate()
            for process in (*workers, endpoint):
                process.wait(30)
    out_of_reach = outage[1] if outage else 0.0
    rate, ideal = audit.rate(out_of_reach), in_flight * processes / said["mean_seconds"]
    return {
        "processes": processes,
        "in_flight": in_flight,
        "faults": outage is not None,
        "outage_seconds": out_of_reach,
        **audit.figures(),
        "rate_per_second": round(rate, 1),
        "ideal_per_second": round(ideal, 1),
        "share_of_ideal": round(rate / ideal, 3),
        "hours_for_a_year": round(_A_YEAR / rate / 3600, 2) if rate else None,
        "mean_model_seconds": round(said["mean_seconds"], 3),
        "most_in_flight": said["most_in_flight"],
        "endpoint": said["counts"],
        "cpu_ms_per_interaction": round(1000 * used / max(count - there, 1), 2),
        "cost_usd_per_interaction": round(audit.cost_usd / max(len(audit.records), 1), 6),
        "seconds": round(seconds, 1),
    }


def _of_worker(env: dict[str, str], url: str, in_flight: int, number: int) -> dict[str, str]:
    return {
        **env,
        "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": url,
        "FLOODGATE_BEDROCK_MAX_IN_FLIGHT": str(in_flight),
        "FLOODGATE_KAFKA_MAX_IN_FLIGHT": str(in_flight),
        "FLOODGATE_KAFKA_INSTANCE": str(number),
    }


def _started(command: list[str], env: dict[str, str], output: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, env=env, cwd=ROOT, stdout=output, stderr=output)  # noqa: S603 (ours)


def _cpu_seconds(process: subprocess.Popen[bytes]) -> float:
    times = psutil.Process(process.pid).cpu_times()
    return float(times.user + times.system)


async def _hand_in(servers: str, serde: AvroSerde, made: list[Any]) -> None:
    producer = EventProducer(KafkaSettings(bootstrap_servers=servers), serde)
    for start in range(0, len(made), 500):
        await asyncio.gather(
            *(producer.send("support.interactions", str(one.interaction_id), one) for one in made[start : start + 500])
        )
    await producer.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def main() -> int:
    """Runs the rows, prints the table, writes JSON."""
    parser = ArgumentParser(prog="make bench-summarizer", description=__doc__)
    parser.add_argument("--count", type=int, default=8_000, help="interactions in a row without faults")
    parser.add_argument(
        "--quick", action="store_true", help="the first row and the faults alone, with fewer interactions"
    )
    parser.add_argument("--json", type=Path, help="write the figures here")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # so that what was started is stopped
    _FOLDER.mkdir(parents=True, exist_ok=True)
    count = args.count // 2 if args.quick else args.count
    plan: list[dict[str, Any]] = [{"in_flight": 256, "processes": 1, "outage": None, "count": count}]
    if not args.quick:
        plan += [
            {"in_flight": 256, "processes": 2, "outage": None, "count": 2 * count},
            {"in_flight": 512, "processes": 1, "outage": None, "count": 2 * count},
        ]
    plan.append({"in_flight": 256, "processes": 1, "outage": _QUICK_OUTAGE if args.quick else _OUTAGE, "count": count})
    rows = []
    with stack_of_our_own() as env:
        for wanted in plan:
            say(f"running {wanted}")
            rows.append(run(env, **wanted))
            say(json.dumps(rows[-1]))
    shutil.rmtree(_FOLDER / "stack", ignore_errors=True)
    result = {
        "rows": rows,
        "model": f"an endpoint that answers valid records after {MEAN_SECONDS:.2f} s on average; no model is measured",
        "cpus": os.cpu_count(),
        "load": os.getloadavg()[0],
        "python": platform.python_version(),
    }
    if args.json is not None:
        args.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    sys.stdout.write(_table(rows))
    hit = rows[-1]["endpoint"].get("outage", 0)
    if not hit:
        say("no call met the outage: its row says nothing of it; raise --count")
    return 0 if hit and all(row["accounted_for"] == 1.0 and row["duplicates"] == 0 for row in rows) else 1


def _table(rows: list[dict[str, Any]]) -> str:
    names = (
        "processes", "in_flight", "faults", "outage_seconds", "interactions", "rate_per_second", "share_of_ideal",
        "cpu_ms_per_interaction", "accounted_for", "valid_share", "repaired", "dead_letters", "duplicates",
    )  # fmt: skip
    lines = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    lines += ["| " + " | ".join(str(row[name]) for name in names) + " |" for row in rows]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    raise SystemExit(main())
