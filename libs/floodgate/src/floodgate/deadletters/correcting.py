"""A corrected record in place of one that failed: checked before anything is sent."""

from __future__ import annotations

from typing import Any, Final

from keyflow.errors import FatalError, KeyflowError
from pydantic import ValidationError

from floodgate.deadletters.decisions import carries_json, first_origin, is_json_object
from floodgate.events import AvroModel, DeadLetter
from floodgate.events.serde import AvroSerde
from floodgate.events.topics import model, topics
from floodgate.service import EVENT_ID_HEADER

MAX_BYTES: Final = 900_000
"""What every edge takes; a record of Kafka has 1 MiB in all."""


def corrected_value(letter: DeadLetter, text: bytes, serde: AvroSerde) -> bytes:
    """The bytes that go back in place of a letter's.

    Args:
        letter: The letter that they correct.
        text: The corrected record as JSON.
        serde: Writes it as the topic has it.

    Returns:
        JSON for what came as JSON, else the record in the topic's Avro schema.

    Raises:
        FatalError: It is not what the letter's origin carries, or is another record than the one that failed.
    """
    origin = first_origin(letter)
    if origin is None:
        raise FatalError("the letter does not say where it first came from, so nothing can be checked against it")
    if len(text) > MAX_BYTES:
        raise FatalError(f"the corrected record has {len(text)} bytes; at most {MAX_BYTES} are taken")
    if not is_json_object(text):
        raise FatalError("the corrected record is not one JSON object in UTF-8")
    if carries_json(origin):
        return text.strip()
    return _encoded(letter, text, origin, serde)


def _encoded(letter: DeadLetter, text: bytes, origin: str, serde: AvroSerde) -> bytes:
    topic = topics()[origin]
    try:
        record = model(topic.record or "").model_validate_json(text.decode("utf-8-sig"))
    except ValidationError as error:
        places = sorted({".".join(map(str, problem["loc"])) or "the record" for problem in error.errors()})
        raise FatalError(f"the corrected record is no {topic.record}: wrong or missing: {', '.join(places)}") from None
    _same_record(letter, record, topic.key)
    try:
        return serde.encode(origin, record)
    except KeyflowError as error:
        raise FatalError(f"the corrected record: {error}") from error


def _same_record(letter: DeadLetter, record: AvroModel, key_member: str) -> None:
    """Another key would break the order of a conversation, another id would be another event."""
    fields: dict[str, Any] = record.model_dump(mode="json")
    headers = {header.key: header.value or b"" for header in letter.headers}
    wanted = {key_member: letter.key, "event_id": headers.get(EVENT_ID_HEADER)}
    for member, value in wanted.items():
        if value is not None and member in fields and str(fields[member]) != value.decode(errors="replace"):
            raise FatalError(f"the corrected record has another {member} than the one that failed: keep it")
