"""A backup of a real broker, restored when all topics and groups are gone: keys go on as if nothing had been."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from floodgate.backup import kafka_source, kafka_target
from floodgate.backup.archive import Archive, Committed, RegisteredSchema, Stored
from floodgate.backup.kafka_cluster import Cluster
from floodgate.backup.kafka_source import Backup, committed_between
from floodgate.backup.kafka_target import Restore
from floodgate.backup.verifying import problems
from floodgate.catalogue.blobs import DirectoryBlobs
from floodgate.events.topics import Topic
from floodgate.settings import KafkaSettings
from keyflow import Engine, FatalError, Outcome, Record, Tools
from keyflow.offsets import decode
from keyflow_bench import PARTITIONS, Bench, Counting, eventually, finished, run_until
from support.memory_blobs import MemoryBlobs

KEYS = 12
STUCK = 7
"""Number of the one record that is not finished before the cluster is lost."""


class NoRegistry:
    """A registry without schemas."""

    def all(self) -> list[RegisteredSchema]:
        return []

    def register(self, subject: str, text: str) -> int:
        raise AssertionError(subject)

    def delete(self, subject: str) -> None:
        raise AssertionError(subject)


class Holding(Counting):
    """Holds one record for as long as it runs."""

    async def handle(self, record: Record, state: int | None, tools: Tools) -> Outcome[int]:
        if record.value["n"] == STUCK:
            await asyncio.sleep(600)
        return await super().handle(record, state, tools)


def settings_of(bench: Bench) -> KafkaSettings:
    return KafkaSettings(bootstrap_servers=bench.servers, group_prefix=f"group-{bench.run}")


def declared(bench: Bench) -> list[Topic]:
    kinds = {"in": "delete", "out": "delete", "dead": "delete", "state": "compact"}
    return [
        Topic(bench.topic(name), None, "key", PARTITIONS, kind, 14 if kind == "delete" else None, 1_000_000, (), ())
        for name, kind in kinds.items()
    ]


def numbered(first: int, count: int) -> list[tuple[str, bytes]]:
    return [(f"key-{n % KEYS}", b'{"n": %d}' % n) for n in range(first, first + count)]


def backup_of(bench: Bench, archive: Archive) -> Backup:
    return Backup(settings_of(bench), NoRegistry(), declared(bench), archive)


def restore_of(bench: Bench, archive: Archive) -> Restore:
    return Restore(settings_of(bench), NoRegistry(), archive)


def lose_everything(bench: Bench) -> None:
    """What is left is an empty cluster."""
    admin = AdminClient({"bootstrap.servers": bench.servers})
    names = [topic.name for topic in declared(bench)]
    for future in [
        *admin.delete_topics(names).values(),
        *admin.delete_consumer_groups([f"group-{bench.run}"]).values(),
    ]:
        future.result()


async def gone(bench: Bench) -> None:
    cluster = Cluster(settings_of(bench))
    names = {topic.name for topic in declared(bench)}
    await eventually(lambda: not names & set(cluster.counts()), "the topics are gone")


def standing(bench: Bench, name: str) -> dict[int, list[Stored]]:
    """The committed records of a topic by partition."""
    cluster, topic = Cluster(settings_of(bench)), bench.topic(name)
    places = [(topic, partition) for partition in range(PARTITIONS)]
    starts, ends = cluster.starts(places), cluster.ends(places, committed=True)
    return {
        place[1]: list(committed_between(settings_of(bench), place, starts[place], ends[place])) for place in places
    }


def said(records: list[Stored]) -> list[tuple[Any, ...]]:
    return [record[1:] for record in records]


async def half_handled(bench: Bench) -> tuple[Committed, ...]:
    """Everything but one record and what waits behind it; what the group has committed then."""
    bench.fill(numbered(0, 120))
    engine = Engine(bench.processor(Holding(bench.topic("out"))), bench.config(stop_deadline_seconds=0.2))
    await run_until(engine, lambda: finished(engine) >= 110)
    committed = Cluster(settings_of(bench)).committed(f"group-{bench.run}")
    assert any(decode(one.offset, one.metadata) for one in committed), "the map is what is tested"
    return committed


async def test_nothing_is_lost_or_doubled_and_every_key_goes_on_after_the_loss_of_the_cluster(
    bench: Bench, tmp_path: Path
) -> None:
    committed = await half_handled(bench)
    before = {name: standing(bench, name) for name in ("in", "out", "state")}
    archive = Archive(DirectoryBlobs(tmp_path))
    manifest = await asyncio.to_thread(backup_of(bench, archive).create, 20.0)
    assert problems(archive, *archive.opened()) == []
    assert manifest.records == sum(len(records) for topic in before.values() for records in topic.values())
    lose_everything(bench)
    await gone(bench)

    done = await asyncio.to_thread(restore_of(bench, archive).run)

    assert done.records == done.written_now == manifest.records
    for name, was in before.items():
        now = standing(bench, name)
        assert {partition: said(records) for partition, records in now.items()} == {
            partition: said(records) for partition, records in was.items()
        }
        if name != "state":
            assert all(now[p][0].offset > was[p][-1].offset for p in was if was[p]), "no place is given twice"
    restored = Cluster(settings_of(bench)).committed(f"group-{bench.run}")
    assert [(one.topic, one.partition) for one in restored] == [(one.topic, one.partition) for one in committed]
    bench.fill(numbered(120, 120))
    engine = Engine(bench.processor(Counting(bench.topic("out"))), bench.config())
    left = 240 - len([record for records in before["out"].values() for record in records])
    await run_until(engine, lambda: finished(engine) >= left)
    out = bench.read("out", 240)
    assert sorted(value["n"] for _, value in out) == list(range(240))
    for key in {key for key, _ in out}:
        assert [value["count"] for found, value in out if found == key] == list(range(1, 21))


class _KilledError(Exception):
    """The process ends here."""


def dying(blobs: MemoryBlobs, action: str, after: int) -> None:
    """The store ends the process at the so-manieth chunk."""
    seen = iter(range(after))

    def count(what: str, name: str) -> None:
        if what == action and name.endswith(".avro") and next(seen, None) is None:
            raise _KilledError

    blobs.before = count


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many small chunks."""
    monkeypatch.setattr(kafka_source, "_CHUNK_BYTES", 500)
    monkeypatch.setattr(kafka_target, "_FILLED_AT_ONCE", 7)


@pytest.mark.usefixtures("small")
async def test_killed_half_way_both_go_on_when_told_again(bench: Bench) -> None:
    await half_handled(bench)
    before = {name: standing(bench, name) for name in ("in", "out", "state")}
    blobs = MemoryBlobs()
    for after in (1, 12, 30):
        dying(blobs, "write", after)
        with pytest.raises(_KilledError):
            await asyncio.to_thread(backup_of(bench, Archive(blobs)).create, 20.0)
    blobs.before = lambda *_: None
    archive = Archive(blobs)
    manifest = await asyncio.to_thread(backup_of(bench, archive).create, 20.0)
    assert problems(archive, *archive.opened()) == []
    lose_everything(bench)
    await gone(bench)
    for after in (0, 3, 20):
        dying(blobs, "read", after)
        with pytest.raises(_KilledError):
            await asyncio.to_thread(restore_of(bench, Archive(blobs)).run)
    blobs.before = lambda *_: None

    done = await asyncio.to_thread(restore_of(bench, archive).run)

    assert 0 < done.written_now < manifest.records
    for name, was in before.items():
        assert {p: said(records) for p, records in standing(bench, name).items()} == {
            p: said(records) for p, records in was.items()
        }
    with pytest.raises(FatalError, match="empty cluster only"):
        await asyncio.to_thread(restore_of(bench, archive).run)


async def test_no_cut_is_taken_while_a_transaction_is_open(bench: Bench) -> None:
    bench.fill(numbered(0, 3))
    producer = Producer({"bootstrap.servers": bench.servers, "transactional.id": f"open-{bench.run}"})
    producer.init_transactions(20)
    producer.begin_transaction()
    producer.produce(bench.topic("in"), b"{}", b"key")
    assert producer.flush(20) == 0
    with pytest.raises(FatalError, match="no quiet moment"):
        await asyncio.to_thread(backup_of(bench, Archive(MemoryBlobs())).create, 0.0)
    producer.abort_transaction(20)
    manifest = await asyncio.to_thread(backup_of(bench, Archive(MemoryBlobs())).create, 20.0)
    assert manifest.records == 3
