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
from support.crash_topics import STATE

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


def test_a_table_that_cannot_be_read_to_its_end_is_freed(caplog: pytest.LogCaptureFixture) -> None:
    lab = Lab(2)
    with lab.open():
        lab.fill([("ann", {"n": 0}), ("ben", {"n": 1})])
        lab.finish()
        lab.broker.forgets = frozenset({("abort", lab.broker.decided["abort"])})
        transactional_id = "group-0"
        epoch = lab.broker.begin_epoch(transactional_id)
        lost = lab.broker.begin(transactional_id, epoch, 15_000)
        lab.broker.append(STATE, b"ann", b"{}", partition=0, transaction=lost)
        lab.broker.end(transactional_id, epoch, committed=False)
        lab.pass_time(1.0)
        assert lab.unsettled() == [((STATE, 0), "open")]
        with caplog.at_level(logging.ERROR):
            lab.finish()
        verify(lab)
    told = [record.getMessage().split()[0] for record in caplog.records if record.levelno >= logging.ERROR]
    assert told == ["keyflow.forgotten_transaction"]
