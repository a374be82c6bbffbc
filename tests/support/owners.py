"""Engines that join, leave and die at random while records come in: partitions change hands in every state."""

from __future__ import annotations

import logging
import random
from typing import Any, Final

from support.crash_lab import Lab, Process, verify

_ROUNDS: Final = 12
_SLOTS: Final = 3
_KEYS: Final = 16
_OUTSIDE: Final = ("fine", "busy", "loses its answer", "refuses")


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
        lab = Lab(partitions=4, seed=seed, **config)
        with lab.open():
            slots: dict[int, Process] = {}
            for _ in range(_ROUNDS):
                lab.fill(records(chance, len(lab.inputs), chance.randint(0, 15)))
                _change(lab, slots, chance)
                lab.pass_time(chance.random())
            for process in slots.values():
                lab.stop(process)
            lab.finish()
            verify(lab)
    except AssertionError as error:
        raise AssertionError(f"FLOODGATE_FAULTS_SEED={seed}: {error}") from error
    finally:
        logging.disable(logging.NOTSET)


def _change(lab: Lab, slots: dict[int, Process], chance: random.Random) -> None:
    slot, fate = chance.randrange(_SLOTS), chance.random()
    process = slots.pop(slot, None)
    if process is None:
        slots[slot] = lab.start(str(slot))
    elif fate < 0.4:
        lab.stop(process)
    elif fate < 0.65:
        process.kill()
        lab.wait(process)
    else:
        slots[slot] = process
