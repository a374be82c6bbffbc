"""The events that travel between the services: models, ids, topics and the Avro wire format."""

from floodgate.events.generated import *  # noqa: F403 (the generated module names its own exports)
from floodgate.events.ids import Pseudonyms, conversation_key, derive_event_id, edge_event_id

__all__ = [
    "Pseudonyms",
    "conversation_key",
    "derive_event_id",
    "edge_event_id",
]

from floodgate.events import generated as _generated

__all__ += _generated.__all__
