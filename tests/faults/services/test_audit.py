"""The audit finds what it is there to find: each check fails for the defect that it names. Needs no stack."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest
from faults.services.audit import problems
from faults.services.journal import PROCESSORS, Entry, Journal, inputs_of
from faults.services.picture import Conversation, Picture
from floodgate.events import (
    ActionResult,
    ActionStatus,
    DeadLetter,
    Decision,
    Interaction,
    Message,
    MessageKind,
    Misuse,
    OutboundReply,
    Reply,
    Turn,
    Verdict,
    derive_event_id,
)
from floodgate.events.times import from_ms
from keyflow.table import Entry as TableEntry

NOW = from_ms(1_790_000_000_000)
KEY = "intercom:7"


def message(number: int) -> Message:
    return Message(
        event_id=UUID(int=number),
        occurred_at=NOW,
        conversation_id=KEY,
        kind=MessageKind.USER_MESSAGE,
        channel="intercom",
        contact_id="c",
        text=f"text {number}",
    )


def verdict(cause: Message) -> Verdict:
    return Verdict(
        event_id=derive_event_id(cause.event_id, "verdict"),
        occurred_at=NOW,
        causation_id=cause.event_id,
        conversation_id=KEY,
        decision=Decision.AUTOMATE,
        message=cause,
        category="resend_tickets",
        misuse=Misuse.NONE,
        urgent=False,
        urgency=0.1,
        workflow="resend_tickets",
        confidence=0.9,
        explanation="test",
        language="en",
    )


def reply(cause: Verdict) -> Reply:
    return Reply(
        event_id=derive_event_id(cause.event_id, "reply"),
        occurred_at=NOW,
        causation_id=cause.event_id,
        conversation_id=KEY,
        channel="intercom",
        contact_id="c",
        reply=OutboundReply(text=f"Sent for {cause.message.text}.", language="en"),
        workflow="resend_tickets",
        category="resend_tickets",
        actions=(ActionResult(action="resend", idempotency_key=f"{cause.event_id}:act", status=ActionStatus.DONE),),
        expires_at=NOW,
    )


def letter(place: tuple[str, int, int], error_class: str = "poison") -> DeadLetter:
    return DeadLetter(
        event_id=uuid4(),
        occurred_at=NOW,
        service="firewall",
        origin_topic=place[0],
        origin_partition=place[1],
        origin_offset=place[2],
        key=KEY.encode(),
        value=b"",
        error_class=error_class,
        error_type="X",
        reason="test",
        attempts=1,
    )


MESSAGES = (message(1), message(2))
VERDICTS = tuple(verdict(each) for each in MESSAGES)
REPLIES = tuple(reply(each) for each in VERDICTS)
STATE = b'{"recent_event_ids": %s}'


def ids(*records: Any) -> str:
    return "[" + ", ".join(f'"{record.event_id}"' for record in records) + "]"


STATES = {
    "support.firewall.state": ids(*MESSAGES),
    "support.agent.state": ids(*VERDICTS),
    "support.delivery.state": ids(*VERDICTS, *REPLIES),
}


def numbered(topic: str, records: tuple[Any, ...]) -> list[tuple[Entry, Any]]:
    return [(Entry(topic, 3, offset, KEY.encode(), b"-"), record) for offset, record in enumerate(records)]


def sound() -> Picture:
    """Two messages, two verdicts, two replies with an action each, all of it shown and remembered."""
    decoded = {
        "support.messages": numbered("support.messages", MESSAGES),
        "support.verdicts": numbered("support.verdicts", VERDICTS),
        "support.replies": numbered("support.replies", REPLIES),
    }
    folded = {
        name: {KEY: b'{"at": 1}\n{"recent_event_ids": ' + known.encode() + b"}"} for name, known in STATES.items()
    }
    return Picture(
        journal=Journal({topic: [entry for entry, _ in found] for topic, found in decoded.items()}),
        decoded=decoded,
        committed={
            name: {(topic, number): (2, "") for topic in inputs_of(name) for number in range(6)} for name in PROCESSORS
        },
        folded=folded,
        restored={
            name: {key: TableEntry(raw.partition(b"\n")[2], None, 0) for key, raw in fold.items()}
            for name, fold in folded.items()
        },
        states={
            name: {KEY: {"recent_event_ids": [part.strip('" []') for part in known.split(",")]}}
            for name, known in STATES.items()
        },
        actions=[{"idempotency_key": f"{each.event_id}:act", "outcome": "done", "times_done": 1} for each in VERDICTS],
        conversations={
            "7": Conversation(said=(("This is automated. Sent for text 1.", ()), ("Sent for text 2.", ())), written=2)
        },
    )


def changed(topic: str, records: tuple[Any, ...]) -> Picture:
    picture = sound()
    picture.decoded[topic] = numbered(topic, records)
    return picture


def shown(*said: str) -> Picture:
    picture = sound()
    seven = replace(picture.conversations["7"], said=tuple((words, ()) for words in said))
    return replace(picture, conversations={"7": seven})


def closed() -> Picture:
    picture = sound()
    return replace(picture, conversations={"7": replace(picture.conversations["7"], closed=True)})


def one_action(**changes: Any) -> Picture:
    picture = sound()
    return replace(picture, actions=[{**picture.actions[0], **changes}, picture.actions[1]])


def interaction() -> Interaction:
    return Interaction(
        event_id=uuid4(),
        occurred_at=NOW,
        interaction_id=uuid4(),
        source="s3",
        contact_id="c",
        ended_at=NOW,
        turns=(Turn(role="customer", text="x"),),
    )


def unread() -> Picture:
    picture = sound()
    committed = {name: dict(places) for name, places in picture.committed.items()}
    committed["delivery"]["support.replies", 3] = (1, "")
    return replace(picture, committed=committed)


def not_restored() -> Picture:
    picture = sound()
    return replace(picture, restored={**picture.restored, "support.agent.state": {KEY: TableEntry(b"{}", None, 0)}})


def forgotten() -> Picture:
    picture = sound()
    return replace(picture, states={**picture.states, "support.firewall.state": {KEY: {"recent_event_ids": []}}})


def test_a_sound_picture_has_no_problems() -> None:
    assert problems(sound()) == []


@pytest.mark.parametrize(
    ("picture", "expected"),
    [
        (changed("support.messages", MESSAGES[:1]), "front_door: intercom:7: 2 messages were written, 1 are on"),
        (changed("support.verdicts", VERDICTS[:1]), "one_verdict: intercom:7: message 00000000"),
        (changed("support.verdicts", (*VERDICTS, VERDICTS[1])), "nothing_twice: support.verdicts:"),
        (changed("support.verdicts", VERDICTS[::-1]), "order: support.verdicts: intercom:7:"),
        (changed("support.replies", REPLIES[:1]), "one_answer: intercom:7: verdict"),
        (changed("support.replies", REPLIES[:1]), "nobody_waits: intercom:7: neither the agent nor a human"),
        (changed("support.interactions", (interaction(),)), "one_summary: interaction"),
        (
            changed("support.dead-letters", (letter(("support.messages", 3, 0), "retries_exhausted"),)),
            "dead_letters: firewall: support.messages/3/0 was dead-lettered as retries_exhausted",
        ),
        (
            replace(sound(), poison={("support.replies", 0, 9): ("delivery",)}),
            "dead_letters: delivery: broken record support.replies/0/9 has 0 dead letters",
        ),
        (one_action(times_done=2), "and was done 2 times"),
        (one_action(outcome="not_allowed", times_done=0), "is said to be done; the shop's journal says otherwise"),
        (shown("Sent for text 1."), "intercom: intercom:7: a reply of support.replies is not shown"),
        (shown("Sent for text 1.", "Sent for text 2.", "Sent for text 2."), "said something more often than"),
        (shown("Sent for text 2.", "Sent for text 1."), "are shown out of order"),
        (closed(), "closed_conversations: intercom:7: it was closed and no topic says so"),
        (unread(), "offsets: delivery: 1 records of support.replies are unread, the first at support.replies/3/1"),
        (not_restored(), "state: support.agent.state: intercom:7 is not restored as the changelog has it"),
        (forgotten(), "state: support.firewall.state: intercom:7 does not know 2 events"),
        (replace(sound(), dropped={uuid4()}), "was dropped into the bucket and is not on the topic"),
    ],
    ids=lambda value: value[:60] if isinstance(value, str) else "",
)
def test_each_defect_is_named(picture: Picture, expected: str) -> None:
    assert any(expected in line for line in problems(picture)), problems(picture)
