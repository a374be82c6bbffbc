"""Without any fault the audit finds nothing: what it finds elsewhere is the fault's doing."""

from __future__ import annotations

import pytest
from faults.services.site import Site

pytestmark = pytest.mark.timeout(1200)


def test_an_undisturbed_round_passes_the_audit(site: Site) -> None:
    with site.round("calm"):
        site.await_progress(40)
