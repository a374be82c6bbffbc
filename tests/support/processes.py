"""Services as processes of their own, for every test that runs, kills or stops one."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeVar

import httpx
from confluent_kafka import Consumer, TopicPartition
from floodgate_local.state import free_ports

T = TypeVar("T")

DEADLINE_SECONDS: Final = 60.0
"""For whatever a test waits for; the machine may be busy."""
_STOP_SECONDS: Final = 40.0
_LOG_CHARS: Final = 4_000
_STEP_SECONDS: Final = 0.1


class ServiceProcess:
    """`python -m <name>` with an environment and a log of its own. Nothing runs before `start`.

    Args:
        name: The service's module.
        env: Its whole environment.
        log: Everything it prints, appended over restarts.
    """

    def __init__(self, name: str, env: Mapping[str, str], log: Path) -> None:
        self.name = name
        self.env = dict(env)
        self.log = log
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts it; returns at once."""
        with self.log.open("ab") as out:
            self.process = subprocess.Popen([sys.executable, "-m", self.name], env=self.env, stdout=out, stderr=out)

    @property
    def pid(self) -> int:
        return self._started().pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._started().poll()

    def signal(self, number: int) -> None:
        """Sends a signal; one that left already gets none."""
        self._started().send_signal(number)

    def kill(self) -> None:
        """SIGKILL, as a crash would; returns when it is gone."""
        self.signal(signal.SIGKILL)
        self._started().wait(20)

    def stop(self) -> None:
        """SIGTERM; it has to leave by itself, in time and cleanly."""
        self.signal(signal.SIGTERM)
        try:
            code = self._started().wait(_STOP_SECONDS)
        finally:
            self._started().kill()
        assert code == 0, self.tail()

    def tail(self) -> str:
        """The end of its log."""
        return self.log.read_text(encoding="utf-8", errors="replace")[-_LOG_CHARS:]

    def _started(self) -> subprocess.Popen[bytes]:
        assert self.process is not None, f"{self.name} was not started"
        return self.process


@contextmanager
def running(service: ServiceProcess) -> Iterator[ServiceProcess]:
    """The service inside; it has to stop cleanly."""
    service.start()
    try:
        yield service
    finally:
        service.stop()


def eventually(holds: Callable[[], T], what: str | Callable[[], str], seconds: float = DEADLINE_SECONDS) -> T:
    """What `holds` returns, as soon as that is true.

    Raises:
        AssertionError: It is not within the time; says what.
    """
    deadline = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < deadline, what if isinstance(what, str) else what()
        time.sleep(_STEP_SECONDS)
    return found


def free_port() -> int:
    """A port of the loopback interface that nobody uses right now, below those of outgoing connections.

    One of theirs could be taken by any connection until its server listens, or while it is started again.
    """
    return free_ports(1, set())[0]


def answers(url: str) -> bool:
    """Whether a GET is answered with success."""
    try:
        return httpx.get(url, timeout=5.0).is_success
    except httpx.HTTPError:
        return False


def ends_of(consumer: Consumer, topics: Sequence[str]) -> list[TopicPartition]:
    """The end of every partition of topics."""
    places = []
    for topic in topics:
        for number in consumer.list_topics(topic, timeout=20).topics[topic].partitions:
            end = consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=20)[1]
            places.append(TopicPartition(topic, number, end))
    return places


def begin_at_the_end(servers: str, group: str, topics: Sequence[str]) -> None:
    """The group begins where the topics end now: what other tests left behind is not worked through."""
    consumer = Consumer({"bootstrap.servers": servers, "group.id": group, "enable.auto.commit": False})
    consumer.commit(offsets=ends_of(consumer, topics), asynchronous=False)
    consumer.close()
