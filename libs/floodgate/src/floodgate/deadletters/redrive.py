"""Sends dead letters back: record, ledger and audit in one transaction, so that nothing goes back twice."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from confluent_kafka import KafkaException, Producer
from keyflow.errors import FatalError

from floodgate.deadletters.decisions import Decision, LedgerEntry, decide
from floodgate.deadletters.reading import LEDGER, Letters
from floodgate.events import AuditEntry, DeadLetter, derive_event_id
from floodgate.events.serde import AvroSerde
from floodgate.settings import KafkaSettings

AUDIT: Final = "support.audit"
TRANSACTIONAL_ID: Final = "floodgate-redrive"
"""One for all: a second redrive at the same time fences the first, whose transaction then fails as a whole."""

_BATCH: Final = 200
_TIMEOUT_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class Redriven:
    """What a redrive did."""

    sent: tuple[Decision, ...]
    kept: tuple[Decision, ...]


class Redriver:
    """Redrives letters. Connects on the first call.

    Args:
        settings: Where Kafka is.
        serde: Encodes audit entries.
        letters: Where the ledger is read.
        now: Wall clock, aware.
        actor: Who does it.
        ledger: Topic of the ledger.
        transactional_id: What makes two redrives exclude each other.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        serde: AvroSerde,
        letters: Letters,
        *,
        now: Callable[[], datetime],
        actor: str,
        ledger: str = LEDGER,
        transactional_id: str = TRANSACTIONAL_ID,
    ) -> None:
        self._settings = settings
        self._serde = serde
        self._letters = letters
        self._now = now
        self._actor = actor
        self._ledger = ledger
        self._transactional_id = transactional_id

    def plan(self, letters: Sequence[DeadLetter], *, corrected: bytes | None = None) -> Redriven:
        """What `redrive` would do now; writes nothing.

        Raises:
            FatalError: The ledger cannot be read.
            ValueError: There is a correction, and not just one letter.
        """
        if corrected is not None and len(letters) != 1:
            raise ValueError("a corrected record belongs to one letter")
        ledger = self._letters.ledger()
        decisions = [decide(letter, ledger, corrected) for letter in letters]
        return Redriven(
            sent=tuple(decision for decision in decisions if decision.topic is not None),
            kept=tuple(decision for decision in decisions if decision.topic is None),
        )

    def redrive(self, letters: Sequence[DeadLetter], *, reason: str, corrected: bytes | None = None) -> Redriven:
        """Sends back what can go back, at most once each.

        Args:
            letters: Which.
            reason: Why; kept in the ledger and in the audit.
            corrected: Goes back in place of the bytes of the one letter, as `corrected_value` made it.

        Raises:
            FatalError: Kafka refuses, or another redrive runs at the same time. What was committed before stays
                in the ledger, so that the same command may simply be given again.
        """
        with self._errors():
            producer = Producer(self._config())
            # From here on no other redrive can commit, so the ledger that is read now stays true.
            producer.init_transactions(_TIMEOUT_SECONDS)
        plan = self.plan(letters, corrected=corrected)
        for first in range(0, len(plan.sent), _BATCH):
            self._commit(producer, plan.sent[first : first + _BATCH], reason)
        return plan

    def audit(self, action: str, target: UUID, reason: str) -> None:
        """Writes down that somebody looked at what is masked otherwise.

        Raises:
            FatalError: Kafka does not take it; then it must not be shown either.
        """
        with self._errors():
            producer = Producer({**self._config(), "transactional.id": f"{self._transactional_id}-{action}"})
            producer.init_transactions(_TIMEOUT_SECONDS)
            producer.begin_transaction()
            entry = self._audit_entry(action, target, reason, {})
            producer.produce(AUDIT, key=str(target), value=self._serde.encode(AUDIT, entry))
            producer.commit_transaction(_TIMEOUT_SECONDS)

    def _commit(self, producer: Producer, batch: Sequence[Decision], reason: str) -> None:
        with self._errors():
            producer.begin_transaction()
            try:
                for decision in batch:
                    self._write(producer, decision, reason)
                producer.commit_transaction(_TIMEOUT_SECONDS)
            except BaseException:
                _abort(producer)
                raise

    def _write(self, producer: Producer, decision: Decision, reason: str) -> None:
        letter, topic = decision.letter, decision.topic
        if topic is None:
            raise ValueError("only what has a topic is redriven")
        key = str(letter.event_id)
        entry = LedgerEntry(action="redriven", at=self._now(), actor=self._actor, reason=reason)
        details = {"service": letter.service, "origin_topic": decision.origin_topic}
        if decision.corrected:
            # Which bytes they were can be proved; what they say is not in the audit.
            details |= {"failed_sha256": _sha256(letter.value), "corrected_sha256": _sha256(decision.value)}
        audit = self._audit_entry("redrive", letter.event_id, reason, details)
        producer.produce(topic, key=letter.key, value=decision.value, headers=list(decision.headers))
        producer.produce(self._ledger, key=key, value=entry.model_dump_json().encode())
        producer.produce(AUDIT, key=key, value=self._serde.encode(AUDIT, audit))

    def _audit_entry(self, action: str, target: UUID, reason: str, details: dict[str, str]) -> AuditEntry:
        now = self._now()
        return AuditEntry(
            event_id=derive_event_id(target, f"{action}:{now.isoformat()}"),
            occurred_at=now,
            causation_id=target,
            actor=self._actor,
            action=action,
            target=str(target),
            reason=reason,
            details=details,
        )

    def _config(self) -> dict[str, Any]:
        return {
            **self._settings.client,
            "bootstrap.servers": self._settings.bootstrap_servers,
            "transactional.id": self._transactional_id,
            # The record goes to the partition of its key, as every producer of ours has it.
            "partitioner": "murmur2_random",
            "transaction.timeout.ms": 30_000,
            "message.max.bytes": 4_000_000,
        }

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Translates what the client raises."""
        try:
            yield
        except KafkaException as error:
            said = error.args[0]
            if said.name() in {"_FENCED", "INVALID_PRODUCER_EPOCH", "PRODUCER_FENCED"}:
                raise FatalError("another redrive runs at the same time; give the command again after it") from error
            raise FatalError(
                f"redrive: {said.str()}; the ledger knows what went back, give the command again"
            ) from error
        except BufferError as error:
            raise FatalError("redrive: Kafka takes records too slowly; give the command again") from error


def _sha256(value: bytes | None) -> str:
    return hashlib.sha256(value or b"").hexdigest()


def _abort(producer: Producer) -> None:
    """The failure that led here is the one to tell; a second one on the way out is not."""
    try:
        producer.abort_transaction(_TIMEOUT_SECONDS)
    except KafkaException:
        return
