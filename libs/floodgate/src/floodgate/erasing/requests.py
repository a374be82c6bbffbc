"""What an erasure writes to Kafka: who asks for it, that dead letters stay, that services forget keys."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from keyflow.forgetting import forget
from keyflow.redrive import Redrive
from keyflow.work import Write

from floodgate.catalogue.audit import AUDIT
from floodgate.deadletters.reading import LEDGER, Letters
from floodgate.deadletters.redrive import TRANSACTIONAL_ID, Redriver
from floodgate.erasing.planning import Sought
from floodgate.events import AuditEntry, DeadLetter, edge_event_id
from floodgate.events.serde import AvroSerde
from floodgate.settings import KafkaSettings

_TRANSACTIONAL_ID: Final = f"{TRANSACTIONAL_ID}-erase"


class Requests:
    """Writes in transactions. Connects on the first call.

    Args:
        settings: Where Kafka is.
        serde: Encodes the audit, decodes dead letters.
        actor: Who erases.
        reason: Why; kept in the audit.
        now: When.
    """

    def __init__(self, settings: KafkaSettings, serde: AvroSerde, *, actor: str, reason: str, now: datetime) -> None:
        self._settings = settings
        self._serde = serde
        self._actor = actor
        self._reason = reason
        self._now = now

    def audit(self, target: str) -> None:
        """Writes down who erases whom, by pseudonym, before anything is removed.

        Raises:
            FatalError: Kafka does not take it; then nothing may be removed.
        """
        entry = AuditEntry(
            event_id=edge_event_id("erase", f"{self._actor}:{target}:{self._now.isoformat()}"),
            occurred_at=self._now,
            actor=self._actor,
            action="erase",
            target=target,
            reason=self._reason,
        )
        self._write([Write(AUDIT, target.encode(), self._serde.encode(AUDIT, entry))])

    def discard_letters(self, sought: Sought) -> int:
        """Gives up the person's dead letters, which nobody can send back from then on; how many.

        Raises:
            FatalError: Kafka or the registry refuses, or a redrive runs at the same time.
        """
        letters = Letters(self._settings, self._serde)
        redriver = Redriver(self._settings, self._serde, letters, now=lambda: self._now, actor=self._actor)
        theirs = [letter for letter in letters.all() if _names(letter, sought)]
        return len(redriver.discard(theirs, reason=self._reason).sent) if theirs else 0

    def forget(self, keys: Mapping[str, frozenset[str]]) -> None:
        """Asks services to forget keys.

        Args:
            keys: By the redrive topic of the service.

        Raises:
            FatalError: Kafka does not take all of it.
        """
        requests = [forget(topic, key) for topic, names in sorted(keys.items()) for key in sorted(names)]
        if requests:
            self._write(requests)

    def _write(self, writes: list[Write]) -> None:
        Redrive(self._settings.connection(), LEDGER, _TRANSACTIONAL_ID).write(writes)


def _names(letter: DeadLetter, sought: Sought) -> bool:
    return sought.needles.within(letter.key, letter.value, *(header.value for header in letter.headers))
