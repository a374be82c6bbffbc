"""Runs a small workload with faults at given steps; the workload has every kind of record that matters."""

from __future__ import annotations

import logging
import os
import random
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from support.crash_checks import verify
from support.crash_lab import Lab
from support.crash_process import ERRORS, Fault, Process

WORK: Final[Sequence[tuple[str, Any]]] = (
    ("ann", {"n": 0}),
    ("ben", {"n": 1, "slow": 0.4}),  # the others of its partition overtake it: the offset map is in use
    ("ann", {"n": 2, "outside": "fine"}),
    ("cat", {"n": 3, "retries": 1}),
    ("dan", b"broken"),
    ("ben", {"n": 5}),
    ("dan", {"n": 6, "outside": "loses its answer"}),
    ("ann", {"n": 7}),
    ("eve", {"n": 8, "poison": True}),
    ("eve", {"n": 9, "outside": "refuses"}),
    ("cat", {"n": 10}),
    ("dan", {"n": 11, "forget": True}),
)

SEED: Final = int(os.environ.get("FLOODGATE_FAULTS_SEED", "0"))
"""Of all that is left to chance; printed when something is found."""


def run(
    faults: Sequence[Fault] = (),
    seed: int = SEED,
    *,
    followed: bool = False,
    forgets: Iterable[tuple[str, int]] = (),
) -> list[Process]:
    """One workload, one process after the other, each with its fault; the lives that it took.

    Args:
        faults: One for each of the first processes.
        seed: Of what is left to chance.
        followed: Whether there is a followed topic beside the input.
        forgets: Which commits and aborts the broker takes for done without having written a marker.

    Raises:
        AssertionError: Something was lost, doubled, out of order, or two keepers of the truth disagree.
    """
    # What an engine logs about injected faults says nothing here, and costs a third of the time.
    logging.disable(logging.CRITICAL)
    try:
        lab = Lab(2, seed, followed=followed)
        lab.broker.forgets = frozenset(forgets)
        with lab.open():
            for number, (key, _) in enumerate(WORK if followed else ()):
                lab.tell(key, number)
            # Of a key that is forgotten the facts are too, and how many depends on which topic is read first.
            lab.fill([work for work in WORK if not followed or work[0] != "dan"])
            lives = lab.finish(faults)
            verify(lab)
        return lives
    finally:
        logging.disable(logging.NOTSET)


def steps(*, followed: bool = False) -> list[str]:
    """The steps of an undisturbed run, in order."""
    return run(followed=followed)[0].steps


def crashes(*, followed: bool = False) -> list[tuple[Fault, ...]]:
    """A crash at every step."""
    return [(Fault(number),) for number in range(1, len(steps(followed=followed)) + 1)]


def errors(kind: str) -> list[tuple[Fault, ...]]:
    """An error of one kind at every step where it can come up."""
    error = ERRORS[kind]
    found: list[tuple[Fault, ...]] = []
    for number, step in enumerate(steps(), 1):
        when, _, name = step.partition(" ")
        if name in error.calls and error.after == (when == "after"):
            found.append((Fault(number, kind),))
    return found


def crashes_in_recovery(every_first: Iterable[int]) -> Iterator[tuple[Fault, ...]]:
    """A crash at each of the given steps, then one at every step of the recovery from it."""
    for first in every_first:
        # A crash while it stops, with everything done, needs no recovery.
        for life in run([Fault(first)])[1:]:
            for second in range(1, len(life.steps) + 1):
                yield Fault(first), Fault(second)


def some_crashes_in_recovery(count: int, chance: random.Random) -> list[tuple[Fault, ...]]:
    """A sample of those, some with a third crash."""
    number = len(steps())
    return [tuple(Fault(chance.randint(1, number)) for _ in range(chance.choice((2, 2, 3)))) for _ in range(count)]


def try_all(cases: Iterable[tuple[Fault, ...]], seed: int = SEED, *, followed: bool = False) -> int:
    """Runs every case; how many there were.

    Raises:
        AssertionError: Names the first that fails, how many do, and the seed.
    """
    count = 0
    failed: list[tuple[tuple[Fault, ...], AssertionError]] = []
    for faults in cases:
        count += 1
        try:
            run(faults, seed, followed=followed)
        except AssertionError as error:
            failed.append((faults, error))
    if failed:
        faults, first = failed[0]
        known = steps(followed=followed)
        places = ", ".join(f"{fault.kind} at {fault.step} ({known[fault.step - 1]})" for fault in faults[:1])
        raise AssertionError(
            f"{len(failed)} of {count} fail, first {faults} ({places}), FLOODGATE_FAULTS_SEED={seed}: {first}"
        ) from first
    return count
