"""The short form runs on the stack that the integration tests share."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest
from faults.services.site import Site, prepare
from floodgate_local.testing import stack_for_tests


@pytest.fixture(scope="module")
def shared_site(seed: int, tell: Callable[[str], None], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Every service once, in groups of their own that begin where the topics end."""
    for stack in stack_for_tests():
        prepare(stack)
        site = Site(
            stack,
            seed,
            tmp_path_factory.mktemp("services"),
            tell,
            group_prefix=f"faults-{seed}-{os.getpid()}.",
            # It would tell again what other tests left behind.
            FLOODGATE_INGEST_RECONCILE_INTERVAL_SECONDS="0",
        )
        site.begin_at_the_end()
        try:
            site.start()
            yield site
        finally:
            site.stop()
