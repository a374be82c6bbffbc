"""A redrive that is killed with signal 9 and given again; ten times as many letters stand in `make faults`."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from floodgate.events.serde import AvroSerde
from floodgate.settings import KafkaSettings
from support.redrive_lab import RedriveLab

pytestmark = pytest.mark.integration
LETTERS = 1_000
KILLS = 3


@pytest.fixture
def lab(stack_env: dict[str, str]) -> Iterator[RedriveLab]:
    serde = AvroSerde(stack_env["FLOODGATE_SCHEMA_REGISTRY_URL"])
    found = RedriveLab(KafkaSettings(), serde, LETTERS, random.Random(7))
    yield found
    found.close()


def test_a_redrive_that_is_killed_and_given_again_sends_each_letter_once_and_in_order(lab: RedriveLab) -> None:
    killed = lab.redrive_through(KILLS)
    assert killed > 0
    lab.assert_each_went_back_once_and_in_order()
    assert lab.redrive()
    lab.assert_each_went_back_once_and_in_order()
