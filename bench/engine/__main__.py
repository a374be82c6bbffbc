"""`make bench-engine`: the engine beside its peers, in one run on one broker and the same data."""

from __future__ import annotations

import json
import os
import platform
import signal
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from confluent_kafka import KafkaException
from floodgate_local.errors import StackError
from floodgate_local.progress import PlainProgress
from floodgate_local.stack import Stack

from bench.engine import restore
from bench.engine.broker import Broker
from bench.engine.environments import ROOT, versions
from bench.engine.latency import LatencyWorkload
from bench.engine.plot import svg
from bench.engine.process import ContenderError
from bench.engine.report import Table, figures
from bench.engine.roster import LIMIT, OURS, ROSTER, Peer
from bench.engine.workloads import Comparison, Row, not_run, workloads

_FOLDER: Final = ROOT / ".floodgate" / "bench"
_QUICK_WORKLOADS: Final = ("model_bound_256", "overhead", "latency")
_WORKLOADS: Final = ("model_bound_256", "model_bound_1024", "overhead", "latency", "backlog", "restore")
_STARTED: Final = time.monotonic()


def say(text: str) -> None:
    """Progress, on standard error."""
    sys.stderr.write(f"[{time.monotonic() - _STARTED:5.0f} s] {text}\n")
    sys.stderr.flush()


@contextmanager
def kafka(servers: str | None) -> Iterator[str]:
    """The broker that was named, or one of our own for the time of the run."""
    if servers:
        yield servers
        return
    stack = Stack(_FOLDER / "stack", only=["kafka"])
    say("starting a Kafka for this run")
    try:
        stack.up(PlainProgress(sys.stderr), fresh=True)
        yield stack.env()["FLOODGATE_KAFKA_BOOTSTRAP_SERVERS"]
    finally:
        stack.down(purge=True)


def run(broker: Broker, args: Namespace, peers: Sequence[Peer]) -> Iterator[Table]:
    """One table after the other."""
    chosen = args.workloads or (_QUICK_WORKLOADS if args.quick else _WORKLOADS)
    known = {workload.name: workload for workload in workloads(args.scale, args.quick)}
    for number, name in enumerate(chosen, 1):

        def tell(text: str, at: str = f"{number}/{len(chosen)} {name}") -> None:
            say(f"{at} · {text}")

        taking_part = [peer for peer in peers if name in peer.workloads]
        if name == "latency":
            seconds = 6 if args.quick else 15
            workload = LatencyWorkload(max(round(seconds * min(args.scale * 4, 1)), 2))
            yield _filled(Table(name, workload.title), workload.rows(broker, taking_part, tell), tell)
        elif name == "restore":
            keys = max(int(100_000 * args.scale), 1000)
            title = f"Restore: {keys:,} keys with {restore.STATE_BYTES:,} bytes of state"
            yield _filled(Table(name, title), _restored(broker, keys, peers), tell)
        else:
            comparison = Comparison(known[name], broker, tell)
            yield _filled(Table(name, known[name].title), comparison.rows(taking_part), tell)


def _restored(broker: Broker, keys: int, peers: Sequence[Peer]) -> Iterator[Row]:
    for peer in peers:
        if peer.name == OURS:
            try:
                yield restore.row(broker, keys)
            except ContenderError as error:
                yield not_run(peer, str(error))


def _filled(table: Table, rows: Iterator[Row], tell: Any) -> Table:
    for row in rows:
        table.rows.append(row)
        rate = row.get("records_per_second")
        tell(f"{row['contender']}: {row.get('not_run') or (f'{rate:,.0f} records/s' if rate else 'done')}")
    print(table.markdown(), flush=True)  # noqa: T201  # the output
    return table


def faults_of_ours(tables: Sequence[Table]) -> list[str]:
    """What must not be: ours lost, doubled or disordered something, or did not run."""
    found = []
    for table in tables:
        for row in table.rows:
            if row["contender"] == OURS:
                found += [f"{table.name}: not run: {row['not_run']}"] if "not_run" in row else []
                wrong = {name: row[name] for name in ("order_violations", "duplicates", "lost") if row[name]}
                found += [f"{table.name}: {count} {name}" for name, count in wrong.items()]
    return found


def about(args: Namespace) -> dict[str, Any]:
    """Where and how the figures were taken."""
    return {
        "cores": os.cpu_count(),
        "load_before": os.getloadavg()[0],
        "python": platform.python_version(),
        "versions": {"keyflow": [f"confluent-kafka=={version('confluent-kafka')}"], **versions()},
        "quick": args.quick,
        "ideal": "model-bound: every slot always busy, or the longest key one after the other, which those who keep no "
        "order may beat; overhead: the limit's loop in this run",
        "measured": "from the first record in the handler until a read-committed reader could read the last output; "
        "CPU of the process and its children in that time",
        "scale": args.scale,
    }


def arguments() -> Namespace:
    """The command line; `make bench-engine` gives it from its variables."""

    def names(text: str) -> list[str]:
        return [name for name in text.split(",") if name]

    parser = ArgumentParser(prog="bench-engine")
    parser.add_argument("--kafka", help="host:port of a broker that may be filled; otherwise one is started")
    parser.add_argument("--only", type=names, default=[], help=", ".join(peer.name for peer in ROSTER))
    parser.add_argument("--workloads", type=names, default=[], help=", ".join(_WORKLOADS))
    parser.add_argument("--quick", action="store_true", help="ours and the limit alone, in less than a minute")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the records, to try the harness out")
    parser.add_argument("--json", type=Path, default=_FOLDER / "engine.json", help="tables and plot lie beside it")
    args = parser.parse_args()
    for name in args.only:
        if not chosen_peers([name], quick=False):
            parser.error(f"there is no {name!r}; known are {', '.join(peer.name for peer in ROSTER)}")
    for name in args.workloads:
        if name not in _WORKLOADS:
            parser.error(f"there is no {name!r}; known are {', '.join(_WORKLOADS)}")
    return args


def chosen_peers(only: Sequence[str], *, quick: bool) -> list[Peer]:
    """Those that were named, variants included: "quix" is all that begin with it."""
    if not only:
        return [peer for peer in ROSTER if not quick or peer.name in (OURS, LIMIT)]
    return [peer for peer in ROSTER if any(f"{peer.name}-".startswith(f"{name}-") for name in only)]


def main() -> int:
    """Runs it; 1 when ours lost, doubled or disordered a record."""
    args = arguments()
    # What was started is stopped then, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    peers = chosen_peers(args.only, quick=args.quick)
    context, tables = about(args), []
    with kafka(args.kafka) as servers:
        broker = Broker(servers)
        try:
            for table in run(broker, args, peers):
                tables.append(table)
                _write(args.json, tables, context)
        finally:
            broker.clear()
    say(f"written: {args.json}, {args.json.with_suffix('.md').name}, {args.json.with_suffix('.svg').name}")
    faults = faults_of_ours(tables)
    for fault in faults:
        sys.stderr.write(f"error: {OURS}: {fault}\n")
    return 1 if faults else 0


def _write(path: Path, tables: Sequence[Table], context: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(figures(tables, context), indent=2) + "\n", encoding="utf-8")
    path.with_suffix(".md").write_text("\n".join(table.markdown() for table in tables), encoding="utf-8")
    path.with_suffix(".svg").write_text(svg(tables), encoding="utf-8")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (StackError, KafkaException) as failure:
        sys.exit(f"error: {failure}")
    except KeyboardInterrupt:
        sys.exit(130)
