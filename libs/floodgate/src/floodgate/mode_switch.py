"""The limits of automation in a running process: the newest record of every target in `support.modes` holds.

Every process reads that topic wholly before it handles its first record, and follows it from then on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, Protocol

from keyflow.errors import KeyflowError, RetryableError

from floodgate.events import AuditEntry, AvroModel, ModeChange, SwitchMode, derive_event_id, edge_event_id
from floodgate.events.serde import AvroSerde
from floodgate.modes import SETTABLE, Modes
from floodgate.service import EventProducer
from floodgate.settings import KafkaSettings, RegistrySettings, load
from floodgate.tailing import KafkaTail, Tail
from floodgate.telemetry import gauge, get_logger, one_line
from floodgate.waiting import until_stopped

log = get_logger(__name__)

TOPIC: Final = "support.modes"
AUDIT: Final = "support.audit"
_READ_SECONDS: Final = 1.0
_START_SECONDS: Final = 30.0
_PAUSE_SECONDS: Final = 2.0
_LIMITS: Final = gauge("floodgate_mode_limits", "Limits of automation that are set now.")


def follow_modes(serde: AvroSerde) -> ModeSwitch:
    """The limits, followed in the Kafka of the environment; connects when it starts."""
    return ModeSwitch(lambda: KafkaTail(load(KafkaSettings), serde, (TOPIC,)))


async def write_mode(target: str, mode: SwitchMode, actor: str, reason: str) -> ModeChange:
    """Sets a mode over a connection of its own; see `set_mode`."""
    producer = EventProducer(load(KafkaSettings), AvroSerde(load(RegistrySettings)))
    try:
        return await set_mode(producer, target, mode, actor=actor, reason=reason, at=datetime.now(UTC))
    finally:
        await producer.close()


def read_modes() -> Modes:
    """The limits as they are now.

    Raises:
        KeyflowError: Kafka cannot be read.
    """
    tail = KafkaTail(load(KafkaSettings), AvroSerde(load(RegistrySettings)), (TOPIC,))
    modes = Modes()
    try:
        while not tail.caught_up:
            modes = modes.after(tail.read(0.2))
    finally:
        tail.close()
    return modes


class ModeSwitch:
    """Knows the limits as they are now; a task of the service follows them.

    Args:
        open_tail: Follows the topic from its beginning; None: there are no limits.
    """

    name = "modes"

    def __init__(
        self,
        open_tail: Callable[[], Tail] | None = None,
        modes: Modes | None = None,
        *,
        rest_seconds: float = _PAUSE_SECONDS,
    ) -> None:
        self._open_tail = open_tail
        self._rest_seconds = rest_seconds
        self._tail: Tail | None = None
        self.modes = modes or Modes()

    async def start(self) -> None:
        """Reads what is set already: before that, no record may be handled.

        Raises:
            FatalError: There is no such topic.
            RetryableError: It could not be read in time.
        """
        if self._open_tail is None:
            return
        try:
            async with asyncio.timeout(_START_SECONDS):
                while self._tail is None or not self._tail.caught_up:
                    await self._read()
        except TimeoutError as error:
            raise RetryableError(f"{TOPIC} could not be read within {_START_SECONDS:.0f} s") from error

    async def run(self, stop: asyncio.Event) -> None:
        """Follows the topic until `stop` is set; while Kafka is away, what was known last holds."""
        while not stop.is_set() and self._open_tail is not None:
            try:
                await self._read()
            except RetryableError as error:
                log.warning("modes.unreadable", reason=one_line(error))
                await until_stopped(stop, self._rest_seconds)
        if self._open_tail is None:
            await stop.wait()
        if self._tail is not None:
            await asyncio.to_thread(self._tail.close)

    async def _read(self) -> None:
        if self._tail is None and self._open_tail is not None:
            self._tail = self._open_tail()
        if self._tail is None:
            return
        changes = await asyncio.to_thread(self._tail.read, _READ_SECONDS)
        self.modes = self.modes.after(changes)
        for change in changes:
            if isinstance(change, ModeChange):
                log.info("mode.taken", target=change.target, mode=change.mode.value, actor=change.actor)
        _LIMITS.set(sum(change.mode is not SwitchMode.ON for change in self.modes.changes.values()))


class EventSink(Protocol):
    """Where records go; `floodgate.service.EventProducer` is one."""

    async def send(self, topic: str, key: str, value: AvroModel) -> None:
        """Returns once Kafka has the record."""
        ...


async def set_mode(
    sink: EventSink, target: str, mode: SwitchMode, *, actor: str, reason: str, at: datetime
) -> ModeChange:
    """Sets the most that is allowed from now on, and writes it to the audit.

    Args:
        sink: Writes to Kafka.
        target: A category, or `EVERYTHING`.
        mode: The most; `on` lifts the limit.
        actor: Who.
        reason: Why; shown wherever the limit is.
        at: When.

    Raises:
        ValueError: The mode cannot be set, or nobody says why.
        KeyflowError: Kafka does not take it. What failed is named: the limit may hold already without its audit entry.
    """
    if mode not in SETTABLE:
        raise ValueError(f"{mode} cannot be set: say {', '.join(SETTABLE)}")
    if not reason.strip():
        raise ValueError("say why: the reason is shown wherever the limit is")
    identity = edge_event_id("mode", f"{target}:{mode}:{actor}:{at.isoformat()}")
    change = ModeChange(event_id=identity, occurred_at=at, target=target, mode=mode, actor=actor, reason=reason.strip())
    # The switch first: it must work while the audit does not.
    await sink.send(TOPIC, target, change)
    try:
        await sink.send(AUDIT, f"mode:{target}", audit_entry(change))
    except KeyflowError as error:
        raise RetryableError(f"{target} is set to {mode}, but the audit entry was not written: {error}") from error
    return change


def audit_entry(change: ModeChange) -> AuditEntry:
    """The audit's record of a change."""
    return AuditEntry(
        event_id=derive_event_id(change.event_id, "audit"),
        occurred_at=change.occurred_at,
        causation_id=change.event_id,
        actor=change.actor,
        action="mode",
        target=f"mode:{change.target}",
        reason=change.reason,
        details={"mode": change.mode.value},
    )
