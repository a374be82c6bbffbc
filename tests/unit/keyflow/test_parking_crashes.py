"""Parking and redrive when a process dies between any two steps: nothing lost, nothing twice, order kept.

Engine and redrive run on the broker in memory, in virtual time (tests/support).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final

import pytest
from keyflow import Emit, FailedRecord, Headers, Processor
from keyflow.parking import PARKED_NUMBER_HEADER
from keyflow.redrive import Redrive, Returning
from support.crash_lab import Lab
from support.crash_process import Fault, Killed, Process
from support.crash_topics import DEAD, IN, OUT
from support.memory_producer import MemoryProducer

REDRIVE: Final = "redrive"
LEDGER: Final = "ledger"

WORK: Final = (
    ("ann", {"n": 0}),
    ("ann", {"n": 1, "poison": True}),
    ("ben", {"n": 2}),
    ("ann", {"n": 3, "outside": "fine"}),
    ("ann", {"n": 4}),
)
LATER: Final = (("ann", {"n": 5}), ("ben", {"n": 6}))
OF_ANN: Final = [0, 1, 3, "act-3", 4, 5, 7]

_MARKERS_SECONDS: Final = 2.0
"""After so long whoever reads committed records sees those of a commit that was answered."""


class ParkingLab(Lab):
    """A lab whose processor parks, and an operator who mends letters and sends them back."""

    def __init__(self) -> None:
        super().__init__(partitions=1)
        for topic in (REDRIVE, LEDGER):
            self.broker.create(topic, 1)

    def _processor(self, process: Process) -> Processor[int]:
        return replace(
            super()._processor(process),
            parking=True,
            redrive_topic=REDRIVE,
            on_poison=None,
            dead_letter=_dead_letter,
        )

    def unsettled(self) -> list[Any]:
        """What is not handled and committed yet, redriven records included."""
        offset, metadata = self.broker.offsets.get("group", {}).get((REDRIVE, 0), (0, ""))
        records = [at for at, _ in self.broker.logs[REDRIVE, 0].committed()]
        waits = bool(records and offset <= records[-1]) or bool(metadata)
        return [*super().unsettled(), *([REDRIVE] if waits else [])]

    def open_letters(self) -> list[dict[str, Any]]:
        """Letters that did not go back, in the order of their numbers."""
        known = {key for key, _ in self.committed(LEDGER)}
        letters = [letter for _, letter in self.committed(DEAD) if letter["id"] not in known]
        return sorted(letters, key=lambda letter: int(letter["number"]))

    def redrive(self, fault: Fault | None = None) -> Process:
        """One run of the command; it may die on the way."""
        process = Process(self, "operator", fault)

        def command() -> None:
            core = Redrive({}, LEDGER, "redrive", producer=_producer(self, process))
            core.fence()
            core.send(
                [_returning(letter) for letter in self.open_letters()], [key for key, _ in self.committed(LEDGER)]
            )

        run: Any = self.loop.run_in_executor  # any key does: every command has a thread of its own
        self.pass_time(_MARKERS_SECONDS)
        try:
            self.loop.run_until_complete(run(object(), command))
        except Killed:
            assert not process.alive
        self.pass_time(_MARKERS_SECONDS)
        return process


def _producer(lab: ParkingLab, process: Process) -> Callable[[dict[str, Any]], Any]:
    return lambda conf: MemoryProducer(lab.broker, conf, process)


def _dead_letter(failed: FailedRecord) -> Emit:
    letter = {
        "id": f"{failed.topic}/{failed.partition}/{failed.offset}",
        "key": (failed.raw_key or b"").decode(),
        "value": json.loads(failed.raw_value or b"null"),
        "number": dict(failed.headers)[PARKED_NUMBER_HEADER].decode(),
    }
    return Emit(DEAD, letter["key"], letter)


def _returning(letter: dict[str, Any]) -> Returning:
    mended = {name: value for name, value in letter["value"].items() if name != "poison"}
    headers: Headers = ((PARKED_NUMBER_HEADER, letter["number"].encode()),)
    value = json.dumps(mended).encode()
    return Returning(letter["id"], b'"sent"', REDRIVE, letter["key"].encode(), value, headers, IN)


@contextmanager
def quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


def go_through(at: str = "", fault: Fault | None = None) -> dict[str, Process]:
    """Parks a key, sends its letters back while new records come in, until it is free; the first process of each part.

    Raises:
        AssertionError: Something was lost, handled twice, or out of order.
    """

    def faults(part: str) -> list[Fault]:
        return [fault] if fault is not None and part == at else []

    lab = ParkingLab()
    with quiet(), lab.open():
        lab.fill(WORK)
        lives = {"parks": lab.finish(faults("parks"))[0]}
        assert [letter["number"] for letter in lab.open_letters()] == ["0", "1", "2"]
        lives["redrives"] = lab.redrive(*faults("redrives"))
        lab.redrive()
        lab.fill(LATER)
        lives["releases"] = lab.finish(faults("releases"))[0]
        for _ in range(3):  # what came in while the key was parked has become a letter too
            lab.redrive()
            lab.finish()
        lab.fill([("ann", {"n": 7})])
        lab.finish()
        verify(lab)
    return lives


def verify(lab: ParkingLab) -> None:
    outputs: dict[str, list[Any]] = {}
    for key, value in lab.committed(OUT):
        outputs.setdefault(key, []).append(value.get("n", value.get("effect")))
    assert outputs == {"ann": OF_ANN, "ben": [2, 6]}
    assert [value["count"] for key, value in lab.committed(OUT) if key == "ann" and "count" in value] == [*range(1, 7)]
    assert lab.open_letters() == []
    assert lab.folded()["ann"].parked is None
    ids = [key for key, _ in lab.committed(LEDGER)]
    assert len(ids) == len(set(ids)) == len(lab.committed(REDRIVE))
    assert lab.outside.done.keys() == {"act-3"}
    assert not lab.loop.unhandled, lab.loop.unhandled


@pytest.mark.parametrize("part", ["parks", "redrives", "releases"])
def test_a_crash_at_any_step_of_parking_redrive_and_release_loses_and_doubles_nothing(part: str) -> None:
    steps = go_through()[part].steps
    assert {"before begin_transaction", "after commit_transaction"} <= set(steps)
    for number in range(1, len(steps) + 1):
        try:
            go_through(part, Fault(number))
        except AssertionError as error:
            raise AssertionError(f"a crash at step {number} ({steps[number - 1]}) while it {part}: {error}") from error
