"""The records of a new service, as small as a record can be. Pure."""

from __future__ import annotations

import json
from typing import Any, Final

from floodgate.events.codegen import NAMESPACE
from floodgate.scaffold.naming import NewService, TopicRecord

_UUID: Final = {"type": "string", "logicalType": "uuid"}
_TIME: Final = {"type": "long", "logicalType": "timestamp-millis"}


def new_schemas(service: NewService) -> dict[str, str]:
    """The `.avsc` texts by the record's name."""
    made = {service.writes.record: _schema(service.writes, service.key, _written_fields(service))}
    if not service.reads.declared:
        text = _field("text", "string", "What the record says.", default="")
        made[service.reads.record] = _schema(service.reads, service.key, [text])
    return {name: json.dumps(schema, indent=2) + "\n" for name, schema in made.items()}


def _schema(what: TopicRecord, key: str, fields: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "type": "record",
        "name": what.record,
        "namespace": NAMESPACE,
        "doc": f"{what.topic}: say here in one sentence what one record is.",
        "fields": [
            _field("event_id", _UUID, "Derived from its cause or the channel's own id: the same input, the same id."),
            _field("occurred_at", _TIME, "When it happened, UTC."),
            _field("causation_id", ["null", _UUID], "The event that caused this one; null at the edge.", default=None),
            _field(key, "string", "Key of the topic."),
            *fields,
        ],
    }


def _written_fields(service: NewService) -> list[dict[str, Any]]:
    fields = [_field("label", "string", "What was decided.")]
    if service.model:
        fields.append(_field("reason", "string", "Why, in one sentence of the model's.", default=""))
        usage = ["null", f"{NAMESPACE}.ModelUsage"]
        fields.append(_field("usage", usage, "What the model call used.", default=None))
    if service.state:
        fields.append(_field("number", "long", "Which record of its key it is, from 1.", default=1))
    return fields


def _field(name: str, kind: Any, doc: str, **default: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, "doc": doc, **default}
