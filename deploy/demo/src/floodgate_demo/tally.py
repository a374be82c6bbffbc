"""Follows the topics while the demo runs, and says what is accounted for."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID, uuid4

from confluent_kafka import Consumer, Message
from floodgate.events import (
    DeadLetter,
    Decision,
    Escalation,
    Feedback,
    Interaction,
    MessageKind,
    Reply,
    ReplyOption,
    Summary,
    Verdict,
)
from floodgate.events import Message as Inbound
from floodgate.events.serde import AvroSerde

TOPICS: Final = (
    "support.messages",
    "support.verdicts",
    "support.replies",
    "support.escalations",
    "support.interactions",
    "support.summaries",
    "support.feedback",
    "support.dead-letters",
)


@dataclass(slots=True)
class Seen:
    """Everything read so far. Written by the following thread under `lock`."""

    lock: threading.RLock = field(default_factory=threading.RLock)
    messages: dict[UUID, int] = field(default_factory=dict)
    conversations: set[str] = field(default_factory=set)
    verdicts: dict[UUID, list[Verdict]] = field(default_factory=lambda: defaultdict(list))
    replies: list[Reply] = field(default_factory=list)
    escalations: list[Escalation] = field(default_factory=list)
    interactions: dict[UUID, int] = field(default_factory=dict)
    interaction_keys: dict[UUID, str] = field(default_factory=dict)
    summaries: dict[UUID, list[Summary]] = field(default_factory=lambda: defaultdict(list))
    dead_letters: dict[UUID, DeadLetter] = field(default_factory=dict)
    feedback: dict[UUID, Feedback] = field(default_factory=dict)
    opening: dict[str, Verdict] = field(default_factory=dict)
    latest: dict[str, Verdict] = field(default_factory=dict)
    verdict_counts: Counter[str] = field(default_factory=Counter)
    spoken: Counter[str] = field(default_factory=Counter)
    handed_over: set[str] = field(default_factory=set)
    resolved: set[str] = field(default_factory=set)
    options: dict[str, ReplyOption] = field(default_factory=dict)
    latency_ms: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    _verdict_at: dict[UUID, int] = field(default_factory=dict)

    def add(self, topic: str, record: Any, timestamp_ms: int) -> None:
        """Takes one record."""
        with self.lock:
            match record:
                case Inbound():
                    self._add_message(record, timestamp_ms)
                case Verdict():
                    self._add_verdict(record, timestamp_ms)
                case Reply():
                    self.replies.append(record)
                    self.spoken[record.conversation_id] += 1
                    self._note_options(record.reply.options)
                    self._note_latency("agent", self._verdict_at, record.causation_id, timestamp_ms)
                    if record.resolved:
                        self.resolved.add(record.conversation_id)
                case Escalation():
                    self.escalations.append(record)
                    self.spoken[record.conversation_id] += record.reply is not None
                    self.handed_over.add(record.conversation_id)
                case Interaction():
                    self.interactions.setdefault(record.event_id, timestamp_ms)
                    self.interaction_keys[record.event_id] = str(record.interaction_id)
                case Summary():
                    if record.causation_id is not None:
                        self.summaries[record.causation_id].append(record)
                    self._note_latency("summarizer", self.interactions, record.causation_id, timestamp_ms)
                case Feedback():
                    self.feedback[record.event_id] = record
                case DeadLetter():
                    self.dead_letters[record.event_id] = record
                case _:
                    raise TypeError(f"{topic} brought a {type(record).__name__}")

    def _add_message(self, record: Inbound, timestamp_ms: int) -> None:
        self.conversations.add(record.conversation_id)
        if record.kind is MessageKind.USER_MESSAGE:
            self.messages.setdefault(record.event_id, timestamp_ms)

    def _add_verdict(self, record: Verdict, timestamp_ms: int) -> None:
        if record.causation_id is None:
            return
        self.verdicts[record.causation_id].append(record)
        self.opening.setdefault(record.conversation_id, record)
        self.latest[record.conversation_id] = record
        self.verdict_counts[record.conversation_id] += 1
        self._verdict_at[record.event_id] = timestamp_ms
        if record.reply is not None:
            self.spoken[record.conversation_id] += 1
            self._note_options(record.reply.options)
        self._note_latency("firewall", self.messages, record.causation_id, timestamp_ms)

    def _note_options(self, options: tuple[ReplyOption, ...]) -> None:
        self.options.update({str(option.option_id): option for option in options})

    def _note_latency(self, service: str, since: Mapping[UUID, int], cause: UUID | None, timestamp_ms: int) -> None:
        began = since.get(cause) if cause is not None else None
        if began is not None:
            self.latency_ms[service].append(max(0, timestamp_ms - began))

    def is_settled(self, conversation_id: str) -> bool:
        """Whether no automated answer will follow in this conversation: a human has it, or it is resolved."""
        with self.lock:
            latest = self.latest.get(conversation_id)
            if latest is None:
                return False
            over = conversation_id in self.handed_over or conversation_id in self.resolved
            return over or latest.decision in (Decision.PASS, Decision.ESCALATE, Decision.QUARANTINE)

    def is_passed(self, conversation_id: str) -> bool:
        """Whether the newest message went to a human queue without a word."""
        with self.lock:
            latest = self.latest.get(conversation_id)
            return latest is not None and latest.decision is Decision.PASS


class Follower:
    """Reads the topics from their beginning in a thread of its own.

    Args:
        bootstrap_servers: Kafka.
        serde: Decodes the records.
    """

    def __init__(self, bootstrap_servers: str, serde: AvroSerde) -> None:
        self.seen = Seen()
        self._serde = serde
        self._stop = threading.Event()
        self._failure: Exception | None = None
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap_servers,
                "group.id": f"floodgate.demo.{uuid4()}",
                "isolation.level": "read_committed",
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                "fetch.wait.max.ms": 50,
            }
        )
        self._thread = threading.Thread(target=self._run, name="follower", daemon=True)

    def start(self) -> None:
        """Begins to follow."""
        self._consumer.subscribe(list(TOPICS))
        self._thread.start()

    def check(self) -> None:
        """Raises what the following thread failed with, if it did."""
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        """Stops following; safe to call more than once."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(10)

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                for message in self._consumer.consume(500, 0.1):
                    self._take(message)
        except Exception as error:
            self._failure = error
        finally:
            self._consumer.close()

    def _take(self, message: Message) -> None:
        if message.error() is not None:
            return
        topic, value = str(message.topic()), message.value()
        if isinstance(value, bytes):
            self.seen.add(topic, self._serde.decode(topic, value), message.timestamp()[1])
