"""Engines that join, leave and die at random while records come in: partitions change hands in every state."""

from __future__ import annotations

import logging
import random
from typing import Any, Final

from support.crash_checks import verify
from support.crash_lab import Lab
from support.crash_process import ERRORS, Fault, Process

_ROUNDS: Final = 12
_SLOTS: Final = 3
_KEYS: Final = 16
_OUTSIDE: Final = ("fine", "busy", "loses its answer", "refuses", "takes long")


def records(chance: random.Random, first: int, count: int) -> list[tuple[str, Any]]:
    """So many inputs of every kind, numbered from `first`."""
    made: list[tuple[str, Any]] = []
    for number in range(first, first + count):
        asked: dict[str, Any] = {"n": number}
        if chance.random() < 0.3:
            asked["slow"] = chance.random() * 0.5
        if chance.random() < 0.05:
            asked["poison"] = True
        elif chance.random() < 0.2:
            asked["outside"] = chance.choice(_OUTSIDE)
        made.append((f"key-{chance.randrange(_KEYS)}", asked))
    return made


def come_and_go(seed: int, **config: Any) -> None:
    """One random history, then one engine that finishes everything.

    Raises:
        AssertionError: Something was lost, doubled, out of order, or two keepers of the truth disagree.
    """
    logging.disable(logging.CRITICAL)
    try:
        chance = random.Random(seed)
        followed = chance.random() < 0.5
        parking = not followed and chance.random() < 0.5
        lab = Lab(4, seed, followed=followed, parking=parking, **{**_some_bounds(chance), **config})
        with lab.open():
            slots: dict[int, list[Process]] = {slot: [] for slot in range(_SLOTS)}
            for number in range(_ROUNDS):
                for fact in range(chance.randint(0, 4) if followed else 0):
                    lab.tell(f"key-{chance.randrange(_KEYS)}", number * 10 + fact)
                lab.fill(records(chance, len(lab.inputs), chance.randint(0, 15)))
                slot = chance.randrange(_SLOTS)
                _change(lab, str(slot), slots[slot], chance)
                lab.pass_time(chance.random())
            for process in [process for processes in slots.values() for process in processes]:
                # One that was fenced or met an error has ended with its line already.
                lab.stop(process)
            lab.finish()
            verify(lab)
            if parking:
                lab.redrive()
                lab.finish([Fault(chance.randint(20, 120)), Fault(chance.randint(20, 120))])
                verify(lab)
    except AssertionError as error:
        raise AssertionError(f"FLOODGATE_FAULTS_SEED={seed}: {error}") from error
    finally:
        logging.disable(logging.NOTSET)


def _some_bounds(chance: random.Random) -> dict[str, Any]:
    """Bounds that are reached, now and then."""
    return {
        "max_in_flight": chance.choice((1, 3, 256)),
        "max_buffered": chance.choice((4, 32, 32_768)),
        "revoke_deadline_seconds": chance.choice((0.05, 3.0)),
        "stop_deadline_seconds": chance.choice((0.1, 20.0)),
        "session_timeout_ms": chance.choice((1_000, 6_000)),
        "transaction_timeout_ms": chance.choice((1_000, 15_000)),
        "group_protocol": chance.choice(("classic", "consumer")),
        "leave_on_stop": chance.choice((True, False)),
    }


def _change(lab: Lab, slot: str, running: list[Process], chance: random.Random) -> None:
    """Something happens in one slot, in which more than one process may run: the earlier ones are fenced."""
    if not running or chance.random() < 0.15:
        fault = None
        if chance.random() < 0.4:
            fault = Fault(chance.randint(1, 300), chance.choice(("crash", "crash", *ERRORS)))
        running.append(lab.start(slot, fault))
        return
    process = chance.choice(running)
    match chance.choice(("stop", "kill", "expire", "freeze", "nothing")):
        case "stop":
            running.remove(process)
            lab.stop(process)
        case "kill":
            running.remove(process)
            process.kill()
            lab.wait(process)
        case "expire":
            process.expire()
        case "freeze":
            process.freeze(chance.choice((0.2, 2.0, 8.0)))
            if chance.random() < 0.5:
                process.expire()
