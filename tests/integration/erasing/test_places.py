"""A person is found in the real topics with everything that hangs on them, and nobody else is."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from floodgate.erasing.kafka_places import KafkaPlaces
from floodgate.erasing.planning import Needles, Person
from floodgate.event_producer import EventProducer
from floodgate.events import Message, MessageKind, edge_event_id
from floodgate.events.serde import AvroSerde
from floodgate.settings import KafkaSettings, RegistrySettings, load

pytestmark = pytest.mark.integration


def message(conversation: str, contact: str, text: str) -> Message:
    return Message(
        event_id=uuid4(),
        occurred_at=datetime.now(UTC),
        conversation_id=conversation,
        kind=MessageKind.USER_MESSAGE,
        channel="rest",
        contact_id=contact,
        text=text,
    )


async def write(*messages: Message) -> None:
    producer = EventProducer(load(KafkaSettings), AvroSerde(load(RegistrySettings)))
    try:
        for each in messages:
            await producer.send("support.messages", each.conversation_id, each)
    finally:
        await producer.close()


@pytest.mark.usefixtures("stack_env")
def test_a_person_is_found_with_their_conversation_and_the_date() -> None:
    name, word = uuid4().hex, f"secret{uuid4().hex}"
    theirs, other = f"rest:{name}", f"rest:{name}1"
    contact, another = f"c{uuid4().hex}", f"c{uuid4().hex}"
    asyncio.run(write(message(theirs, contact, f"about {word} I ask"), message(other, another, "hello")))
    places = KafkaPlaces(load(KafkaSettings))

    person = places.complete(Person(frozenset({contact})))

    assert person.conversations == {theirs}
    assert person.interactions == {str(edge_event_id("interaction", theirs))}
    [by_word] = [place for place in places.places(Needles([], [word])) if place.name == "support.messages"]
    assert by_word.count == 1
    [by_id] = [place for place in places.places(Needles(person.ids)) if place.name == "support.messages"]
    assert by_id.count == 1
    assert by_id.gone_by is not None
    assert by_id.gone_by > datetime.now(UTC) + timedelta(days=30)
