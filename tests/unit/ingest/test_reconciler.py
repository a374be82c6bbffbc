from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from floodgate.events import Message
from ingest.domain.intercom import map_envelope
from ingest.edge import EdgeWriter
from ingest.tasks.reconciler import Reconciler
from ingest_fakes import FakeConversations, FakeSink, FakeTimeline, until
from ingest_samples import CREATED_AT, RULES, conversation, envelope, part
from keyflow.errors import PoisonMessageError, RetryableError

NOW = datetime.fromtimestamp(CREATED_AT + 700, UTC)
ALL = datetime.fromtimestamp(CREATED_AT - 1, UTC)


class Bench:
    def __init__(self) -> None:
        self.conversations = FakeConversations()
        self.timeline = FakeTimeline()
        self.sink = FakeSink()
        self.now = NOW
        self.reconciler = Reconciler(
            self.conversations,
            self.timeline,
            EdgeWriter(self.sink, "reconciler"),
            RULES,
            lambda: self.now,
            interval_seconds=0.001,
            lookback_seconds=7200,
            overlap_seconds=900,
            grace_seconds=60,
        )

    async def arrived(self, topic: str, item: dict[str, object]) -> None:
        for event in map_envelope(envelope(topic, item), RULES).events:
            assert isinstance(event, Message)
            await self.timeline.write(event, 0)


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def test_only_what_webhooks_missed_is_written_and_under_their_ids(bench: Bench) -> None:
    lost = part("2", body="<p>lost</p>")
    bench.conversations.documents["503"] = conversation(part("1"), lost)
    await bench.arrived("conversation.user.created", conversation())
    await bench.arrived("conversation.user.replied", conversation(part("1")))
    found = await bench.reconciler.reconcile(ALL)
    (message,) = bench.sink.on("support.messages")
    (expected,) = map_envelope(envelope("conversation.user.replied", conversation(lost)), RULES).events
    assert message == expected
    assert (found.conversations, found.events, found.missed, found.failed) == (1, 3, 1, 0)


async def test_what_is_younger_than_the_grace_period_is_left_to_its_webhook(bench: Bench) -> None:
    bench.conversations.documents["503"] = conversation(part("1", created_at=CREATED_AT + 690))
    assert (await bench.reconciler.reconcile(ALL)).missed == 1
    assert [m.channel_message_id for m in bench.sink.on("support.messages")] == ["source"]


async def test_conversations_that_did_not_change_are_not_fetched(bench: Bench) -> None:
    bench.conversations.documents["503"] = conversation()
    found = await bench.reconciler.reconcile(NOW)
    assert found.conversations == 0


async def test_a_conversation_that_intercom_refuses_does_not_stop_the_pass(bench: Bench) -> None:
    bench.conversations.documents["503"] = conversation()
    bench.conversations.refused = PoisonMessageError("intercom: GET /conversations/503: 404 not_found")
    assert (await bench.reconciler.reconcile(ALL)).failed == 1


async def test_a_conversation_that_cannot_be_read_is_a_dead_letter(bench: Bench) -> None:
    bench.conversations.documents["503"] = {"id": "503", "updated_at": CREATED_AT + 600}
    found = await bench.reconciler.reconcile(ALL)
    (letter,) = bench.sink.dead_letters
    assert letter.origin_topic == "intercom:reconciler:503"
    assert found.failed == 1


async def test_while_the_timeline_is_down_nothing_is_written_and_the_window_comes_again(bench: Bench) -> None:
    bench.conversations.documents["503"] = conversation()
    bench.timeline.failure = RetryableError("OpenSearch")
    stop = asyncio.Event()
    running = asyncio.create_task(bench.reconciler.run(stop))
    await until(lambda: len(bench.conversations.asked_since) >= 3)
    assert bench.sink.sent == []
    assert set(bench.conversations.asked_since) == {NOW - timedelta(hours=2)}
    bench.timeline.failure = None
    await until(lambda: bench.sink.sent)
    asked = len(bench.conversations.asked_since)
    await until(lambda: len(bench.conversations.asked_since) >= asked + 2)
    stop.set()
    await running
    assert bench.conversations.asked_since[-1] == NOW - timedelta(minutes=15)
