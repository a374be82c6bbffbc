"""The agent and the summarizer beside their live versions: nothing is done, and what would change is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid5

import pytest
from agent.domain.calls import CallOutcome, CallResult
from floodgate.bedrock import ModelRequest, ModelResult, Usage
from floodgate.catalogue import Catalogue
from floodgate.events import (
    ActionResult,
    ActionStatus,
    Decision,
    Interaction,
    Message,
    Misuse,
    OutboundReply,
    Reply,
    Summary,
    Turn,
    TurnRole,
    Verdict,
)
from floodgate_eval.shadow.asking import SharedAnswers
from floodgate_eval.shadow.differences import differences
from floodgate_eval.shadow.history import History
from floodgate_eval.shadow.of_agent import AgentSubject
from floodgate_eval.shadow.of_summarizer import SummarizerSubject
from floodgate_eval.shadow.replay import Pair, Sides, compare_conversation, decisions
from floodgate_eval.shadow.taken import Subject
from floodgate_eval.shadow.versions import Changes, Version, candidate
from keyflow import FatalError, RetryableError
from shadow_fakes import NAMESPACE, NOW, SayingModel, entry, history_of, message, own_catalogue

VERDICTS, INTERACTIONS = "support.verdicts", "support.interactions"


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return own_catalogue()


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOODGATE_OPENSEARCH_URL", "http://127.0.0.1:9")


class FakeShop:
    """One customer with one order; counts what is looked up. It cannot be changed."""

    def __init__(self, *, down: bool = False) -> None:
        self.asked: list[str] = []
        self.down = down

    async def look_up(self, call: str, arguments: Mapping[str, str | int], contact_id: str) -> CallResult:
        if self.down:
            raise RetryableError("no answer")
        self.asked.append(call)
        order = {
            "number": "TK-40001", "event": "Nightingale Strings", "venue": "Harbour Hall", "amount_cents": 8_950,
            "event_starts_at": _in_days(30), "refunded_cents": 0, "currency": "EUR", "status": "confirmed",
            "purchased_at": _in_days(-10), "refundable_until": _in_days(23),
        }  # fmt: skip
        return CallResult(CallOutcome.DONE, order if call == "get_order" else {"orders": [order]})


def _in_days(days: float) -> str:
    return (NOW + timedelta(days=days)).isoformat().replace("+00:00", "Z")


def automated(of: Message, workflow: str, category: str) -> Verdict:
    return Verdict(
        event_id=uuid5(NAMESPACE, str(of.event_id)), occurred_at=of.occurred_at, causation_id=of.event_id,
        conversation_id=of.conversation_id, decision=Decision.AUTOMATE, message=of, category=category,
        misuse=Misuse.NONE, urgent=False, urgency=0.0, workflow=workflow, confidence=0.9, explanation="-",
        language="en", country="GB",
    )  # fmt: skip


def resend() -> Verdict:
    said = message("send my tickets of TK-40001 again please", contact_verified=True)
    return automated(said, "resend_tickets", "resend_tickets")


async def pairs_of(history: History, subject: Subject, live: Version, tried: Version, model: Any) -> list[Pair]:
    shared = SharedAnswers(model)
    live_side = subject.processor(live, shared) if subject.rerun else None
    sides = Sides(subject, subject.processor(tried, shared), live_side)
    done = [await compare_conversation(one, history, sides) for one in history.conversations]
    return [pair for compared in done for pair in compared.pairs]


async def test_an_automation_that_is_switched_off_shows_the_hand_over_and_does_nothing(catalogue: Catalogue) -> None:
    shop = FakeShop()
    subject, live = AgentSubject(shop), Version(catalogue)
    tried = candidate(live, Changes(settings=["resend_tickets.automation=off"]))
    history = history_of([entry(VERDICTS, resend())])
    found = differences(await pairs_of(history, subject, live, tried, SayingModel()), subject.first)
    assert found["matrix"] == {"resolved": {"handed over": 1, "resolved": 0}}
    assert found["marks"]["action:resend_tickets"] == {"before": 1, "after": 0, "lost": 1, "gained": 0}
    assert found["examples"][0]["shown"][0]["differs"]["reason"] == ["", "never_automate"]
    assert "<" in found["examples"][0]["shown"][0]["before"]["said"]


async def test_both_versions_are_told_the_same_by_the_shop(catalogue: Catalogue) -> None:
    shop = FakeShop()
    subject, live = AgentSubject(shop), Version(catalogue)
    pairs = await pairs_of(history_of([entry(VERDICTS, resend())]), subject, live, live, SayingModel())
    assert differences(pairs, subject.first)["changed"] == 0
    assert len(shop.asked) == len(set(shop.asked))


async def test_an_action_that_was_refused_is_refused_again(catalogue: Catalogue) -> None:
    """What became of it then is what becomes of it now: the key is the same, and the shop is not asked."""
    subject, live, verdict = AgentSubject(FakeShop()), Version(catalogue), resend()
    history = history_of([entry(VERDICTS, verdict)])
    [(_, first)] = (await decided(history, subject, live)).values()
    assert first.facts["actions"] == "resend_tickets done"
    refused = ActionResult(
        action="resend_tickets", idempotency_key=f"{verdict.event_id}:resend", status=ActionStatus.REFUSED,
        detail="event_over",
    )  # fmt: skip
    reply = Reply(
        event_id=verdict.event_id, occurred_at=NOW, causation_id=verdict.event_id, conversation_id="intercom:1",
        channel="intercom", contact_id="c", reply=OutboundReply(text="-"), actions=(refused,),
    )  # fmt: skip
    [(_, again)] = (await decided(history_of([entry(VERDICTS, verdict)], [reply]), subject, live)).values()
    assert again.facts["actions"].startswith("resend_tickets refused")


async def decided(history: History, subject: Subject, version: Version) -> dict[UUID, Any]:
    return await decisions(history.conversations[0], history, subject, subject.processor(version, SayingModel()))


async def test_a_shop_that_does_not_answer_ends_the_comparison_with_one_line(catalogue: Catalogue) -> None:
    subject, live = AgentSubject(FakeShop(down=True)), Version(catalogue)
    with pytest.raises(FatalError, match="the shop cannot be asked"):
        await pairs_of(history_of([entry(VERDICTS, resend())]), subject, live, live, SayingModel())


async def test_another_decision_of_the_firewall_is_not_the_agents(catalogue: Catalogue) -> None:
    subject = AgentSubject(FakeShop())
    passed = resend().model_copy(update={"decision": Decision.PASS})
    assert not subject.decides(entry(VERDICTS, passed))
    assert subject.decides(entry(VERDICTS, resend()))


class SummarizingModel:
    """Says the same of every interaction."""

    def __init__(self, sentiment: str = "neutral") -> None:
        self.sentiment = sentiment

    async def call(self, request: ModelRequest[Any]) -> ModelResult[Any]:
        if "outage" in request.user_text:
            raise RetryableError("throttled")
        schema = request.prompt.output.model_json_schema()["properties"]
        raw = {
            "summary": "The customer asks for the tickets again and gets them from the agent.",
            "sentiment": self.sentiment, "primary_topic": schema["primary_topic"]["enum"][0],
            "intent": schema["intent"]["enum"][0], "resolution_status": "resolved", "urgency_score": 0.2,
            "csat_indicator": 0.7, "language": "en",
        }  # fmt: skip
        usage = Usage("m", "model", 100, 10, 0, 0, 0.001, 50, 1)
        return ModelResult(request.prompt.output.model_validate(raw), usage, repaired=False, raw=raw)

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        raise NotImplementedError


def interaction(text: str) -> Interaction:
    turns = (Turn(role=TurnRole.CUSTOMER, text=text), Turn(role=TurnRole.AGENT, text="I have sent the tickets again."))
    identifier = uuid5(NAMESPACE, text)
    return Interaction(
        event_id=identifier, occurred_at=NOW, interaction_id=identifier, source="file", contact_id="c",
        language="en", country="GB", turns=turns,
    )  # fmt: skip


async def test_another_reading_of_an_interaction_is_told_by_its_fields(catalogue: Catalogue) -> None:
    subject, live = SummarizerSubject(), Version(catalogue)
    one = interaction("Please send me the tickets again, I cannot find them anywhere.")
    history = history_of([entry(INTERACTIONS, one)])
    processor = subject.processor(live, SharedAnswers(SummarizingModel()))
    [(_, before)] = (await decisions(history.conversations[0], history, subject, processor)).values()
    assert (before.label, before.facts["language"]) == ("neutral, resolved", "en")
    after = SharedAnswers(SummarizingModel("negative"))
    [(_, other)] = (
        await decisions(history.conversations[0], history, subject, subject.processor(live, after))
    ).values()
    found = differences([Pair(subject.about(entry(INTERACTIONS, one)), before, other)], subject.first)
    assert found["matrix"] == {"neutral, resolved": {"negative, resolved": 1, "neutral, resolved": 0}}
    assert found["marks"]["negative"]["gained"] == 1


async def test_what_came_before_the_time_costs_no_call_and_is_not_read_again(catalogue: Catalogue) -> None:
    subject, live = SummarizerSubject(), Version(catalogue)
    one = interaction("Please send me the tickets again, I cannot find them anywhere.")
    early = entry(INTERACTIONS, one)
    again = entry(INTERACTIONS, one.model_copy(update={"occurred_at": NOW + timedelta(hours=2)}), 1)
    history = history_of([early, again], from_ms=early.timestamp_ms + 1)
    asking = SharedAnswers(SummarizingModel())
    assert await decisions(history.conversations[0], history, subject, subject.processor(live, asking)) == {}
    assert asking.asked == 0


async def test_an_interaction_that_no_record_comes_of_is_a_failure(catalogue: Catalogue) -> None:
    subject, live = SummarizerSubject(), Version(catalogue)
    history = history_of([entry(INTERACTIONS, interaction("There is an outage in my street, says the app."))])
    processor = subject.processor(live, SharedAnswers(SummarizingModel()))
    [(_, taken)] = (await decisions(history.conversations[0], history, subject, processor)).values()
    assert (taken.label, taken.failed) == ("failed", "RetryableError")


def test_a_summary_that_only_says_it_in_other_words_is_no_other_decision(catalogue: Catalogue) -> None:
    one = interaction("Please send me the tickets again.")
    said = [
        Summary(
            event_id=one.event_id, occurred_at=NOW, causation_id=one.event_id, interaction_id=one.interaction_id,
            summary=words, sentiment="neutral", primary_topic="tickets", intent="get_tickets", model="m",
            resolution_status="resolved", urgency_score=0.2, csat_indicator=0.7, language="en", event_time=NOW,
        )
        for words in ("Asks for tickets.", "Wants the tickets again.")
    ]  # fmt: skip
    subject = SummarizerSubject()
    first, second = (subject.taken(entry(INTERACTIONS, one), [each]) for each in said)
    assert first is not None
    assert second is not None
    assert not first.moved(second)
    assert first.differs(second) == ["wording"]
