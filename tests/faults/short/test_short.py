"""The short form of `make faults`, part of `make test`: kills and one outage under load, and the whole audit."""

from __future__ import annotations

import pytest
from faults.services.site import Site

pytestmark = pytest.mark.timeout(600)

KILLS = 6


def test_six_kills_and_an_outage_of_the_model_lose_and_double_nothing(shared_site: Site) -> None:
    with shared_site.round("short") as round_:
        shared_site.await_progress(3)
        for number in range(KILLS):
            if number == KILLS // 2:
                shared_site.model.set_faults({"outage": True})
            round_.kill()
            shared_site.await_progress(round_.rng.randint(0, 3))
