"""How many conversations wait for a team."""

from __future__ import annotations

from uuid import uuid4

from agent.queues import Queues
from floodgate.events import Escalation, EscalationSource, Message, MessageKind, Priority

from tests.unit.agent.conftest import NOW


def handed_over(key: str, team: str = "tickets") -> Escalation:
    return Escalation(
        event_id=uuid4(), occurred_at=NOW, conversation_id=key, channel="c", contact_id="p",
        source=EscalationSource.FIREWALL, reason_code="urgent", priority=Priority.NORMAL, team=team,
    )  # fmt: skip


def happened(key: str, kind: MessageKind) -> Message:
    return Message(event_id=uuid4(), occurred_at=NOW, conversation_id=key, kind=kind, channel="c", contact_id="p")


def test_what_was_handed_over_waits_until_a_colleague_takes_it_or_it_is_closed():
    queues = Queues()
    queues.take([handed_over("c:1"), handed_over("c:2"), handed_over("c:2"), handed_over("c:3", "billing")])
    assert (queues.waiting("tickets"), queues.waiting("billing"), queues.waiting("accounts")) == (2, 1, 0)
    queues.take([happened("c:1", MessageKind.HUMAN_JOINED), happened("c:3", MessageKind.CLOSED)])
    queues.take([happened("c:2", MessageKind.USER_MESSAGE)])
    assert (queues.waiting("tickets"), queues.waiting("billing")) == (1, 0)
