"""Sends dead letters back: record, ledger and audit in one transaction, so that nothing goes back twice."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from keyflow.redrive import Redrive, Returning
from keyflow.work import Write

from floodgate.deadletters.decisions import Decision, LedgerEntry, decide, give_up, in_turn, number
from floodgate.deadletters.reading import LEDGER, Letters
from floodgate.events import AuditEntry, DeadLetter, derive_event_id
from floodgate.events.serde import AvroSerde
from floodgate.settings import KafkaSettings

AUDIT: Final = "support.audit"
TRANSACTIONAL_ID: Final = "floodgate-redrive"
"""One for all: a second redrive at the same time fences the first, whose transaction then fails as a whole."""


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
        return self._planned(letters, self._letters.ledger(), corrected)

    def _planned(
        self,
        letters: Sequence[DeadLetter],
        ledger: Mapping[str, LedgerEntry],
        corrected: bytes | None = None,
        *,
        giving_up: bool = False,
    ) -> Redriven:
        if corrected is not None and len(letters) != 1:
            raise ValueError("a corrected record belongs to one letter")
        decisions = [give_up(letter, ledger) if giving_up else decide(letter, ledger, corrected) for letter in letters]
        if any(number(letter) is not None for letter in letters):
            decisions = in_turn(decisions, self._letters.all(), ledger)
        return Redriven(
            sent=tuple(decision for decision in decisions if not decision.stays),
            kept=tuple(decision for decision in decisions if decision.stays),
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
        core = self._core(self._transactional_id)
        core.fence()
        ledger = self._letters.ledger()
        plan = self._planned(letters, ledger, corrected)
        core.send([self._returning(decision, reason) for decision in plan.sent], ledger)
        return plan

    def discard(self, letters: Sequence[DeadLetter], *, reason: str) -> Redriven:
        """Gives letters up: they never go back, and a key that is parked behind one goes on without it.

        Args:
            letters: Which.
            reason: Why; kept in the ledger and in the audit.

        Raises:
            FatalError: As for `redrive`.
        """
        core = self._core(self._transactional_id)
        core.fence()
        ledger = self._letters.ledger()
        plan = self._planned(letters, ledger, giving_up=True)
        core.send([self._returning(decision, reason) for decision in plan.sent], ledger)
        return plan

    def audit(self, action: str, target: UUID, reason: str) -> None:
        """Writes down that somebody looked at what is masked otherwise.

        Raises:
            FatalError: Kafka does not take it; then it must not be shown either.
        """
        entry = self._audit_write(target, self._audit_entry(action, target, reason, {}))
        self._core(f"{self._transactional_id}-{action}").write([entry])

    def _core(self, transactional_id: str) -> Redrive:
        return Redrive(self._settings.connection(), self._ledger, transactional_id)

    def _returning(self, decision: Decision, reason: str) -> Returning:
        letter = decision.letter
        action = "discard" if decision.given_up else "redrive"
        entry = LedgerEntry(
            action="discarded" if decision.given_up else "redriven", at=self._now(), actor=self._actor, reason=reason
        )
        details = {"service": letter.service, "origin_topic": decision.origin_topic}
        if decision.corrected:
            # Which bytes they were can be proved; what they say is not in the audit.
            details |= {"failed_sha256": _sha256(letter.value), "corrected_sha256": _sha256(decision.value)}
        return Returning(
            letter_id=str(letter.event_id),
            entry=entry.model_dump_json().encode(),
            topic=decision.topic,
            key=letter.key,
            value=decision.value,
            headers=decision.headers,
            origin_topic=decision.origin_topic,
            also=[self._audit_write(letter.event_id, self._audit_entry(action, letter.event_id, reason, details))],
        )

    def _audit_write(self, target: UUID, entry: AuditEntry) -> Write:
        return Write(AUDIT, str(target).encode(), self._serde.encode(AUDIT, entry))

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


def _sha256(value: bytes | None) -> str:
    return hashlib.sha256(value or b"").hexdigest()
