"""The whole way over containers, under faults: nothing is lost, nothing is doubled. The audit is that of the faults."""

from __future__ import annotations

import threading

import pytest
from containers.cluster import Cluster
from faults.services.site import Site

# The first test waits for images and cluster, which take their own time.
pytestmark = pytest.mark.timeout(600, func_only=True)

FAULT_SECONDS = 15.0
"""Longer than a member's session (10 s) and than a broker's (9 s): the others have taken over when it returns."""


def hold(seconds: float) -> None:
    """How long a fault lasts: the fault itself, not a wait for something to happen."""
    threading.Event().wait(seconds)


def test_every_input_is_accounted_for(site: Site) -> None:
    with site.round("calm"):
        site.await_progress(25)


def test_services_killed_under_load_lose_and_double_nothing(site: Site) -> None:
    with site.round("kills") as round_:
        for name in round_.rng.sample(sorted(site.fleet.slots), len(site.fleet.slots)):
            site.await_progress(2)
            round_.kill(site.fleet.slots[name])


def test_a_service_scaled_to_three_and_back_under_load_loses_and_doubles_nothing(site: Site) -> None:
    with site.round("scale") as round_:
        name = round_.rng.choice(["firewall", "agent", "delivery"])
        site.await_progress(3)
        more = [site.fleet.add(name, number) for number in (1, 2)]
        site.fleet.await_ready(more)
        site.await_progress(8)
        for slot in more:
            site.fleet.remove(slot)
            site.await_progress(4)


def test_a_broker_killed_with_9_takes_nothing_along(site: Site, servers: Cluster) -> None:
    with site.round("broker-killed") as round_:
        broker = round_.rng.choice(servers.brokers)
        site.await_progress(4)
        broker.kill()
        site.await_progress(6)
        broker.restart()
        servers.await_whole()


def test_a_broker_that_stands_still_is_replaced_and_comes_back(site: Site, servers: Cluster) -> None:
    with site.round("broker-paused") as round_:
        broker = round_.rng.choice(servers.brokers)
        site.await_progress(4)
        broker.pause()
        try:
            hold(FAULT_SECONDS)
            site.await_progress(4)
        finally:
            broker.unpause()
        servers.await_whole()


def test_a_broker_cut_off_from_the_others_but_not_from_its_clients_decides_nothing(
    site: Site, servers: Cluster
) -> None:
    with site.round("broker-cut-off") as round_:
        broker = round_.rng.choice(servers.brokers)
        site.await_progress(4)
        broker.cut_off()
        try:
            hold(FAULT_SECONDS)
            site.await_progress(4)
        finally:
            broker.reconnect()
        servers.await_whole()
