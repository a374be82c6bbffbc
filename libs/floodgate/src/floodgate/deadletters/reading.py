"""Reads the dead letters and the ledger from Kafka, up to where they end now."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from confluent_kafka import Message
from keyflow.errors import FatalError, KeyflowError, PoisonMessageError
from keyflow.reading import committed_records
from pydantic import ValidationError

from floodgate.deadletters.decisions import LedgerEntry
from floodgate.events import DeadLetter
from floodgate.events.serde import AvroSerde
from floodgate.settings import KafkaSettings

DEAD_LETTERS: Final = "support.dead-letters"
LEDGER: Final = "support.redrive.ledger"


class Letters:
    """The dead letters and what was done with them. Connects on the first call.

    Args:
        settings: Where Kafka is.
        serde: Decodes the letters.
        dead_letters: Topic of the letters.
        ledger: Topic of the ledger.
    """

    def __init__(
        self, settings: KafkaSettings, serde: AvroSerde, *, dead_letters: str = DEAD_LETTERS, ledger: str = LEDGER
    ) -> None:
        self._settings = settings
        self._serde = serde
        self._dead_letters = dead_letters
        self._ledger = ledger
        self.unreadable = 0
        """How many records of the last reading were no dead letters."""

    def all(self) -> list[DeadLetter]:
        """Every dead letter, the oldest first; a repeated event_id once.

        Raises:
            FatalError: Kafka or the registry cannot be reached, or the topic does not exist.
        """
        self.unreadable = 0
        found: dict[str, DeadLetter] = {}
        for message in self._read(self._dead_letters):
            value = message.value()
            if value is None:
                continue
            try:
                letter = self._serde.decode(DEAD_LETTERS, value)
            except PoisonMessageError:
                self.unreadable += 1
                continue
            except KeyflowError as error:
                raise FatalError(str(error)) from error
            if isinstance(letter, DeadLetter):
                found[str(letter.event_id)] = letter
        return sorted(found.values(), key=lambda letter: (letter.occurred_at, str(letter.event_id)))

    def ledger(self) -> dict[str, LedgerEntry]:
        """What was done, by the dead letter's event_id.

        Raises:
            FatalError: Kafka cannot be reached, the topic does not exist, or an entry cannot be read: without a
                whole ledger a letter might go back twice.
        """
        entries: dict[str, LedgerEntry] = {}
        for message in self._read(self._ledger):
            key, value = (message.key() or b"").decode(errors="replace"), message.value()
            if value is None:
                entries.pop(key, None)
                continue
            try:
                entries[key] = LedgerEntry.model_validate_json(value)
            except ValidationError as error:
                place = f"{self._ledger}/{message.partition()}/{message.offset()}"
                raise FatalError(f"{place} is no ledger entry; nothing is redriven until it is repaired") from error
        return entries

    def _read(self, topic: str) -> Iterator[Message]:
        return committed_records(self._settings.reader("dlq"), topic, remedy="run `floodgate setup`")
