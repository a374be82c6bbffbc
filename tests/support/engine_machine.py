"""A stateful model: any sequence of inputs, finishes, commits, crashes, restarts, rebalances, aborts and expiries."""

from __future__ import annotations

import logging
from typing import Any, Final

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from support.crash_checks import committed_so_far, verify
from support.crash_lab import Lab
from support.crash_process import ERRORS, Fault, Process

_KEYS: Final = ("ann", "ben", "cat", "dan", "eve", "flo")
_SLOTS: Final = ("0", "1")
_PLAIN: Final[dict[str, Any]] = {}
_KINDS: Final[tuple[dict[str, Any], ...]] = (
    _PLAIN,
    _PLAIN,
    {"gate": True},
    {"gate": True},
    {"gate": True, "outside": "fine"},
    {"poison": True},
    {"retries": 2},
    {"outside": "fine"},
    {"outside": "busy"},
    {"outside": "loses its answer"},
    {"outside": "refuses"},
    {"forget": True},
)

slots = st.sampled_from(_SLOTS)
soon = st.integers(1, 40)


class EngineMachine(RuleBasedStateMachine):
    """Two slots, six keys, four partitions. A gated record finishes when the rule `finish` says so."""

    def __init__(self) -> None:
        super().__init__()
        self.running: dict[str, Process] = {}

    @initialize(
        seed=st.integers(0, 2**16),
        protocol=st.sampled_from(("classic", "consumer")),
        in_flight=st.sampled_from((2, 256)),
        buffered=st.sampled_from((6, 32_768)),
    )
    def begin(self, seed: int, protocol: str, in_flight: int, buffered: int) -> None:
        logging.disable(logging.CRITICAL)
        self.lab = Lab(
            4,
            seed,
            group_protocol=protocol,
            max_in_flight=in_flight,
            max_buffered=buffered,
            session_timeout_ms=2_000,
            stop_deadline_seconds=0.5,
            revoke_deadline_seconds=0.5,
        )
        self._open = self.lab.open()
        self._open.__enter__()
        self.running["0"] = self.lab.start("0")

    # What comes in, and when it is finished

    @rule(key=st.sampled_from(_KEYS), kind=st.sampled_from(_KINDS), count=st.integers(1, 3))
    def write(self, key: str, kind: dict[str, Any], count: int) -> None:
        first = len(self.lab.inputs)
        self.lab.fill([(key, {"n": number, **kind}) for number in range(first, first + count)])

    @rule()
    def write_broken(self) -> None:
        self.lab.fill([("ann", b"broken")])

    @precondition(lambda self: any(not gate.is_set() for gate in self.lab.gates.values()))
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        waiting = sorted(number for number, gate in self.lab.gates.items() if not gate.is_set())
        self.lab.gates[data.draw(st.sampled_from(waiting))].set()
        self.lab.pass_time(0.01)

    @rule(seconds=st.sampled_from((0.01, 0.1, 0.5, 3.0)))
    def go_on(self, seconds: float) -> None:
        self.lab.pass_time(seconds)

    # What goes wrong

    @rule(slot=slots)
    def start(self, slot: str) -> None:
        process = self.running.get(slot)
        if process is None or process.task is None or process.task.done():
            self.running[slot] = self.lab.start(slot)
        self.lab.pass_time(0.05)

    @rule(slot=slots)
    def start_in_a_slot_that_is_taken(self, slot: str) -> None:
        self.running[slot] = self.lab.start(slot)
        self.lab.pass_time(0.05)

    @precondition(lambda self: self.running)
    @rule(slot=slots)
    def crash(self, slot: str) -> None:
        if process := self.running.pop(slot, None):
            process.kill()
            self.lab.wait(process)

    @precondition(lambda self: self.running)
    @rule(slot=slots, after=soon, kind=st.sampled_from(("crash", *sorted(ERRORS))))
    def fail_soon(self, slot: str, after: int, kind: str) -> None:
        if process := self.running.get(slot):
            process.fault = Fault(len(process.steps) + after, kind)

    @precondition(lambda self: self.running)
    @rule(slot=slots)
    def stop(self, slot: str) -> None:
        if process := self.running.pop(slot, None):
            self.lab.stop(process)

    @precondition(lambda self: self.running)
    @rule(slot=slots, seconds=st.sampled_from((0.0, 1.0, 5.0)))
    def lose_membership(self, slot: str, seconds: float) -> None:
        if process := self.running.get(slot):
            process.freeze(seconds)
            process.expire()

    @precondition(lambda self: self.running)
    @rule(slot=slots)
    def outlive_a_transaction(self, slot: str) -> None:
        if process := self.running.get(slot):
            process.freeze(20.0)

    @rule(seconds=st.integers(-3600, 3600))
    def let_the_clock_jump(self, seconds: int) -> None:
        self.lab.clock_ahead_ms += seconds * 1000

    # What must hold

    @invariant()
    def nothing_is_doubled_or_out_of_order(self) -> None:
        if hasattr(self, "lab"):
            committed_so_far(self.lab)

    def teardown(self) -> None:
        if not hasattr(self, "lab"):
            return
        try:
            for gate in self.lab.gates.values():
                gate.set()
            self.lab.open_gates = True
            # Those whose slot was taken too: one that was frozen since before would take it back.
            for process in self.lab.started:
                if process.alive:
                    self.lab.stop(process)
            self.lab.finish()
            verify(self.lab)
        finally:
            self._open.__exit__(None, None, None)
            logging.disable(logging.NOTSET)
