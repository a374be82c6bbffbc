"""Processes that die, leave and join, under load."""

from __future__ import annotations

import signal
from functools import partial

import pytest
from faults.services.journal import inputs_of
from faults.services.site import Site
from floodgate.events.topics import topics
from support.fleet import NAMES, Slot
from support.processes import eventually

pytestmark = pytest.mark.timeout(1200)

KILLS = 50
TERMS = 10


def test_fifty_kills_of_random_services_under_load_lose_and_double_nothing(site: Site) -> None:
    with site.round("kills") as round_:
        site.await_progress(10)
        for _ in range(KILLS):
            round_.kill()
            # Sometimes the next one dies before this one is back, sometimes after all have worked for a while.
            site.await_progress(round_.rng.randint(0, 6))


def test_fifty_kills_of_the_agent_do_every_action_once_and_say_every_reply_once(site: Site) -> None:
    agent = site.fleet.slots["agent-0"]
    with site.round("agent") as round_:
        actions = len(site.local("shop", "GET", "/_local/actions")["actions"])
        for _ in range(KILLS):
            site.fleet.await_ready([agent])
            # Now and then it dies before it has read anything, now and then in the middle of the work.
            site.await_progress(round_.rng.randint(0, 6))
            round_.kill(agent)
    assert len(site.local("shop", "GET", "/_local/actions")["actions"]) > actions


def test_bursts_of_sigterm_let_every_process_leave_cleanly(site: Site) -> None:
    exits = len(site.fleet.exits)
    with site.round("sigterm") as round_:
        for _ in range(TERMS // 2):
            site.await_progress(round_.rng.randint(2, 8))
            for slot in round_.rng.sample(sorted(site.fleet.slots.values(), key=lambda slot: slot.label), 2):
                site.fleet.terminate(slot)
            site.fleet.await_ready()
    assert site.fleet.exits[exits:] == []


def test_three_instances_of_a_service_join_and_leave_under_load(site: Site) -> None:
    with site.round("instances") as round_:
        for name in round_.rng.sample(NAMES, 3):
            site.await_progress(5)
            second, third = site.fleet.add(name, 1), site.fleet.add(name, 2)
            site.fleet.await_ready([second, third])
            site.await_progress(8)
            round_.kill(second)
            site.await_progress(5)
            site.fleet.await_ready([second, third])
            site.fleet.remove(third)
            site.await_progress(5)
            site.fleet.remove(second)


def test_a_process_that_stood_still_for_longer_than_its_transaction_may_last_is_replaced(site: Site) -> None:
    """SIGSTOP in the middle of the work, until the group gave its partitions away and its transaction was aborted."""
    with site.round("stopped") as round_:
        for name in ("firewall", "delivery", "agent"):
            slot = site.fleet.slots[f"{name}-0"]
            stand_in = site.fleet.add(name, 1)
            site.fleet.await_ready([stand_in])
            site.await_progress(5)
            slot.process.signal(signal.SIGSTOP)
            # The other instance has all partitions once the session of the stopped one is over.
            eventually(partial(has_everything, stand_in), f"{name} is not taken over", 120)
            site.await_progress(5)
            slot.process.signal(signal.SIGCONT)
            site.await_progress(5)
            site.fleet.remove(stand_in)
            site.await_progress(round_.rng.randint(1, 5))


def has_everything(slot: Slot) -> bool:
    """Whether an instance holds every partition of its inputs."""
    held = slot.assigned()
    return bool(held) and all(
        count == sum(topics()[topic].partitions for topic in inputs_of(processor)) for processor, count in held.items()
    )
