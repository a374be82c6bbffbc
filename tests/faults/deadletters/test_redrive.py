"""Ten thousand dead letters go back, each once and in order, however often the redrive is killed.

SEED=7 LETTERS=10000 pytest tests/faults/deadletters
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator

import pytest
from floodgate.events.serde import AvroSerde
from floodgate.settings import KafkaSettings
from floodgate_local.provision import provision
from floodgate_local.testing import stack_for_tests
from support.redrive_lab import RedriveLab

pytestmark = pytest.mark.timeout(900)
LETTERS = int(os.environ.get("LETTERS") or 10_000)
KILLS = 20


@pytest.fixture
def lab(seed: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[RedriveLab]:
    for stack in stack_for_tests():
        stack.set_env(provision(stack.env()).env)
        for name, value in stack.env().items():
            monkeypatch.setenv(name, value)
        serde = AvroSerde(stack.env()["FLOODGATE_SCHEMA_REGISTRY_URL"])
        found = RedriveLab(KafkaSettings(), serde, LETTERS, random.Random(seed))
        yield found
        found.close()


def test_ten_thousand_letters_go_back_once_and_in_order_through_kills(
    lab: RedriveLab, tell: Callable[[str], None]
) -> None:
    killed = lab.redrive_through(KILLS)
    tell(f"faults: {LETTERS} letters, the redrive killed {killed} times")
    assert killed >= KILLS // 2
    lab.assert_each_went_back_once_and_in_order()
