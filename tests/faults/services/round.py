"""One round: load, faults, and the picture that is left when all has settled."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import boto3
from confluent_kafka import Message as KafkaMessage
from confluent_kafka import Producer
from faults.services.audit import words_of
from faults.services.journal import Entry, Journal, Place, Source, changelogs
from faults.services.load import Load
from faults.services.picture import Conversation, Picture
from floodgate.events import Summary
from floodgate.events.topics import topics
from keyflow import EngineConfig, StateSpec
from keyflow.restore import restored
from keyflow.table import Entry as TableEntry
from keyflow.table import Table
from support.fleet import Slot

if TYPE_CHECKING:
    from faults.services.site import Site

_SETTLE_STAND_STILL_SECONDS: Final = 150.0
_QUIET_SECONDS: Final = 3.0
_FEATURE_GROUP: Final = "floodgate-interactions"


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
        producer = Producer(
            {
                "bootstrap.servers": self.site.servers,
                "partitioner": "murmur2_random",
                "message.max.bytes": 2_000_000,  # the topic's own limit is what is tried
            }
        )
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
        pending = self.site.local("intercom", "GET", "/_local/webhook")["pending"]
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
                name: {key: json.loads(raw.partition(b"\n")[2] or b"{}") for key, raw in fold.items()}
                for name, fold in folded.items()
            },
            actions=self.site.local("shop", "GET", "/_local/actions")["actions"],
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
        shown = self.site.local("intercom", "GET", f"/_local/conversations/{number}")
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
