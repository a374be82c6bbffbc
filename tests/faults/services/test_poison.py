"""Bursts of records that nobody can handle, among those that everybody can."""

from __future__ import annotations

import struct

import pytest
from faults.services.site import Site
from floodgate.events import Message, MessageKind, edge_event_id
from floodgate.events.times import from_ms, now_ms

pytestmark = pytest.mark.timeout(1200)

TOPICS = (
    "support.messages",
    "support.verdicts",
    "support.replies",
    "support.escalations",
    "support.interactions",
    "support.summaries",
)
LARGE_BYTES = 1_048_000
"""Close to what a topic takes: its dead letter is larger still."""


def test_bursts_of_broken_records_become_dead_letters_and_stop_nobody(site: Site) -> None:
    with site.round("poison") as round_:
        site.await_progress(5)
        for topic in TOPICS:
            key = b"intercom:999%03d" % round_.rng.randrange(1000)
            round_.break_records(
                topic,
                [
                    (key, round_.rng.randbytes(40)),
                    (key, b""),
                    (None, b"\x00without a key"),
                    (b"\xff\xfe", round_.rng.randbytes(10)),
                    (key, None),
                    (key, struct.pack(">bI", 0, 2_000_000_000) + b"no such schema"),
                    (key, struct.pack(">bI", 0, 1) + round_.rng.randbytes(30)),
                ],
            )
            site.await_progress(2)
        round_.break_records("support.intercom.raw", [(b"intercom:1", b"\x00\xffnot json"), (b"intercom:2", b"{}")])
        round_.break_records("support.messages", [(b"rest:large", round_.rng.randbytes(LARGE_BYTES))])
        round_.load.drop_broken()
        round_.kill(site.fleet.slots["firewall-0"])
        site.await_progress(5)


def test_a_message_whose_verdict_would_be_too_large_is_one_dead_letter_and_a_human_gets_it(site: Site) -> None:
    conversation = "rest:far-too-long"
    message = Message(
        event_id=edge_event_id("test", f"{site.seed}-large"),
        occurred_at=from_ms(now_ms()),
        conversation_id=conversation,
        kind=MessageKind.USER_MESSAGE,
        channel="rest",
        contact_id="test-contact",
        text="My tickets have not arrived. " * 34_480,
    )
    with site.round("oversized") as round_:
        data = site.serde.encode("support.messages", message)
        round_.break_records("support.messages", [(conversation.encode(), data)], readers=("firewall",))
        site.await_progress(10)
    escalated = [e for e in site.follower.seen.escalations if e.conversation_id == conversation]
    assert len(escalated) == 1


def test_a_model_that_breaks_its_schema_costs_no_conversation_its_human(site: Site) -> None:
    with site.round("broken-answers") as round_:
        round_.expects_broken_answers = True
        site.model.set_faults({"seed": site.seed, "schema_breaking_rate": 0.5, "malformed_rate": 0.2})
        site.await_progress(25)
