"""Another number of partitions on a real broker: state and order of every key go on as if nothing had been."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from floodgate.repartition import Facts, Subject
from floodgate.repartition_kafka import Repartition
from floodgate.settings import KafkaSettings
from keyflow import Engine, FatalError, PendingEffect, RetryableError
from keyflow.reading import committed_records, partition_of
from keyflow_bench import PARTITIONS, Bench, Counting, eventually, finished, run_until

KEYS = 40
MORE = 7
"""No multiple of what was there: keys move among the old partitions too."""
SCRIPT = """
import sys
from floodgate import repartition_kafka
from floodgate.repartition import Subject
from floodgate.settings import KafkaSettings
servers, prefix, target, *topics = sys.argv[1:]
repartition_kafka._MOVED_AT_ONCE = 3
subjects = [Subject(name, "state" in name, "state" in name) for name in topics]
settings = KafkaSettings(bootstrap_servers=servers, group_prefix=prefix)
change = repartition_kafka.Repartition(settings, subjects, int(target))
change.apply(lambda line: print(line, flush=True))
"""


def subjects(bench: Bench) -> list[Subject]:
    return [Subject(bench.topic("in")), Subject(bench.topic("out")), Subject(bench.topic("state"), True, True)]


def change_of(bench: Bench, target: int = MORE) -> Repartition:
    settings = KafkaSettings(bootstrap_servers=bench.servers, group_prefix=f"group-{bench.run}")
    return Repartition(settings, subjects(bench), target)


def numbered(first: int, count: int) -> list[tuple[str, bytes]]:
    return [(f"key-{n % KEYS}", b'{"n": %d}' % n) for n in range(first, first + count)]


async def work_off(bench: Bench, count: int) -> None:
    engine = Engine(bench.processor(Counting(bench.topic("out"))), bench.config())
    await run_until(engine, lambda: finished(engine) >= count)


def state_of(bench: Bench) -> dict[bytes, bytes]:
    """The fold of the changelog by partition: where a key stands twice, both places count."""
    newest: dict[tuple[int, bytes], bytes | None] = {}
    for message in committed_records({"bootstrap.servers": bench.servers, "group.id": "fold"}, bench.topic("state")):
        newest[message.partition() or 0, message.key() or b""] = message.value()
    held = [(key, value) for (_, key), value in newest.items() if value is not None]
    assert len(held) == len(dict(held)), "a key stands in two partitions"
    return dict(held)


def stands_right(bench: Bench, target: int) -> bool:
    where: dict[tuple[int, bytes], bool] = {}
    for message in committed_records({"bootstrap.servers": bench.servers, "group.id": "fold"}, bench.topic("state")):
        where[message.partition() or 0, message.key() or b""] = message.value() is not None
    return all(partition_of(key, target) == partition for (partition, key), alive in where.items() if alive)


async def test_state_and_order_of_every_key_go_on_with_more_partitions(bench: Bench) -> None:
    bench.fill(numbered(0, 400))
    await work_off(bench, 400)
    before = state_of(bench)
    change = change_of(bench)
    planned = change.look()
    assert planned.problems() == []
    assert planned.misplaced[bench.topic("state")] > 0
    done = change.apply()
    assert done.done
    assert set(done.counts.values()) == {MORE}
    assert state_of(bench) == before
    assert stands_right(bench, MORE)
    bench.fill(numbered(400, 400))
    await work_off(bench, 400)
    out = bench.read("out", 800)
    assert len(out) == 800
    for key in {key for key, _ in out}:
        told = [value for found, value in out if found == key]
        # By partitions the reader may meet the later half first; within each half the order is the key's.
        assert sorted(value["count"] for value in told) == list(range(1, 21))
        by_count = sorted(told, key=lambda value: value["count"])
        assert [value["n"] for value in by_count] == sorted(value["n"] for value in told)


def killed_in_the_middle(bench: Bench) -> Iterator[int]:
    """Runs the change in a process of its own and kills it after so many batches; how many lines it told."""
    names = [subject.name for subject in subjects(bench)]
    for batches in (1, 2, 3):
        command = [sys.executable, "-c", SCRIPT, bench.servers, f"group-{bench.run}", str(MORE), *names]
        moved = 0
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            for line in process.stdout or ():
                moved += "keys moved" in line
                if moved == batches:
                    process.kill()
        yield moved


async def test_killed_half_way_it_refuses_to_run_services_and_goes_on_when_told_again(bench: Bench) -> None:
    bench.fill(numbered(0, 400))
    await work_off(bench, 400)
    before = state_of(bench)
    for moved in killed_in_the_middle(bench):
        assert moved > 0
        assert state_of(bench) == before
        engine = Engine(bench.processor(Counting(bench.topic("out"))), bench.config())
        with pytest.raises(FatalError, match="same number of partitions"):
            await engine.run()
    assert change_of(bench).apply().done
    assert state_of(bench) == before
    assert stands_right(bench, MORE)
    again = change_of(bench).look()
    assert again.done
    bench.fill(numbered(400, 80))
    await work_off(bench, 80)


async def test_it_refuses_while_a_service_runs_and_while_records_wait(bench: Bench) -> None:
    bench.fill(numbered(0, 80))
    engine = Engine(bench.processor(Counting(bench.topic("out"))), bench.config())
    running = asyncio.create_task(engine.run())
    await eventually(lambda: finished(engine) >= 80, "the records are handled")
    with pytest.raises(FatalError, match="stop every service"):
        await asyncio.to_thread(change_of(bench).apply)
    engine.stop()
    await running
    bench.fill(numbered(80, 5))
    with pytest.raises(FatalError, match="has not finished"):
        change_of(bench).apply()
    with pytest.raises(FatalError, match="takes none away"):
        change_of(bench, PARTITIONS - 1).apply()
    assert unchanged(change_of(bench).look())


async def test_it_refuses_while_an_effect_is_not_done(bench: Bench) -> None:
    async def down(_: PendingEffect) -> dict[str, Any]:
        raise RetryableError("down", 60.0)

    bench.fill(numbered(1, 1))
    subject = bench.processor(Counting(bench.topic("out"), every=1), effects={"call": down})
    engine = Engine(subject, bench.config(stop_deadline_seconds=1.0))
    running = asyncio.create_task(engine.run())
    await eventually(lambda: bool(state_of(bench)), "the effect is decided")
    engine.stop()
    await running
    assert any("effects are decided" in problem for problem in change_of(bench).look().problems())


def unchanged(facts: Facts) -> bool:
    return set(facts.counts.values()) == {PARTITIONS}
