"""Writes releases of the catalogue to the audit topic."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from typing import Final

from floodgate.catalogue.published import Activation
from floodgate.event_producer import EventProducer
from floodgate.events import AuditEntry, edge_event_id
from floodgate.events.serde import AvroSerde
from floodgate.settings import KafkaSettings, RegistrySettings, load

AUDIT: Final = "support.audit"
TARGET: Final = "catalogue"


def audit_entry(activation: Activation, details: Mapping[str, str]) -> AuditEntry:
    """The record of an activation; the same activation always gives the same event_id."""
    place = f"{activation.version}:{activation.at.isoformat()}"
    return AuditEntry(
        event_id=edge_event_id(TARGET, place),
        occurred_at=activation.at,
        actor=activation.actor,
        action=activation.action,
        target=TARGET,
        reason=activation.reason,
        details=dict(details),
    )


def kafka_is_set_up() -> bool:
    """Whether there is an audit topic to write to: a site with a folder alone may do without."""
    return bool(os.environ.get("FLOODGATE_KAFKA_BOOTSTRAP_SERVERS"))


def write_audit(activation: Activation, details: Mapping[str, str]) -> None:
    """Returns once Kafka has the record; does nothing where Kafka is not set up.

    Raises:
        KeyflowError: Kafka does not take it.
    """
    if not kafka_is_set_up():
        return
    serde = AvroSerde(load(RegistrySettings))
    entry = audit_entry(activation, details)

    async def send() -> None:
        producer = EventProducer(load(KafkaSettings), serde)
        try:
            await producer.send(AUDIT, entry.target, entry)
        finally:
            await producer.close()

    asyncio.run(send())
