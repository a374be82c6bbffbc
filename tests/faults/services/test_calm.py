"""Without any fault the audit finds nothing: what it finds elsewhere is the fault's doing."""

from __future__ import annotations

from faults.services.site import Site


def test_an_undisturbed_round_passes_the_audit(site: Site) -> None:
    with site.round("calm"):
        site.await_progress(40)
