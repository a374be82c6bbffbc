"""What speaks for automation of a category, counted from what happened, and held against its written bar. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from floodgate.catalogue.models import Bar
from floodgate.events import (
    Approval,
    ApprovalDecision,
    AvroModel,
    Escalation,
    EscalationSource,
    Feedback,
    FeedbackLabel,
    Message,
    MessageKind,
    Proposal,
    ProposalMode,
    Reply,
)
from floodgate.intervals import wilson

REOPENED_WITHIN: Final = timedelta(days=7)
ENOUGH: Final = 10
"""Below this many cases nothing is broken: one bad case of one says little."""
_MORE_THAN_THANKS: Final = 25
"""Characters."""


@dataclass(frozen=True, slots=True)
class Share:
    """A count among cases, with its 95 % interval by Wilson."""

    hits: int
    n: int

    @property
    def interval(self) -> tuple[float, float]:
        """Lower and upper end; everything is possible where nothing was counted."""
        return wilson(self.hits, self.n)

    def __str__(self) -> str:
        if self.n == 0:
            return "none"
        low, high = self.interval
        return f"{self.hits} of {self.n} ({self.hits / self.n:.0%}, 95 % {low:.0%} to {high:.0%})"


class Standing(StrEnum):
    """How a category stands against its bar."""

    SHOWN = "shown"
    NOT_SHOWN = "not shown"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was counted of one category.

    Attributes:
        agreement: Proposals that a person approved, of those that a person judged.
        reopened: Resolved cases that came back within seven days.
        reopened_ripe: The same of those that were resolved seven days ago or longer.
        wrong_path: Feedback that it went wrong, of all feedback.
        computed: Workflows computed in shadow.
        handed_over: Hand-overs of the agent by reason.
    """

    agreement: Share
    reopened: Share
    reopened_ripe: Share
    wrong_path: Share
    computed: int
    handed_over: Mapping[str, int]

    def broken(self, bar: Bar) -> list[str]:
        """What is surely missed; empty where nothing is."""
        found = []
        if self.agreement.n >= ENOUGH and self.agreement.interval[1] < bar.min_agreement:
            found.append(f"approved {self.agreement}, at least {bar.min_agreement:.0%} is asked")
        if self.reopened.n >= ENOUGH and self.reopened.interval[0] > bar.max_reopened:
            found.append(f"reopened {self.reopened}, at most {bar.max_reopened:.0%} is allowed")
        if self.wrong_path.n >= ENOUGH and self.wrong_path.interval[0] > bar.max_wrong_path:
            found.append(f"wrong path {self.wrong_path}, at most {bar.max_wrong_path:.0%} is allowed")
        return found

    def missing(self, bar: Bar) -> list[str]:
        """What is not shown yet."""
        found = []
        if self.agreement.n < bar.min_cases:
            found.append(f"{bar.min_cases - self.agreement.n} more judged proposals")
        elif self.agreement.interval[0] < bar.min_agreement:
            found.append(f"agreement surely at {bar.min_agreement:.0%}")
        if self.reopened_ripe.n and self.reopened_ripe.interval[1] > bar.max_reopened:
            found.append(f"reopened surely below {bar.max_reopened:.0%}")
        if self.wrong_path.n and self.wrong_path.interval[1] > bar.max_wrong_path:
            found.append(f"wrong path surely below {bar.max_wrong_path:.0%}")
        return found

    def standing(self, bar: Bar) -> Standing:
        """The category against its bar."""
        if self.broken(bar):
            return Standing.BROKEN
        return Standing.NOT_SHOWN if self.missing(bar) else Standing.SHOWN


def _returns(message: Message) -> bool:
    """Whether somebody comes back with something: reopened, or written to again; a thank-you is no return."""
    if message.kind is MessageKind.USER_MESSAGE:
        return "?" in message.text or len(message.text.strip()) >= _MORE_THAN_THANKS
    return message.kind is MessageKind.REOPENED


@dataclass(slots=True)
class _Case:
    """What is remembered of a conversation; ids and times only."""

    category: str | None = None
    resolved_at: datetime | None = None
    resolved_in: str | None = None
    came_back: bool = False
    feedback: Feedback | None = None
    handed_over: list[tuple[datetime, str]] = field(default_factory=list)


class EvidenceBook:
    """Follows the topics, in any order between topics as long as each keeps its own."""

    def __init__(self) -> None:
        self._cases: dict[str, _Case] = {}
        self._proposals: dict[str, Proposal] = {}
        self._words: dict[str, Approval] = {}
        self._back: dict[str, list[datetime]] = {}

    def take(self, records: Iterable[AvroModel]) -> None:
        """Follows further records."""
        for record in records:
            match record:
                case Proposal():
                    self._proposals[str(record.proposal_id)] = record
                    self._case(record.conversation_id).category = record.category
                case Approval() if record.decision in {ApprovalDecision.APPROVE, ApprovalDecision.REJECT}:
                    # The first word counts where the agent acted on it; a later one changes nothing that was done.
                    self._words.setdefault(str(record.proposal_id), record)
                case Reply():
                    self._replied(record)
                case Escalation(source=EscalationSource.AGENT):
                    case = self._case(record.conversation_id)
                    case.category = record.category or case.category
                    case.handed_over.append((record.occurred_at, record.reason_code))
                    self._back.setdefault(record.conversation_id, []).append(record.occurred_at)
                case Feedback():
                    self._case(record.conversation_id).feedback = record
                case Message() if _returns(record):
                    self._back.setdefault(record.conversation_id, []).append(record.occurred_at)
                case _:
                    pass

    def of(self, category: str, *, since: datetime, now: datetime) -> Evidence:
        """What speaks for one category, from a time on."""
        cases = [(key, case) for key, case in self._cases.items() if category in {case.category, case.resolved_in}]
        resolved = [(key, case.resolved_at) for key, case in cases if case.resolved_in == category
                    and case.resolved_at is not None and case.resolved_at >= since]  # fmt: skip
        back = [(at, self._came_back(key, at)) for key, at in resolved]
        ripe = [came for at, came in back if now - at >= REOPENED_WITHIN]
        given = [case.feedback for _, case in cases if case.feedback is not None and case.feedback.occurred_at >= since]
        proposals = [p for p in self._proposals.values() if p.category == category and p.occurred_at >= since]
        words = [w for p in proposals if (w := self._words.get(str(p.proposal_id))) is not None]
        handed = Counter(why for _, case in cases for at, why in case.handed_over if at >= since)
        return Evidence(
            agreement=Share(sum(w.decision is ApprovalDecision.APPROVE for w in words), len(words)),
            reopened=Share(sum(came for _, came in back), len(back)),
            reopened_ripe=Share(sum(ripe), len(ripe)),
            wrong_path=Share(sum(g.label is FeedbackLabel.WRONG_PATH for g in given), len(given)),
            computed=sum(p.mode is ProposalMode.SHADOW for p in proposals),
            handed_over=dict(handed),
        )

    def _case(self, conversation_id: str) -> _Case:
        return self._cases.setdefault(conversation_id, _Case())

    def _replied(self, reply: Reply) -> None:
        case = self._case(reply.conversation_id)
        case.category = reply.category or case.category
        if reply.resolved:
            case.resolved_at, case.resolved_in = reply.occurred_at, case.category

    def _came_back(self, conversation_id: str, resolved_at: datetime) -> bool:
        return any(timedelta(0) < at - resolved_at <= REOPENED_WITHIN for at in self._back.get(conversation_id, ()))
