"""What stands in a service's place of things that a comparison must not reach."""

from __future__ import annotations

from floodgate.events.serde import AvroSerde

_NOWHERE = "http://127.0.0.1:9"


def unconnected_serde() -> AvroSerde:
    """For a processor whose records are never encoded; it connects to nothing before it is used."""
    return AvroSerde(_NOWHERE)
