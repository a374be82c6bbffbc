"""A changed firewall beside the live one: the same history, no effects, and what would change."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from floodgate.catalogue import Catalogue
from floodgate.events import Decision, Message, MessageKind, Verdict
from floodgate.events.generated import AvroModel
from floodgate_eval.running import INTERRUPTED, Progress, run_rows
from floodgate_eval.shadow.asking import SharedAnswers
from floodgate_eval.shadow.differences import differences
from floodgate_eval.shadow.history import Entry, History
from floodgate_eval.shadow.of_firewall import FirewallSubject
from floodgate_eval.shadow.replay import Pair, Sides, compare_conversation, decisions
from floodgate_eval.shadow.versions import Changes, Version, candidate
from keyflow import Record, Tools
from shadow_fakes import NOW_MS, SayingModel, entry, history_of, message, own_catalogue

MESSAGES = "support.messages"
SUBJECT = FirewallSubject()


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return own_catalogue()


@pytest.fixture(scope="module")
def live(catalogue: Catalogue) -> Version:
    return Version(catalogue)


async def recorded(messages: Sequence[Message], live: Version, model: SayingModel | None = None) -> History:
    """The history of these messages, with what the live version made of them."""
    entries = [entry(MESSAGES, one, number) for number, one in enumerate(messages)]
    made: list[AvroModel] = []
    processor = SUBJECT.processor(live, model or SayingModel())
    states: dict[str, Any] = {}
    for one in entries:
        record = _record(one)
        outcome = await processor.handler.handle(record, states.get(one.key), _tools(one))
        states[one.key] = outcome.state
        made += [emit.value for emit in outcome.events]
    return history_of(entries, made)


def _record(one: Entry) -> Record:
    return Record(one.topic, one.partition, one.offset, one.key, one.value, (), one.timestamp_ms)


def _tools(one: Entry) -> Tools:
    return Tools(now_ms=lambda: one.timestamp_ms, remaining_seconds=lambda: None)


async def pairs_of(
    history: History, live: Version, tried: Version, model: SayingModel | None = None, *, rerun: bool = False
) -> list[Pair]:
    shared = SharedAnswers(model or SayingModel())
    sides = Sides(SUBJECT, SUBJECT.processor(tried, shared), SUBJECT.processor(live, shared) if rerun else None)
    done = [await compare_conversation(one, history, sides) for one in history.conversations]
    return [pair for compared in done for pair in compared.pairs]


def tried(live: Version, *settings: str, **more: Any) -> Version:
    return candidate(live, Changes(settings=settings, **more))


async def test_the_same_version_changes_nothing(live: Version) -> None:
    history = await recorded([message("send my tickets again"), message("hm", conversation="intercom:2")], live)
    pairs = await pairs_of(history, live, live)
    found = differences(pairs, SUBJECT.first)
    assert (found["n"], found["changed"], found["examples"]) == (2, 0, [])
    assert found["noise"] is None


async def test_a_stricter_threshold_shows_what_is_automated_no_more(live: Version) -> None:
    history = await recorded([message("send my tickets again", chosen_path="tickets/resend")], live)
    stricter = tried(live, "automate_confidence=0.95")
    found = differences(await pairs_of(history, live, stricter), SUBJECT.first)
    assert found["matrix"] == {"automate": {"automate": 0, "pass": 1}}
    assert found["marks"]["automated"] == {"before": 1, "after": 0, "lost": 1, "gained": 0}
    assert found["by_category"]["resend_tickets"]["moved"] == {"automated": -1, "passed": 1}
    assert found["by_language"]["en"]["decided_otherwise"] == found["by_country"]["GB"]["decided_otherwise"] == 1


async def test_what_follows_another_way_is_not_counted(live: Version) -> None:
    """After the live version redirected, the customer answers that; the other version never asked."""
    history = await recorded(
        [
            message("I want my money back", chosen_path="tickets/resend"),
            message("no, my money please", chosen_path="tickets/resend", minutes=1),
        ],
        live,
    )
    pairs = await pairs_of(history, live, tried(live, "redirect_confidence=0.95"))
    assert [pair.before.label for pair in pairs] == ["redirect", "redirect"]
    assert [(pair.after.label, pair.follows) for pair in pairs] == [("pass", False), ("pass", True)]
    found = differences(pairs, SUBJECT.first)
    assert (found["n"], found["decided_otherwise"], found["follows"]["n"]) == (1, 1, 1)


async def test_redirects_before_the_window_count_though_no_model_is_asked_about_them(live: Version) -> None:
    wrong = [message("money", chosen_path="tickets/resend", minutes=number) for number in range(3)]
    history = await recorded([*wrong], live)
    history.window = type(history.window)(NOW_MS + 120_000, NOW_MS + 86_400_000)
    model = SayingModel()
    [pair] = await pairs_of(history, live, tried(live, "min_confidence=0.4"), model)
    assert len(model.asked) == 1
    assert (pair.before.label, pair.after.label) == ("escalate", "escalate")
    assert pair.after.facts["reason"] == "redirected_twice"


async def test_a_rerun_asks_once_for_both_and_tells_the_noise_apart(live: Version) -> None:
    texts = [message(f"my tickets {number}", conversation=f"intercom:{number}") for number in range(4)]
    history = await recorded(texts, live, SayingModel(confidence=0.3))
    model = SayingModel(confidence=0.9)
    found = differences(await pairs_of(history, live, tried(live, "urgent=0.9"), model, rerun=True), SUBJECT.first)
    assert len(model.asked) == 4
    assert found["changed"] == 0
    assert found["noise"]["decided_otherwise"] == 4
    assert found["cost_usd"] == {"before": 0.004, "after": 0.004}


async def test_where_no_model_answers_the_fallback_decides_and_is_counted(live: Version) -> None:
    history = await recorded([message("my tickets")], live)
    history.conversations[0] = history_of([entry(MESSAGES, message("my tickets outage"))]).conversations[0]
    history.made = {message("my tickets outage").event_id: next(iter(history.made.values()))}
    found = differences(await pairs_of(history, live, tried(live, "urgent=0.9")), SUBJECT.first)
    assert found["failed"] == {"before": 0.0, "after": 1.0}
    assert found["marks"]["unscreened"]["gained"] == 1


async def test_an_urgent_message_that_would_be_lost_stands_first_and_every_one_is_shown(
    live: Version, catalogue: Catalogue
) -> None:
    texts = [
        *(message("I want to end my life", conversation=f"intercom:{number}") for number in range(5)),
        *(message("my tickets", conversation=f"intercom:t{number}") for number in range(6)),
    ]
    history = await recorded(texts, live)
    without = Version(catalogue.model_copy(update={"urgency": ()}), changes=("no rules",))
    strict = tried(without, "min_confidence=0.95")
    found = differences(await pairs_of(history, live, strict), SUBJECT.first)
    assert found["marks"]["urgent"]["lost"] == 5
    assert "(urgent lost)" in found["examples"][0]["change"]
    assert len(found["examples"][0]["shown"]) == 5
    assert len(found["examples"][1]["shown"]) == 3


async def test_texts_are_shown_only_when_asked_for_and_never_personal_data(live: Version) -> None:
    history = await recorded([message("tickets for ana@example.org", chosen_path="tickets/resend")], live)
    pairs = await pairs_of(history, live, tried(live, "automate_confidence=0.95"))
    assert "tickets for" not in str(differences(pairs, SUBJECT.first))
    unmasked = str(differences(pairs, SUBJECT.first, unmask=True))
    assert "tickets for <EMAIL_1>" in unmasked
    assert "ana@example.org" not in unmasked


async def test_a_prompt_is_tried_without_touching_the_service(live: Version) -> None:
    history = await recorded([message("my tickets")], live)
    text = "---\nname: assess\nversion: 99\ntool: assess_message\ndescription: d\nmax_tokens: 300\n---\nShort. "
    places = "{{company}} {{categories}} {{urgency_reasons}}"
    other = Version(live.catalogue, prompt=text + places, changes=("prompt",))
    [(_, taken)] = (
        await decisions(history.conversations[0], history, SUBJECT, SUBJECT.processor(other, SayingModel()))
    ).values()
    assert taken.label
    processor = SUBJECT.processor(live, SayingModel())
    assert processor.handler.active.versions.prompt != "assess@99"  # type: ignore[attr-defined]  # its LiveHandler
    assert SUBJECT.processor(other, SayingModel()).handler.active.versions.prompt == "assess@99"  # type: ignore[attr-defined]


async def test_what_else_happened_is_followed_and_not_decided_about(live: Version) -> None:
    joined = message("", kind=MessageKind.HUMAN_JOINED, minutes=1)
    history = await recorded([message("my tickets"), joined, message("are you there", minutes=2)], live)
    pairs = await pairs_of(history, live, tried(live, "urgent=0.9"))
    assert len(pairs) == 2
    assert pairs[1].after.label == "pass"


async def test_a_message_whose_verdict_was_not_recorded_is_told_and_not_compared(live: Version) -> None:
    history = history_of([entry(MESSAGES, message("my tickets"))])
    sides = Sides(SUBJECT, SUBJECT.processor(live, SayingModel()))
    compared = await compare_conversation(history.conversations[0], history, sides)
    assert (compared.pairs, compared.unrecorded) == ((), 1)


async def test_what_was_decided_while_the_model_was_out_is_not_compared_with(live: Version) -> None:
    history = await recorded([message("my tickets")], live)
    [[verdict]] = history.made.values()
    history.made = {verdict.causation_id: [verdict.model_copy(update={"screened": False})]}  # type: ignore[attr-defined]
    sides = Sides(SUBJECT, SUBJECT.processor(live, SayingModel()))
    compared = await compare_conversation(history.conversations[0], history, sides)
    assert (compared.pairs, compared.unrecorded) == ((), 1)


async def test_an_interrupted_run_keeps_the_conversations_that_are_done() -> None:
    begun = asyncio.Event()

    async def handle(number: int) -> int:
        if number == 2:
            begun.set()
            await asyncio.sleep(60)
        return number

    async def run() -> Any:
        return await run_rows(
            [1, 2, 3], handle, concurrency=1, progress=Progress("x", 3, quiet=True), keep_interrupted=True
        )

    task = asyncio.create_task(run())
    await begun.wait()
    task.cancel()
    done = await task
    assert ([row for row, _ in done.done], done.stopped) == ([1], INTERRUPTED)


def test_the_recorded_decision_is_read_off_the_verdict(live: Version) -> None:
    one = message("my tickets")
    verdict = Verdict(
        event_id=one.event_id, occurred_at=one.occurred_at, conversation_id=one.conversation_id,
        decision=Decision.AUTOMATE, message=one, misuse="none", urgent=False, urgency=0.0, confidence=0.9,
        explanation="-", workflow="resend_tickets", category="resend_tickets", language="en",
    )  # fmt: skip
    taken = SUBJECT.taken(entry(MESSAGES, one), [verdict])
    assert taken is not None
    assert (taken.label, taken.facts["workflow"], "automated" in taken.marks) == ("automate", "resend_tickets", True)
    assert SUBJECT.taken(entry(MESSAGES, one), []) is None
