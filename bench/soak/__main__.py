"""`make soak`: hours of messages and interactions with faults from time to time; what grows?"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from argparse import ArgumentParser, Namespace
from collections import defaultdict
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from confluent_kafka import KafkaException
from faults.services.site import Site, prepare
from floodgate_local.progress import PlainProgress
from floodgate_local.stack import Stack

from bench.soak.faults import Faults
from bench.soak.load import SteadyLoad
from bench.soak.plot import svg
from bench.soak.sampling import Sampler
from bench.soak.verdict import THRESHOLDS, Trend, trend

ROOT: Final = Path(__file__).resolve().parents[2]
_FOLDER: Final = ROOT / ".floodgate" / "soak"
_TELL_SECONDS: Final = 60.0
_STILL_SECONDS: Final = 300.0
"""Every fault is over sooner, and what it held up comes soon after."""
_DRAINED_SECONDS: Final = 300.0
"""After the last message: what is left to read by then has not been kept up with."""
_FORGOTTEN_SECONDS: Final = 900
"""State of a key is kept for days by design; here it is forgotten soon, or tables would grow and hide what leaks."""
_WARM_UP_SECONDS: Final = 1_800.0
"""Of each life: tables fill until the first key is forgotten, and one round of the six faults passes: the first of each
kind holds up more work than memory has seen, and the allocator keeps what it took for that."""
_WARM_UP_SHARE: Final = 0.25
"""Of a run that is too short for it."""
_STATEFUL: Final = ("FIREWALL", "AGENT", "DELIVERY", "SUMMARIZER")
_STARTED: Final = time.monotonic()


def say(text: str) -> None:
    """Progress, on standard error."""
    sys.stderr.write(f"[{time.monotonic() - _STARTED:6.0f} s] {text}\n")
    sys.stderr.flush()


def run(args: Namespace, seconds: float, ended: threading.Event) -> dict[str, Any]:
    """One soak on a stack of its own, for so long or until `ended` is set."""
    stack = Stack(args.state.absolute())
    try:
        stack.up(PlainProgress(sys.stderr), fresh=True)
        prepare(stack)
        forgetting = {f"FLOODGATE_{name}_STATE_TTL_SECONDS": str(_FORGOTTEN_SECONDS) for name in _STATEFUL}
        site = Site(stack, args.seed, stack.state_dir / "logs", say, **forgetting)
        try:
            site.start()
            return _soaked(site, args, seconds, ended)
        finally:
            site.stop()
    finally:
        stack.down()


def _soaked(site: Site, args: Namespace, seconds: float, ended: threading.Event) -> dict[str, Any]:
    load = SteadyLoad(site.env, site.follower.seen, str(args.seed), args.rate, args.interactions)
    sampler = Sampler(site.fleet)
    faults = Faults(site, args.seed, args.fault_seconds or min(300.0, seconds / 6), say)
    for part in (load, sampler, faults):
        part.start()
    say(f"soaking for {seconds / 60:.0f} minutes: {args.rate} messages/s, {args.interactions} interactions/s")
    began = time.monotonic()
    still = StandStill()
    while (left := began + seconds - time.monotonic()) > 0 and not ended.wait(min(left, _TELL_SECONDS)):
        load.check()
        outputs = site.outputs()
        say(f"{load.sent} sent, {outputs} outputs, {_memory(sampler)}, lag {_lag(site)}; {left / 60:.0f} min left")
        if still.seen(outputs, time.monotonic()):
            say(f"nothing has come out for {_STILL_SECONDS / 60:.0f} minutes: the soak ends here")
            break
    faults.stop()
    site.heal()
    load.stop()
    sampler.stop()
    minutes = round((time.monotonic() - began) / 60, 1)
    left_over, drained_seconds = _drained(site)
    ended = {"minutes": minutes, "stood_still": still.found, "drained_seconds": drained_seconds, "left_over": left_over}
    warm_up_seconds = min(_WARM_UP_SECONDS, minutes * 60 * _WARM_UP_SHARE)
    return _result(site, load, sampler, faults, warm_up_seconds) | ended


class StandStill:
    """Whether services that get work have stopped to give any: longer than every fault lasts.

    Attributes:
        found: Whether it was so at any time.
    """

    def __init__(self) -> None:
        self.found = False
        self._outputs = -1
        self._since = 0.0

    def seen(self, outputs: int, now: float) -> bool:
        """Takes note of how many outputs there are; whether nothing has come for too long."""
        if outputs != self._outputs:
            self._outputs, self._since = outputs, now
        self.found = self.found or now - self._since > _STILL_SECONDS
        return self.found


def _memory(sampler: Sampler) -> str:
    now = {name: measures["rss_mib"][-1][1] for (name, _), measures in sampler.series.items()}
    return ", ".join(f"{name} {mib:.0f} MiB" for name, mib in now.items())


def _result(site: Site, load: SteadyLoad, sampler: Sampler, faults: Faults, warm_up_seconds: float) -> dict[str, Any]:
    trends: list[Trend] = []
    for (name, _), measures in sampler.series.items():
        for measure, points in measures.items():
            found = trend(name, measure, [point for point in points if point[0] >= points[0][0] + warm_up_seconds])
            trends += [found] if found is not None else []
    judged = {(one.service, one.measure) for one in trends}
    missing = sorted({name for name, _ in sampler.series} - {name for name, _ in judged})
    return {
        "sent": load.sent,
        "refused_by_the_stand_in": load.refused,
        "outputs": site.outputs(),
        "ends_nobody_asked_for": site.fleet.exits,
        "warm_up_seconds": warm_up_seconds,
        "faults": faults.done,
        "thresholds": {name: asdict(threshold) for name, threshold in THRESHOLDS.items()},
        "trends": [asdict(one) | {"grows": one.grows} for one in trends],
        "not_judged": missing,
        "series": [{"service": name, "pid": pid, **measures} for (name, pid), measures in sampler.series.items()],
    }


def _lag(site: Site) -> dict[str, int] | None:
    """What is left to read, by processor; None where Kafka does not say."""
    try:
        return dict(site.reader.lag())
    except KafkaException:
        return None


def _drained(site: Site) -> tuple[dict[str, int] | None, float]:
    """Waits until all has been read; what is left, and how many seconds it took."""
    say("nothing more is sent; waiting for what is left to read")
    began = time.monotonic()
    while (left := _lag(site)) != {} and time.monotonic() - began < _DRAINED_SECONDS:
        time.sleep(1.0)
    return left, round(time.monotonic() - began, 1)


def picture(result: dict[str, Any], title: str) -> str:
    """The SVG of a result."""
    panels: dict[str, dict[str, list[list[tuple[float, float]]]]] = {
        measure: defaultdict(list) for measure in THRESHOLDS
    }
    for life in result["series"]:
        for measure in THRESHOLDS:
            panels[measure][life["service"]].append(life.get(measure, []))
    return svg(panels, result["faults"], title)


def table(result: dict[str, Any]) -> str:
    """The verdict as Markdown."""
    names = ("service", "measure", "minutes", "middle", "per_hour", "surely_per_hour", "rise", "grows")
    lines = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    lines += ["| " + " | ".join(str(row[name]) for name in names) + " |" for row in result["trends"]]
    grown = sum(row["grows"] for row in result["trends"])
    lines.append(f"\n{grown} of {len(result['trends'])} series grow; not judged: {result['not_judged'] or 'none'}")
    if result["stood_still"]:
        lines.append("The services stood still")
    lines += [f"Nobody asked for: {end}" for end in result["ends_nobody_asked_for"]]
    left_over, seconds = result["left_over"], result["drained_seconds"]
    said = "nothing is" if left_over == {} else f"{left_over or 'Kafka does not say what'} is"
    lines.append(f"{said} left to read {seconds:.0f} s after the last message")
    return "\n".join(lines) + "\n"


def failed(result: dict[str, Any]) -> bool:
    """Whether something grows, was not judged, stood still, ended by itself or was not kept up with."""
    short = (
        result["stood_still"] or result["not_judged"] or result["left_over"] != {} or result["ends_nobody_asked_for"]
    )
    return bool(short or any(row["grows"] for row in result["trends"]))


def ended_by_signal() -> threading.Event:
    """Set by the first SIGINT or SIGTERM: what was measured until then is judged. The next one ends it at once."""
    ended = threading.Event()

    def end(number: int, frame: object) -> None:
        if ended.is_set():
            sys.exit(128 + number)  # by an exception, so that what was started is stopped
        ended.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    return ended


def main() -> int:
    """Runs, prints the verdict, writes what was asked for; 1 where it failed."""
    parser = ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--hours", type=float, default=2.0)
    parser.add_argument("--minutes", type=float, help="in place of hours, for a trial")
    parser.add_argument("--rate", type=float, default=10.0, help="messages a second")
    parser.add_argument("--interactions", type=float, default=5.0, help="finished interactions a second")
    parser.add_argument("--seed", type=int, default=20261123)
    parser.add_argument("--fault-seconds", type=float, help="between two faults; at most 300 by default")
    parser.add_argument("--state", type=Path, default=_FOLDER, help="folder of the stack")
    parser.add_argument("--json", type=Path, help="write figures and samples here")
    parser.add_argument("--svg", type=Path, help="write the picture here")
    args = parser.parse_args()
    asked = args.minutes if args.minutes is not None else args.hours * 60
    result = run(args, asked * 60, ended_by_signal())
    result |= {"minutes_asked": asked, "rate": args.rate, "interactions": args.interactions, "seed": args.seed}
    result |= {"cpus": os.cpu_count(), "load": os.getloadavg()[0]}
    if args.json is not None:
        args.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    if args.svg is not None:
        load = f"{args.rate:g} messages/s, {args.interactions:g} interactions/s"
        title = f"{result['minutes']:.0f} minutes, {load}; grey: a fault"
        args.svg.write_text(picture(result, title), encoding="utf-8")
    sys.stdout.write(table(result))
    return 1 if failed(result) else 0


if __name__ == "__main__":
    raise SystemExit(main())
