"""A whole site under faults: the stack, the services under their supervisor, and rounds that end in the audit."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import boto3
import httpx
from confluent_kafka import Message as KafkaMessage
from confluent_kafka import Producer
from faults.services.audit import Conversation, Picture, problems, words_of
from faults.services.journal import PROCESSORS, Entry, Journal, Place, Reader, Source, changelogs, inputs_of
from faults.services.load import Load
from floodgate.bedrock.local_server import LocalServer
from floodgate.events import Summary
from floodgate.events.serde import AvroSerde
from floodgate.events.topics import topics
from floodgate_demo.tally import Follower
from floodgate_local.provision import provision
from floodgate_local.stack import Stack
from floodgate_local.state import repository_root
from keyflow import EngineConfig, StateSpec
from keyflow.errors import KeyflowError
from keyflow.restore import restored
from keyflow.table import Entry as TableEntry
from keyflow.table import Table
from support.fleet import Fleet, Slot
from support.processes import begin_at_the_end, eventually, free_port

_SERVICE_SETTINGS: Final = {
    # Two cores serve the broker, the model and five services: more in flight would only wait.
    "FLOODGATE_KAFKA_MAX_IN_FLIGHT": "12",
    "FLOODGATE_KAFKA_COMMIT_INTERVAL_SECONDS": "0.05",
    "FLOODGATE_INTERCOM_TIMEOUT_SECONDS": "3",
    "FLOODGATE_SHOP_TIMEOUT_SECONDS": "3",
    # What a killed poller had in hand comes back soon.
    "FLOODGATE_INGEST_SQS_VISIBILITY_SECONDS": "15",
    "FLOODGATE_INGEST_SQS_WAIT_SECONDS": "1",
    "FLOODGATE_INGEST_RECONCILE_INTERVAL_SECONDS": "20",
    "FLOODGATE_INGEST_RECONCILE_GRACE_SECONDS": "10",
}
_SETTLE_STAND_STILL_SECONDS: Final = 150.0
_FEATURE_GROUP: Final = "floodgate-interactions"
_QUIET_SECONDS: Final = 3.0
_PROGRESS_SECONDS: Final = 240.0


class TolerantFollower(Follower):
    """Follows topics on which broken records stand too."""

    def _take(self, message: KafkaMessage) -> None:
        try:
            super()._take(message)
        except KeyflowError:
            return


class Site:
    """One stack with its services.

    Args:
        stack: Up and provisioned.
        seed: Of everything that is random.
        logs: Folder for the services' logs.
        tell: Takes a line on what was proven.
        group_prefix: Of the services' groups.
        **settings: More environment of the services.
    """

    def __init__(
        self,
        stack: Stack,
        seed: int,
        logs: Path,
        tell: Callable[[str], None],
        *,
        group_prefix: str = "floodgate.",
        **settings: str,
    ) -> None:
        self.stack = stack
        self.seed = seed
        self.tell = tell
        self.group_prefix = group_prefix
        # What runs is this checkout's, whatever the process was started with.
        self.env = {
            **stack.env(),
            "FLOODGATE_CATALOGUE_DIR": str(repository_root() / "catalogue"),
            "FLOODGATE_KAFKA_GROUP_PREFIX": group_prefix,
            "FLOODGATE_KAFKA_START_OVER": "1",
        }
        self.servers = self.env["FLOODGATE_KAFKA_BOOTSTRAP_SERVERS"]
        self.reader = Reader(self.servers, group_prefix)
        self.serde = AvroSerde(self.env["FLOODGATE_SCHEMA_REGISTRY_URL"])
        self.model = LocalServer(self.env["AWS_ENDPOINT_URL_BEDROCK_RUNTIME"])
        self._ingest_port = free_port()
        self.fleet = Fleet({**os.environ, **self.env, **_SERVICE_SETTINGS, **settings}, logs, self._ingest_port)
        self.follower = TolerantFollower(self.servers, self.serde)
        self._rounds = 0

    def begin_at_the_end(self) -> None:
        """Leaves alone what others wrote to a shared stack before."""
        for processor in PROCESSORS:
            begin_at_the_end(self.servers, self.group_prefix + processor, inputs_of(processor))

    def start(self) -> None:
        """Starts the services, and lets the stand-in's webhooks come here, with the patience of Intercom."""
        self.follower.start()
        self.fleet.start()
        self._local("intercom", "PUT", "/_local/webhook", self._target(f"http://127.0.0.1:{self._ingest_port}"))

    def stop(self) -> None:
        self.heal()
        self._local("intercom", "PUT", "/_local/webhook", {})
        self.fleet.stop()
        self.follower.stop()

    def _target(self, ingest_url: str) -> dict[str, Any]:
        return {"url": f"{ingest_url}/webhooks/intercom", "max_attempts": 100, "first_retry_seconds": 0.5}

    # Faults of what stands around the services

    def shop_fails(self, **rule: Any) -> None:
        self._local("shop", "PUT", "/_local/faults", {"rules": [rule]})

    def intercom_fails(self, **rule: Any) -> None:
        self._local("intercom", "PUT", "/_local/faults", {"rules": [rule]})

    def heal(self) -> None:
        """Switches every fault of the stand-ins off."""
        self._local("shop", "DELETE", "/_local/faults")
        self._local("intercom", "DELETE", "/_local/faults")
        self.model.clear_faults()

    def signal_kafka(self, number: int) -> None:
        """Stops or continues the broker's process."""
        [kafka] = [status for status in self.stack.status() if status.name == "kafka"]
        assert kafka.pid is not None
        os.kill(kafka.pid, number)

    def _local(self, server: str, method: str, path: str, body: object = None) -> Any:
        url = self.env[f"FLOODGATE_{server.upper()}_BASE_URL"]
        return httpx.request(method, f"{url}{path}", json=body, timeout=30.0).raise_for_status().json()

    # Progress

    def outputs(self) -> int:
        """How many outputs have been read: what faults are paced by."""
        with self.follower.seen.lock:
            seen = self.follower.seen
            return len(seen.verdicts) + len(seen.replies) + len(seen.escalations) + len(seen.summaries)

    def await_progress(self, count: int) -> None:
        """Returns once so many more outputs are committed."""
        wanted = self.outputs() + count
        self.follower.check()
        eventually(
            lambda: self.outputs() >= wanted,
            lambda: (
                f"no progress: {wanted - self.outputs()} outputs missing; exits: {self.fleet.exits[-5:]}; "
                f"lag: {self.reader.lag()}"
            ),
            _PROGRESS_SECONDS,
        )

    # Rounds

    @contextmanager
    def round(self, name: str) -> Iterator[Round]:
        """Load inside; afterwards everything heals, settles and is audited.

        Raises:
            AssertionError: Something is not as it should be; says what.
        """
        self._rounds += 1
        begun = Round(self, f"{self.seed}-{self._rounds}-{name}", self.reader.ends(topics()))
        exits = len(self.fleet.exits)
        began = time.monotonic()
        begun.load.start()
        try:
            yield begun
        finally:
            self.heal()
            begun.load.stop()
        self.fleet.await_ready()
        begun.settle()
        picture = begun.picture()
        found = problems(picture)
        self.tell(_figures(name, picture, begun, self.fleet.exits[exits:], time.monotonic() - began))
        assert not found, f"seed {self.seed}, {len(found)} problems:\n" + "\n".join(found[:40])


@dataclass
class Round:
    """One scenario: its load, what was broken on purpose, and where its records begin."""

    site: Site
    name: str
    begins: Mapping[Source, int]
    poison: dict[Place, tuple[str, ...] | None] = field(default_factory=dict)
    expects_broken_answers: bool = False
    kills: int = 0
    load: Load = field(init=False)
    rng: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.load = Load(self.site.env, self.site.follower.seen, self.name)
        self.rng = random.Random(self.name)

    def kill(self, slot: Slot | None = None) -> None:
        """`kill -9` of some process."""
        self.site.fleet.kill(slot or self.site.fleet.choose(self.rng.choice))
        self.kills += 1

    def break_records(
        self, topic: str, records: list[tuple[bytes | None, bytes | None]], readers: tuple[str, ...] | None = None
    ) -> None:
        """Writes records that cannot be handled: by these readers, or by any of the topic's."""
        producer = Producer({"bootstrap.servers": self.site.servers, "partitioner": "murmur2_random"})
        failed: list[str] = []

        def noted(error: object, message: KafkaMessage) -> None:
            if error is not None:
                failed.append(str(error))
            else:
                self.poison[topic, int(message.partition() or 0), int(message.offset() or 0)] = readers

        for key, value in records:
            producer.produce(topic, key=key, value=value, on_delivery=noted)
        assert producer.flush(60) == 0
        assert not failed, failed

    def settle(self) -> None:
        """Waits until nothing is under way any more: no webhook, no drop, no unread record.

        Raises:
            AssertionError: Nothing moves and something is left; says what.
        """
        quiet_since: float | None = None
        moved_at, last = time.monotonic(), ""
        while quiet_since is None or time.monotonic() - quiet_since < _QUIET_SECONDS:
            left = self._left()
            now = time.monotonic()
            if str(left) != last:
                moved_at, last, quiet_since = now, str(left), None
            if not left.pop("unfinished"):
                left = {}
                quiet_since = quiet_since or now
            assert quiet_since is not None or now - moved_at < _SETTLE_STAND_STILL_SECONDS, (
                f"seed {self.site.seed}: it does not settle: {last}; exits: {self.site.fleet.exits[-5:]}"
            )
            threading.Event().wait(0.5)

    def _left(self) -> dict[str, Any]:
        self.site.follower.check()
        pending = self.site._local("intercom", "GET", "/_local/webhook")["pending"]
        lag = self.site.reader.lag()
        with self.site.follower.seen.lock:
            known = set(self.site.follower.seen.interaction_keys.values())
        dropped = sum(str(interaction_id) not in known for interaction_id in self.load.dropped)
        ends = sum(self.site.reader.ends(topics()).values())
        unfinished = bool(pending or lag or dropped)
        return {"unfinished": unfinished, "webhooks": pending, "lag": lag, "drops": dropped, "end": ends}

    # The picture

    def picture(self) -> Picture:
        journal = self.site.reader.read(self.begins)
        keys = {f"intercom:{number}" for number in self.load.conversation_ids}
        decoded = {
            topic: self._decoded(topic, journal) for topic in journal.entries if topics()[topic].record is not None
        }
        conversations = {number: self._conversation(number) for number in self.load.conversation_ids}
        folded = {name: self._fold(name) for name in changelogs()}
        return Picture(
            journal=journal,
            decoded=decoded,
            committed=self.site.reader.committed(),
            poison=self.poison,
            broken_lines=self.load.broken_lines,
            expects_broken_answers=self.expects_broken_answers,
            restored={name: self._restored(name, fold) for name, fold in folded.items()},
            folded=folded,
            states={
                name: {key: json.loads(raw.partition(b"\n")[2] or b"{}") for key, raw in fold.items() if key in keys}
                for name, fold in folded.items()
            },
            actions=self.site._local("shop", "GET", "/_local/actions")["actions"],
            conversations=conversations,
            dropped=self.load.dropped,
            stored=self._stored(summary for _, summary in decoded.get("support.summaries", ())),
        )

    def _decoded(self, topic: str, journal: Journal) -> list[tuple[Entry, Any]]:
        found = []
        for entry in journal.of(topic):
            if entry.place not in self.poison and entry.value is not None:
                found.append((entry, self.site.serde.decode(topic, entry.value)))
        return found

    def _fold(self, changelog: str) -> dict[str, bytes]:
        """The last value of every key, tombstones gone: read without the engine."""
        begins = {(changelog, number): 0 for number in range(topics()[changelog].partitions)}
        fold: dict[str, bytes] = {}
        for entry in self.site.reader.read(begins).of(changelog):
            key = (entry.key or b"").decode()
            if entry.value is None:
                fold.pop(key, None)
            else:
                fold[key] = entry.value
        return fold

    def _restored(self, changelog: str, fold: Mapping[str, bytes]) -> dict[str, TableEntry]:
        """The same by the engine's own restore."""
        spec: StateSpec[bytes] = StateSpec(changelog, bytes, bytes)
        tables = {number: Table(spec) for number in range(topics()[changelog].partitions)}
        restored(EngineConfig(self.site.servers, "audit"), changelog, tables, dict.fromkeys(tables, True))
        found: dict[str, TableEntry] = {}
        for table in tables.values():
            pending = dict(table.pending())
            for key in fold:
                if (raw := table.raw(key)) is not None or key in pending:
                    found[key] = TableEntry(raw or b"", pending.get(key), 0)
            extra = len(table) - sum(table.raw(key) is not None or key in pending for key in fold)
            assert extra == 0, f"{changelog}: {extra} keys are restored that the fold does not have"
        return found

    def _conversation(self, number: str) -> Conversation:
        shown = self.site._local("intercom", "GET", f"/_local/conversations/{number}")
        parts = shown["conversation_parts"]["conversation_parts"]
        bot = str(self.site.env["FLOODGATE_INTERCOM_BOT_ADMIN_ID"])
        ours = [part for part in parts if str(part["author"]["id"]) == bot and part["author"]["type"] == "admin"]
        humans = [part for part in parts if part["author"]["type"] == "admin" and part not in ours]
        users = [part for part in parts if part["author"]["type"] in ("user", "lead", "contact")]
        return Conversation(
            said=tuple(
                (words_of(part["body"] or ""), _buttons(part))
                for part in ours
                if part["part_type"] in ("comment", "quick_reply")
            ),
            notes=tuple(words_of(part["body"] or "") for part in ours if part["part_type"] == "note"),
            written=1 + sum(part["part_type"] in ("comment", "quick_reply") for part in users),
            closed=shown["state"] == "closed",
            assigned=bool(shown["team_assignee_id"] or shown["admin_assignee_id"] or humans),
        )

    def _stored(self, summaries: Iterable[Summary]) -> set[UUID]:
        """Those of the feature records that the feature store gives out."""
        store = boto3.client(
            "sagemaker-featurestore-runtime",
            endpoint_url=self.site.env["AWS_ENDPOINT_URL_SAGEMAKER_FEATURESTORE_RUNTIME"],
            aws_access_key_id=self.site.env["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.site.env["AWS_SECRET_ACCESS_KEY"],
            region_name=self.site.env["AWS_REGION"],
        )
        ids = {summary.interaction_id for summary in summaries}
        return {
            known
            for known in ids
            if store.get_record(FeatureGroupName=_FEATURE_GROUP, RecordIdentifierValueAsString=str(known)).get("Record")
        }


def _buttons(part: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(option["uuid"]) for option in part["metadata"].get("quick_reply_options", ()))


def _figures(name: str, picture: Picture, begun: Round, exits: list[str], seconds: float) -> str:
    """What a round proved, and under how much load."""
    line = (
        f"{name}: {len(picture.user_messages)} messages, {len(picture.verdicts)} verdicts, "
        f"{len(picture.replies)} replies, {len(picture.escalations)} hand-overs, {len(picture.actions)} shop actions "
        f"so far, {len(picture.dropped)} drops, {len(picture.letters)} dead letters ({len(picture.poison)} records "
        f"broken on purpose), {begun.kills} kills, {len(exits)} other exits, {seconds:.0f} s"
    )
    return "\n".join([line, *(f"  {item}" for item in exits)])


def floodgate(env: Mapping[str, str], *arguments: str) -> None:
    """A command of the deploy step.

    Raises:
        AssertionError: It fails; with what it said.
    """
    command = [sys.executable, "-m", "floodgate.cli.main", *arguments]
    done = subprocess.run(command, env={**os.environ, **env}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"floodgate {' '.join(arguments)}: {done.stderr[-2000:]}"


def prepare(stack: Stack) -> None:
    """The deploy step: topics, schemas, bucket, knowledge, feature group."""
    stack.set_env(provision(stack.env()).env)
    env = {**stack.env(), "FLOODGATE_STATE": str(stack.state_dir)}
    floodgate(env, "knowledge", "sync")
    floodgate(env, "features", "setup")
