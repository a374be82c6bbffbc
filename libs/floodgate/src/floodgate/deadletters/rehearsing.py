"""A rehearsal of a dead letter: what the service that failed would make of it today."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

from keyflow import Effect, Emit, Processor
from keyflow.errors import FatalError
from keyflow.parking import Turn
from keyflow.rehearsal import Failure, Rehearsal, rehearse, restored_key
from keyflow.types import FailedRecord
from pydantic import BaseModel

from floodgate.deadletters.decisions import first_origin
from floodgate.deadletters.masking import fingerprint, masked
from floodgate.events import DeadLetter
from floodgate.service import Service, engine_config
from floodgate.settings import KafkaSettings

SERVICES: Final = "floodgate.services"
_TURNS: Final = {
    Turn.WAITS: "its key is parked and it is not its turn: it would go back to the dead letters",
    Turn.PAST: "its number was released before: it would be counted and not handled again",
}


async def rehearsed(letter: DeadLetter, settings: KafkaSettings, *, corrected: bytes | None = None) -> Rehearsal[Any]:
    """Handles the letter's record with today's handler; commits and produces nothing.

    Args:
        letter: The letter.
        settings: Where Kafka is.
        corrected: Bytes in place of those that failed, as `corrected_value` made them.

    Raises:
        FatalError: The service is not installed here or cannot be built, or there is nothing to rehearse.
    """
    record = _record(letter, corrected)
    service, processor = find_processor(letter.service)
    try:
        if processor.writes_outside:
            raise FatalError(
                f"{letter.service} writes outside Kafka as it handles a record: redrive the letter instead"
            )
        config = engine_config(settings, processor.name)
        table = restored_key(processor, config, (letter.key or b"").decode(errors="replace"), record.partition)
        return await rehearse(processor, record, table, max_message_bytes=config.max_message_bytes)
    finally:
        for hook in service.on_stop:
            await hook()


def find_processor(name: str) -> tuple[Service, Processor[Any]]:
    """The processor that writes dead letters under this name, built as its service is built.

    Raises:
        FatalError: No installed service has it, or a setting of that service is missing.
    """
    found = sorted(entry_points(group=SERVICES), key=lambda entry: entry.name)
    for entry in (entry for entry in found if name == entry.name or name.startswith(f"{entry.name}-")):
        service = _built(entry)
        for processor in service.processors:
            if processor.name == name:
                return service, processor
    installed = ", ".join(entry.name for entry in found) or "none"
    raise FatalError(f"no service that is installed here runs {name}: give the command where it is ({installed} here)")


def _built(entry: EntryPoint) -> Service:
    build = entry.load()
    service = build()
    if not isinstance(service, Service):
        raise FatalError(f"{entry.name} does not build a service")
    return service


def _record(letter: DeadLetter, corrected: bytes | None) -> FailedRecord:
    origin = first_origin(letter)
    value = letter.value if corrected is None else corrected
    if origin is None or value is None:
        raise FatalError("the letter has no payload that could be handled, or does not say where it first came from")
    headers = tuple((header.key, header.value or b"") for header in letter.headers)
    stamp = 0 if letter.origin_timestamp is None else round(letter.origin_timestamp.timestamp() * 1000)
    partition = max(letter.origin_partition, 0)
    return FailedRecord(origin, partition, max(letter.origin_offset, 0), stamp, letter.key, value, headers)


def told(rehearsal: Rehearsal[Any], *, unmask: bool) -> dict[str, Any]:
    """What would happen, as JSON; texts of payloads masked unless asked for."""
    facts: dict[str, Any] = {"outcome": rehearsal.kind}
    if rehearsal.turn is not Turn.NOW:
        facts["turn"] = _TURNS[rehearsal.turn]
    if rehearsal.failure is not None:
        facts["failure"] = _failure(rehearsal.failure, unmask=unmask)
    facts["outputs"] = [_output(emit, unmask=unmask) for emit in rehearsal.outputs]
    facts["state_changes"] = rehearsal.state != rehearsal.state_before
    facts["state_before"] = _shown(rehearsal.state_before, unmask=unmask)
    facts["state"] = _shown(rehearsal.state, unmask=unmask)
    facts["effect_not_run"] = None if rehearsal.effect is None else _effect(rehearsal.effect, unmask=unmask)
    return facts


def _failure(failure: Failure, *, unmask: bool) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "error_class": failure.error_class,
        "error_type": failure.error_type,
        "reason": failure.reason,
    }
    if failure.raw_output is not None:
        facts["raw_output"] = failure.raw_output if unmask else f"<{len(failure.raw_output)} characters>"
    return facts


def _effect(effect: Effect, *, unmask: bool) -> dict[str, Any]:
    return {
        "kind": effect.kind,
        "idempotency_key": effect.idempotency_key,
        "expires_at_ms": effect.expires_at_ms,
        "payload": _shown(effect.payload, unmask=unmask),
    }


def _output(emit: Emit, *, unmask: bool) -> dict[str, Any]:
    return {"topic": emit.topic, "key": emit.key, "value": _shown(emit.value, unmask=unmask)}


def _shown(value: Any, *, unmask: bool) -> Any:
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    if isinstance(value, bytes):
        return fingerprint(value)
    if isinstance(value, Mapping):
        value = dict(value)
    return value if unmask else masked(value)
