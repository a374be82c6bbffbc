"""Evidence for automation: counted from records, held against the bar, and the fall back to shadow."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4, uuid5

import pytest
from agent.bar_watch import fall_back, since_of
from agent.domain.evidence import EvidenceBook, Share, Standing
from floodgate.catalogue.models import Automation, Bar, Catalogue, Category
from floodgate.events import (
    Approval,
    ApprovalDecision,
    AuditEntry,
    AvroModel,
    Feedback,
    FeedbackLabel,
    Message,
    MessageKind,
    ModeChange,
    OutboundReply,
    Proposal,
    ProposalMode,
    ProposalOutcome,
    ProposalStatus,
    Reply,
    SwitchMode,
)
from floodgate.modes import Modes
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.agent.conftest import NAMESPACE
from tests.unit.modes.changes import change

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SINCE = NOW - timedelta(days=28)
BAR = Bar(min_cases=20, min_agreement=0.8, max_reopened=0.1, max_wrong_path=0.1)


def resolved(number: int, days_ago: float = 10) -> Reply:
    return Reply(
        event_id=uuid4(), occurred_at=NOW - timedelta(days=days_ago), conversation_id=f"c:{number}", channel="c",
        contact_id="p", reply=OutboundReply(text="Done.", language="en"), workflow="refund", step="done",
        category="refunds", resolved=True,
    )  # fmt: skip


def written(number: int, days_ago: float, text: str = "", kind: MessageKind = MessageKind.USER_MESSAGE) -> Message:
    return Message(
        event_id=uuid4(), occurred_at=NOW - timedelta(days=days_ago), conversation_id=f"c:{number}", kind=kind,
        channel="c", contact_id="p", text=text,
    )  # fmt: skip


def judged(number: int, decision: ApprovalDecision, mode: ProposalMode = ProposalMode.PROPOSE) -> list[AvroModel]:
    identity = uuid5(NAMESPACE, str(number))
    proposal = Proposal(
        event_id=uuid4(), occurred_at=NOW - timedelta(days=2), proposal_id=identity, conversation_id=f"c:{number}",
        channel="c", contact_id="p", mode=mode, status=ProposalStatus.PENDING, outcome=ProposalOutcome.ACTS,
        workflow="refund", step="refund", category="refunds",
    )  # fmt: skip
    word = Approval(
        event_id=uuid4(), occurred_at=NOW, conversation_id=f"c:{number}", proposal_id=identity, decision=decision,
        actor="Ada",
    )  # fmt: skip
    return [proposal, word]


def book_of(*records: AvroModel) -> EvidenceBook:
    book = EvidenceBook()
    book.take(records)
    return book


def counted(*records: AvroModel) -> Any:
    return book_of(*records).of("refunds", since=SINCE, now=NOW)


@given(st.integers(0, 300), st.integers(0, 300))
def test_the_interval_holds_the_share_and_stays_within_nought_and_one(hits, misses):
    low, high = Share(hits, hits + misses).interval
    assert 0.0 <= low <= high <= 1.0
    if hits + misses:
        assert low <= hits / (hits + misses) + 1e-9
        assert high >= hits / (hits + misses) - 1e-9


def test_the_interval_is_wilsons():
    low, high = Share(8, 10).interval
    assert (round(low, 3), round(high, 3)) == (0.490, 0.943)


def test_agreement_counts_what_a_person_judged_in_either_mode():
    records = [*judged(1, ApprovalDecision.APPROVE), *judged(2, ApprovalDecision.REJECT)]
    records += [*judged(3, ApprovalDecision.APPROVE, ProposalMode.SHADOW), *judged(4, ApprovalDecision.EXPIRE)]
    found = counted(*records)
    assert found.agreement == Share(2, 3)
    assert found.computed == 1


@pytest.mark.parametrize(
    ("back", "came"),
    [
        (written(1, 9, kind=MessageKind.REOPENED), 1),
        (written(1, 9, "It still did not arrive, please look again"), 1),
        (written(1, 9, "when?"), 1),
        (written(1, 9, "thank you!"), 0),
        (written(1, 2, kind=MessageKind.REOPENED), 0),
        (written(1, 11, kind=MessageKind.REOPENED), 0),
        (written(2, 9, kind=MessageKind.REOPENED), 0),
    ],
    ids=["reopened", "written again", "asked", "thanked", "after seven days", "before", "another conversation"],
)
def test_what_comes_back_within_seven_days(back, came):
    assert counted(resolved(1), back).reopened == Share(came, 1)


def test_only_what_had_its_seven_days_speaks_for_the_bar():
    found = counted(resolved(1, 3), resolved(2, 8))
    assert (found.reopened.n, found.reopened_ripe.n) == (2, 1)


def test_feedback_counts_for_the_category_that_was_automated():
    given_feedback = Feedback(
        event_id=uuid4(), occurred_at=NOW, conversation_id="c:1", label=FeedbackLabel.WRONG_PATH, source="console"
    )
    assert counted(resolved(1), resolved(2), given_feedback).wrong_path == Share(1, 1)


def test_what_happened_before_the_window_does_not_count():
    assert counted(resolved(1, 30)).reopened.n == 0


def test_a_bar_is_shown_broken_or_neither():
    good = [record for number in range(30) for record in judged(number, ApprovalDecision.APPROVE)]
    assert counted(*good).standing(BAR) is Standing.SHOWN
    assert counted(*good[:20]).standing(BAR) is Standing.NOT_SHOWN
    bad = [record for number in range(12) for record in judged(number, ApprovalDecision.REJECT)]
    assert counted(*bad).standing(BAR) is Standing.BROKEN


def test_a_single_bad_case_breaks_nothing():
    assert counted(resolved(1), written(1, 9, kind=MessageKind.REOPENED)).broken(BAR) == []


class Sink:
    def __init__(self) -> None:
        self.sent: list[tuple[str, AvroModel]] = []

    async def send(self, topic: str, key: str, value: AvroModel) -> None:
        self.sent.append((topic, value))


@pytest.fixture
def catalogue(real_catalogue) -> Catalogue:
    category = Category(
        id="refunds", title={"en": "Refunds"}, path="tickets", team="tickets", automation=Automation.ON, bar=BAR,
        workflow="refund_order", examples={"en": ("x",)}, owner="o", review_by=date(2027, 1, 1),
    )  # fmt: skip
    return real_catalogue().model_copy(update={"categories": (category,)})


BROKEN = [
    record for number in range(20) for record in (resolved(number), written(number, 9, kind=MessageKind.REOPENED))
]


def test_a_category_whose_bar_is_broken_falls_back_to_shadow_with_its_audit_entry(catalogue):
    sink = Sink()
    (fallen,) = asyncio.run(fall_back(catalogue, Modes(), book_of(*BROKEN), sink, NOW))
    assert (fallen.target, fallen.mode, fallen.actor) == ("refunds", SwitchMode.SHADOW, "evidence")
    assert fallen.reason == "bar broken: reopened 20 of 20 (100%, 95 % 84% to 100%), at most 10% is allowed"
    limit, entry = (value for _, value in sink.sent)
    assert isinstance(limit, ModeChange)
    assert isinstance(entry, AuditEntry)


def test_it_falls_once_and_a_good_one_never(catalogue):
    sink = Sink()
    fallen = Modes().after([change("refunds", SwitchMode.SHADOW)])
    assert asyncio.run(fall_back(catalogue, fallen, book_of(*BROKEN), sink, NOW)) == []
    assert asyncio.run(fall_back(catalogue, Modes(), book_of(resolved(1)), sink, NOW)) == []
    assert sink.sent == []


def test_after_a_person_lifted_the_limit_evidence_counts_anew(catalogue):
    lifted = change("refunds", SwitchMode.ON)
    modes = Modes().after([lifted])
    assert since_of(catalogue.categories[0], modes, NOW) == lifted.occurred_at
    assert asyncio.run(fall_back(catalogue, modes, book_of(*BROKEN), Sink(), NOW)) == []
