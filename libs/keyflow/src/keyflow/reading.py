"""Reads a topic up to its end as it is now, outside of any group."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from keyflow.errors import FatalError
from keyflow.kafka_errors import SignIn, denied

_READ_AT_ONCE: Final = 500
_TIMEOUT_SECONDS: Final = 30.0


def committed_records(
    client: Mapping[str, Any],
    topic: str,
    *,
    remedy: str = "create it first",
    since_ms: int | None = None,
    partitions: Collection[int] | None = None,
) -> Iterator[Message]:
    """Every committed record of a topic, up to its end as it is now; belongs to no group, commits nothing.

    Args:
        client: Librdkafka's settings: bootstrap.servers, security, a group.id.
        topic: Which.
        remedy: What to do when it does not exist.
        since_ms: Leaves out what is older, by Kafka's timestamps: a partition is read from its first record that is
            not older; None: from the beginning.
        partitions: Only these; None: all.

    Raises:
        FatalError: Kafka cannot be reached, or the topic does not exist.
    """
    settings = {"enable.auto.commit": False, "isolation.level": "read_committed", "auto.offset.reset": "earliest"}
    sign_in = SignIn()
    consumer = Consumer({**client, **settings, "error_cb": sign_in})
    try:
        ends = _ends(consumer, sign_in, topic, remedy, partitions)
        consumer.assign(_starts(consumer, topic, ends, since_ms))
        while ends:
            for message in consumer.consume(_READ_AT_ONCE, 0.2):
                if message.error() is not None:
                    raise KafkaException(message.error())
                yield message
            sign_in.check(_TIMEOUT_SECONDS)
            for place in consumer.position([TopicPartition(topic, partition) for partition in ends]):
                if place.offset >= ends[place.partition]:
                    del ends[place.partition]
    except KafkaException as error:
        refused = denied(error.args[0], "reading", topic=topic, group=str(client.get("group.id", "")))
        raise refused or FatalError(f"{topic} cannot be read: {error.args[0].str()}") from error
    finally:
        consumer.close()


def _starts(consumer: Consumer, topic: str, ends: dict[int, int], since_ms: int | None) -> list[TopicPartition]:
    """Where each partition is read from; one that holds nothing new enough is taken out of `ends`."""
    if since_ms is None:
        return [TopicPartition(topic, partition, 0) for partition in ends]
    asked = [TopicPartition(topic, partition, since_ms) for partition in ends]
    found = consumer.offsets_for_times(asked, timeout=_TIMEOUT_SECONDS) if asked else []
    starts = [place for place in found if 0 <= place.offset < ends[place.partition]]
    for partition in set(ends) - {place.partition for place in starts}:
        del ends[partition]
    return starts


def _ends(consumer: Consumer, sign_in: SignIn, topic: str, remedy: str, only: Collection[int] | None) -> dict[int, int]:
    """The end of every partition that holds something."""
    found = partitions_of(consumer, sign_in, topic, remedy)
    ends: dict[int, int] = {}
    for partition in found if only is None else set(only) & set(found):
        low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=_TIMEOUT_SECONDS)
        if high > low:
            ends[partition] = high
    return ends


def partitions_of(consumer: Consumer, sign_in: SignIn, topic: str, remedy: str) -> list[int]:
    """The partitions of a topic, asked by a consumer whose `error_cb` is the sign-in.

    Raises:
        FatalError: There is no such topic, or Kafka does not let us in or see it.
        KafkaException: The broker does not answer.
    """
    found = sign_in.topics(consumer, topic, seconds=_TIMEOUT_SECONDS)[topic]
    if found.error is not None:
        raise denied(found.error, "reading", topic=topic) or FatalError(f"there is no topic {topic}: {remedy}")
    return list(found.partitions)


_MASK: Final = 0xFFFFFFFF
_MULTIPLIER: Final = 0x5BD1E995
_SEED: Final = 0x9747B28C


def partition_of(key: bytes, partitions: int) -> int:
    """Where a key's records stand: Java's default partitioner, murmur2 without its sign."""
    return (_murmur2(key) & 0x7FFFFFFF) % partitions


def _murmur2(data: bytes) -> int:
    """Kafka's variant of MurmurHash2, 32 bits."""
    value = (_SEED ^ len(data)) & _MASK
    whole = len(data) // 4 * 4
    for at in range(0, whole, 4):
        word = int.from_bytes(data[at : at + 4], "little") * _MULTIPLIER & _MASK
        value = value * _MULTIPLIER & _MASK ^ ((word ^ word >> 24) * _MULTIPLIER & _MASK)
    if tail := data[whole:]:
        value = (value ^ int.from_bytes(tail, "little")) * _MULTIPLIER & _MASK
    value = (value ^ value >> 13) * _MULTIPLIER & _MASK
    return value ^ value >> 15
