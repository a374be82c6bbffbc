"""How far each consumer group is, as Kafka has it: who reads, how much is left, how old the oldest of it is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from confluent_kafka import (
    OFFSET_BEGINNING,
    OFFSET_END,
    Consumer,
    ConsumerGroupTopicPartitions,
    KafkaException,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient
from keyflow.errors import FatalError
from keyflow.kafka_errors import SignIn

from floodgate.settings import KafkaSettings

_TIMEOUT_SECONDS: Final = 15.0

Partition = tuple[str, int]
"""Topic and number."""


@dataclass(frozen=True, slots=True)
class GroupStatus:
    """One service as its consumer group shows it.

    Attributes:
        state: Kafka's: STABLE while somebody reads, EMPTY when nobody does.
        lag: By topic, offsets between what is committed and the end; markers of transactions count.
        oldest_seconds: Age of the oldest record that is not committed; 0 when there is none.
    """

    service: str
    group: str
    state: str
    members: int
    lag: Mapping[str, int]
    oldest_seconds: float

    @property
    def running(self) -> bool:
        """Whether somebody reads."""
        return self.members > 0


def group_statuses(settings: KafkaSettings, now_ms: int) -> list[GroupStatus]:
    """Every group of this site that has committed something.

    Raises:
        FatalError: Kafka cannot be reached.
    """
    sign_in = SignIn()
    reader = Consumer({**settings.reader("reader"), "error_cb": sign_in})
    try:
        sign_in.topics(reader, seconds=_TIMEOUT_SECONDS)
        admin = AdminClient(settings.connection())
        listed = admin.list_consumer_groups(request_timeout=_TIMEOUT_SECONDS).result().valid
        names = sorted(group.group_id for group in listed if group.group_id.startswith(settings.group_prefix))
        read = {name: places for name, places in committed_places(admin, names).items() if places}
        described = admin.describe_consumer_groups(list(read), request_timeout=_TIMEOUT_SECONDS) if read else {}
        ends = ends_of(reader, (place for places in read.values() for place in places))
        found = []
        for name, places in read.items():
            lag: dict[str, int] = defaultdict(int)
            for place in places:
                lag[place.topic] += left_of(place, ends)
            behind = [place for place in places if left_of(place, ends)]
            group = described[name].result()
            found.append(
                GroupStatus(
                    service=name.removeprefix(settings.group_prefix),
                    group=name,
                    state=group.state.name,
                    members=len(group.members),
                    lag=dict(lag),
                    oldest_seconds=_oldest_seconds(reader, behind, now_ms),
                )
            )
        return found
    except KafkaException as error:
        raise FatalError(f"Kafka cannot be asked for its consumer groups: {error.args[0].str()}") from error
    finally:
        reader.close()


def committed_places(admin: AdminClient, groups: Sequence[str]) -> dict[str, list[TopicPartition]]:
    """What each group has committed; all are asked at once.

    Raises:
        KafkaException: Kafka does not answer.
    """
    asked = {
        name: admin.list_consumer_group_offsets(
            [ConsumerGroupTopicPartitions(name)], request_timeout=_TIMEOUT_SECONDS, require_stable=False
        )[name]
        for name in groups
    }
    answers = {name: future.result().topic_partitions or () for name, future in asked.items()}
    return {name: [place for place in places if place.offset >= 0] for name, places in answers.items()}


def ends_of(reader: Consumer, places: Iterable[TopicPartition]) -> dict[Partition, tuple[int, int]]:
    """First and next offset of each partition, two requests to each broker however many partitions there are.

    By the consumer: the admin client's list now and then takes seconds.

    Raises:
        KafkaException: Kafka does not answer.
    """
    wanted = {(place.topic, place.partition) for place in places}
    firsts, nexts = _offsets_at(reader, wanted, OFFSET_BEGINNING), _offsets_at(reader, wanted, OFFSET_END)
    return {partition: (firsts[partition], nexts[partition]) for partition in wanted}


def _offsets_at(reader: Consumer, wanted: Iterable[Partition], place: int) -> dict[Partition, int]:
    """In Kafka's question for offsets by time, the beginning and the end are times as well."""
    asked = [TopicPartition(topic, number, place) for topic, number in wanted]
    found = reader.offsets_for_times(asked, timeout=_TIMEOUT_SECONDS) if asked else []
    for answer in found:
        if answer.error is not None:
            raise KafkaException(answer.error)
    return {(answer.topic, answer.partition): answer.offset for answer in found}


def left_of(place: TopicPartition, ends: Mapping[Partition, tuple[int, int]]) -> int:
    """How many offsets there are from a committed place to the end."""
    low, high = ends.get((place.topic, place.partition), (0, 0))
    return max(high - max(place.offset, low), 0)


def _oldest_seconds(reader: Consumer, behind: Sequence[TopicPartition], now_ms: int) -> float:
    """By the first record behind each committed offset; a marker alone has no age."""
    if not behind:
        return 0.0
    reader.assign([TopicPartition(place.topic, place.partition, place.offset) for place in behind])
    try:
        found = [message.timestamp()[1] for message in reader.consume(500, 1.0) if message.error() is None]
    finally:
        reader.unassign()
    return max(0.0, (now_ms - min(found)) / 1000) if found else 0.0
