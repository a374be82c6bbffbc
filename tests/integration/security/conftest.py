"""Two brokers that enforce the rules; each lives as long as the tests that need it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from confluent_kafka import Producer
from floodgate.events.topics import topics
from floodgate_local.secured_kafka import ADMIN
from support.secured_site import Site, secured_site


@pytest.fixture(scope="session")
def probed_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """For tests that write what no service could read; every topic has a record."""
    for site in secured_site(tmp_path_factory.mktemp("probed")):
        producer = Producer(site.settings(ADMIN).connection())
        for topic in topics():
            producer.produce(topic, b"probe", b"key", partition=0)
        assert producer.flush(30) == 0
        yield site


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """For tests that leave topics as services leave them."""
    yield from secured_site(tmp_path_factory.mktemp("secured"))
