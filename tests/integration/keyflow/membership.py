"""How long a partition waits for an owner, by kind of membership: membership.py SERVERS.

Plain consumers, each in a process of its own, with the engine's settings; prints a line per kind. No test: it shows
the figures of docs/decisions/0008.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from typing import Any
from uuid import uuid4

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from keyflow import EngineConfig

PARTITIONS = 4
PATIENCE_SECONDS = 70.0
KINDS: dict[str, dict[str, Any]] = {
    "classic, static, leaves": {"static": True, "leaves": True},
    "classic, static, stays": {"static": True, "leaves": False},
    "classic, dynamic": {"static": False, "leaves": True},
    "KIP-848, dynamic": {"protocol": "consumer", "static": False, "leaves": False},
    "KIP-848, static": {"protocol": "consumer", "static": True, "leaves": False},
}


def member(servers: str, topic: str, slot: str, kind: dict[str, Any]) -> None:
    """Says how many partitions it has whenever that changes."""
    held: set[int] = set()
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    config = EngineConfig(servers, topic, slot, group_protocol=kind.get("protocol", "classic"))
    settings = config.consumer()
    settings.pop("group.instance.id", None)
    if kind["static"]:
        settings["group.instance.id"] = config.transactional_id

    def tell() -> None:
        print(len(held), flush=True)  # noqa: T201 (this is how it tells the process that started it)

    def came(_: Consumer, places: list[TopicPartition]) -> None:
        held.update(place.partition for place in places)
        tell()

    def went(_: Consumer, places: list[TopicPartition]) -> None:
        held.difference_update(place.partition for place in places)
        tell()

    consumer = Consumer(settings)
    consumer.subscribe([topic], on_assign=came, on_revoke=went)
    while not stopping.is_set():
        message = consumer.poll(0.05)
        error = message.error() if message is not None else None
        if error is not None and error.name() == "_FATAL":
            sys.exit(error.str())
    if kind["leaves"]:
        consumer.unsubscribe()
        while consumer.memberid():
            consumer.poll(0.01)
    consumer.close()


class Started:
    """A member in a process of its own."""

    def __init__(self, *args: str) -> None:
        self.has = 0
        self.process = subprocess.Popen(
            [sys.executable, __file__, *args], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self.process.stdout or ():
            self.has = int(line)

    def until(self, count: int, began: float) -> str:
        """How long it takes until it has so many partitions."""
        while self.has != count:
            if self.process.poll() is not None:
                return "refused"
            if time.monotonic() - began > PATIENCE_SECONDS:
                return f"over {PATIENCE_SECONDS:.0f} s"
            time.sleep(0.005)
        return f"{time.monotonic() - began:.2f} s"

    def end(self, how: int = signal.SIGTERM) -> float:
        """Ends it; when that was asked."""
        began = time.monotonic()
        self.process.send_signal(how)
        self.process.wait()
        return began


def measured(servers: str, kind: dict[str, Any]) -> dict[str, str]:
    """Restarts of one slot, and a second one that comes and goes."""
    topic = f"membership-{uuid4().hex[:8]}"
    admin = AdminClient({"bootstrap.servers": servers})
    admin.create_topics([NewTopic(topic, PARTITIONS, 1)])[topic].result(30)

    def start(slot: str) -> Started:
        return Started(servers, topic, slot, json.dumps(kind))

    figures: dict[str, str] = {}
    first = start("0")
    first.until(PARTITIONS, time.monotonic())
    began = first.end(signal.SIGKILL)
    first = start("0")
    figures["back after kill -9"] = first.until(PARTITIONS, began)
    if figures["back after kill -9"] == "refused":
        return figures
    began = first.end()
    first = start("0")
    figures["back after SIGTERM"] = first.until(PARTITIONS, began)
    began = time.monotonic()
    second = start("1")
    figures["second joins"] = second.until(PARTITIONS // 2, began)
    figures["taken over after SIGTERM"] = first.until(PARTITIONS, second.end())
    first.end()
    return figures


if __name__ == "__main__":
    if len(sys.argv) > 2:
        member(sys.argv[1], sys.argv[2], sys.argv[3], json.loads(sys.argv[4]))
    else:
        for name, kind in KINDS.items():
            print(name, measured(sys.argv[1], kind), flush=True)  # noqa: T201 (a command line)
