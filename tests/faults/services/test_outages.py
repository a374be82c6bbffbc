"""Whatever the services depend on fails for a while, under load. Nothing may be dead-lettered because of it."""

from __future__ import annotations

import signal
import threading

import pytest
from faults.services.site import Site
from support.fleet import NAMES
from support.processes import eventually

pytestmark = pytest.mark.timeout(1200)

PAUSE_SECONDS = 15.0
"""Longer than the consumers' session time-out (10 s): the broker finds every member gone when it continues."""
OUTAGE_SECONDS = 60.0


def hold(seconds: float) -> None:
    """How long a fault lasts: the fault itself, not a wait for something to happen."""
    threading.Event().wait(seconds)


def test_the_broker_restarts_under_load(site: Site) -> None:
    with site.round("broker-restart") as round_:
        for _ in range(2):
            site.await_progress(round_.rng.randint(3, 8))
            site.stack.restart("kafka")
        site.await_progress(10)


def test_the_broker_stands_still_for_longer_than_a_session_lasts(site: Site) -> None:
    with site.round("broker-pause") as round_:
        for _ in range(2):
            site.await_progress(round_.rng.randint(3, 8))
            site.signal_kafka(signal.SIGSTOP)
            try:
                hold(PAUSE_SECONDS)
            finally:
                site.signal_kafka(signal.SIGCONT)
        site.await_progress(10)


def test_the_registry_is_down_while_services_run_and_while_they_start(site: Site) -> None:
    with site.round("registry") as round_:
        site.await_progress(5)
        site.stack.kill("apicurio")
        try:
            # Who knows the schemas goes on.
            site.await_progress(5)
            for name in NAMES:
                round_.kill(site.fleet.slots[f"{name}-0"])
            starts = {label: slot.starts for label, slot in site.fleet.slots.items()}
            eventually(
                lambda: all(slot.starts > starts[label] for label, slot in site.fleet.slots.items()),
                "not all services were started again",
            )
        finally:
            site.stack.up()
        site.await_progress(10)


def test_the_model_throttles_and_fails_and_stalls(site: Site) -> None:
    with site.round("model-faults") as round_:
        for faults in (
            {"throttle_rate": 0.6, "retry_after_seconds": 0.5},
            {"server_error_rate": 0.3, "model_timeout_rate": 0.15, "model_error_rate": 0.15},
            {"stall_rate": 0.2, "stall_seconds": 25.0},
        ):
            site.model.set_faults({"seed": round_.rng.randrange(1_000_000), **faults})
            site.await_progress(15)
        site.model.clear_faults()
        site.await_progress(5)


def test_the_model_is_out_for_a_minute(site: Site) -> None:
    with site.round("model-outage") as round_:
        site.await_progress(5)
        site.model.set_faults({"outage": True})
        # The firewall does not wait for a model: local rules and humans take over.
        site.await_progress(5)
        round_.kill(site.fleet.slots["firewall-0"])
        round_.kill(site.fleet.slots["summarizer-0"])
        hold(OUTAGE_SECONDS)
        site.model.clear_faults()
        site.await_progress(10)


def test_the_shop_fails_before_and_after_it_has_acted(site: Site) -> None:
    with site.round("shop") as round_:
        for kind in ("error", "drop", "error_after", "lost"):
            site.shop_fails(kind=kind, probability=0.5, seed=round_.rng.randrange(1_000_000))
            site.await_progress(8)
            round_.kill(site.fleet.slots["agent-0"])
            site.await_progress(4)


def test_intercom_fails_before_and_after_it_has_taken_a_reply(site: Site) -> None:
    with site.round("intercom") as round_:
        for kind in ("error", "drop", "error_after", "lost"):
            site.intercom_fails(kind=kind, probability=0.4, seed=round_.rng.randrange(1_000_000))
            site.await_progress(8)
            round_.kill(site.fleet.slots["delivery-0"])
            site.await_progress(4)
