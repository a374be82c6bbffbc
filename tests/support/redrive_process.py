"""A process that sends back every open letter of a topic: what a test kills."""

from __future__ import annotations

import sys
from datetime import UTC, datetime

from floodgate.deadletters import Letters, Redriver
from floodgate.events.serde import AvroSerde
from floodgate.settings import KafkaSettings, RegistrySettings, load


def main(dead_letters: str, ledger: str, transactional_id: str) -> None:
    settings, serde = load(KafkaSettings), AvroSerde(load(RegistrySettings))
    letters = Letters(settings, serde, dead_letters=dead_letters, ledger=ledger)
    redriver = Redriver(
        settings,
        serde,
        letters,
        now=lambda: datetime.now(UTC),
        actor="test",
        ledger=ledger,
        transactional_id=transactional_id,
    )
    result = redriver.redrive(letters.all(), reason="a test")
    sys.stdout.write(f"{len(result.sent)} {len(result.kept)}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
