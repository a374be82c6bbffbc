"""A transaction that the broker takes for ended without having written a marker is ended by the slot's next owner.

A crash between the first output of a transaction and its offsets is left out: the group's offsets are not held back
then, nobody notices, and the next commit to the same partition makes the lost outputs visible beside those that took
their place.
"""

from __future__ import annotations

import logging

import pytest
from support.crash_checks import verify
from support.crash_lab import Lab
from support.crash_points import crashes, run, steps
from support.crash_process import ERRORS, Fault
from support.crash_topics import GROUP, STATE

_OUTPUTS_ALONE = {"before produce", "after produce", "before send_offsets_to_transaction"}


def test_an_abort_without_markers_loses_and_doubles_nothing() -> None:
    known = steps()
    tried = [faults for faults in crashes() if known[faults[0].step - 1] not in _OUTPUTS_ALONE]
    assert len(tried) > 100
    for faults in tried[::3]:
        run(faults, forgets=[("abort", 0)])


def test_a_commit_without_markers_before_a_crash_loses_and_doubles_nothing() -> None:
    commits = [number for number, step in enumerate(steps(), 1) if step == "after commit_transaction"]
    assert len(commits) > 3
    for count, number in enumerate(commits):
        run(crashes()[number - 1], forgets=[("commit", count)])


def healed(fault: Fault | None = None) -> list[str]:
    """A table behind a forgotten transaction, and an engine that needs it; the steps of the first that tries."""
    lab = Lab(2)
    with lab.open():
        lab.fill([("ann", {"n": 0}), ("ben", {"n": 1})])
        lab.finish()
        lab.broker.forgets = frozenset({("abort", lab.broker.decided["abort"])})
        slot = f"{GROUP}-0"
        epoch = lab.broker.begin_epoch(slot)
        lost = lab.broker.begin(slot, epoch, 15_000)
        lab.broker.append(STATE, b"ann", b"{}", partition=0, transaction=lost)
        lab.broker.end(slot, epoch, committed=False)
        lab.pass_time(1.0)
        assert lab.unsettled() == [((STATE, 0), "open")]
        lives = lab.finish([fault] if fault else [])
        verify(lab)
    return lives[0].steps


def test_a_table_that_cannot_be_read_to_its_end_is_freed(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        healed()
    told = [record.getMessage().split()[0] for record in caplog.records if record.levelno >= logging.ERROR]
    assert told == ["keyflow.forgotten_transaction"]


@pytest.mark.parametrize("kind", ["crash", *sorted(ERRORS)])
def test_what_fails_while_it_is_freed_loses_and_doubles_nothing(kind: str) -> None:
    known = healed()
    first = max(number for number, step in enumerate(known, 1) if step == "before list_topics")
    last = min(n for n, step in enumerate(known, 1) if n > first and step == "after abort_transaction")
    assert last - first > 10
    for number in range(first, last + 1):
        healed(Fault(number, kind))
