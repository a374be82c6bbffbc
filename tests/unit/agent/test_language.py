"""Corrections, digressions, options, valid answers, parts and answers from the knowledge."""

from __future__ import annotations

import copy

import pytest
from agent.backends.declared import CALLS
from agent.domain.calls import CallOutcome, CallResult
from agent.domain.checker import check_workflow
from agent.domain.expressions import Expressions
from agent.domain.library import parse_all
from agent.domain.model import SlotSpec, SlotType, WorkflowError
from agent.domain.slots import read_slot, validate
from floodgate.events import Escalation
from floodgate.knowledge import Passage

LANGUAGES = ("nl", "fr", "es", "pl", "en", "de", "it", "pt", "sv", "cs")


@pytest.fixture
def two_orders(shop, make_order):
    shop.orders[:] = [make_order(), make_order("TK-50001", event="The Paper Lanterns", amount_cents=4_200)]
    return shop


async def test_the_other_order_is_taken_when_the_user_corrects_themselves(chat, two_orders):
    talk = chat("refund_order")
    await talk.say("I want my money back")
    await talk.click("TK-40001")
    assert "€89.50" in talk.text
    await talk.say("no, the other one")
    assert "€42.00" in talk.text
    assert talk.actions == []
    await talk.click("yes")
    assert talk.shop.done[0][1] == {"order_number": "TK-50001", "amount_cents": 4_200}


async def test_another_number_at_the_confirmation_is_a_correction_too(chat, two_orders):
    talk = chat("refund_order")
    await talk.say("refund TK-40001 please")
    await talk.say("sorry, TK-50001")
    assert "€42.00" in talk.text
    await talk.say("yes")
    assert talk.shop.done[0][1]["order_number"] == "TK-50001"


async def test_a_correction_to_an_order_of_someone_else_reveals_nothing(chat, two_orders):
    talk = chat("refund_order")
    await talk.say("refund TK-40001 please")
    await talk.say("no, TK-77777")
    assert "can't find that number" in talk.text
    assert talk.actions == []


async def test_taking_an_answer_back_without_a_new_one_puts_its_question_again(chat, two_orders):
    talk = chat("refund_order")
    await talk.say("I want my money back")
    await talk.click("TK-40001")
    await talk.say("wait, wrong order")
    assert "Which order" in talk.text
    assert len(talk.last.reply.options) == 2


async def test_an_old_yes_does_not_hold_after_a_correction(chat, two_orders):
    talk = chat("refund_order")
    await talk.say("I want my money back")
    await talk.click("TK-40001")
    old = talk.last.reply.options[0]
    await talk.say("no, the other one")
    await talk.say(old.label, clicked_option=str(old.option_id))
    assert talk.actions == []


@pytest.mark.parametrize(
    ("language", "said"),
    [("en", "wait, which seat was that?"), ("nl", "wat was de vraag?"), ("de", "Wie war das?"), ("cs", "zopakujte")],
)
async def test_whoever_asks_again_hears_the_question_and_loses_no_attempt(chat, language, said):
    talk = chat("refund_order", language)
    await talk.say("TK-40001")
    first = talk.text
    for _ in range(4):
        await talk.say(said)
    assert talk.text == first
    assert not isinstance(talk.last, Escalation)


DATES = CallResult(
    CallOutcome.DONE,
    {
        "day": "2026-12-22",
        "dates": [{"day": day, "starts_at": f"{day}T19:00:00Z"} for day in ("2026-12-23", "2026-12-29")],
    },
)


async def test_a_button_that_is_always_the_same_is_pressed_or_written(chat, shop):
    shop.outcomes["list_dates"] = CallResult(CallOutcome.DONE, {"day": "2026-12-22", "dates": []})
    for said in ("Another date", "the second one"):
        talk = chat("change_seat")
        await talk.say("I'd like to change my booking")
        assert [option.value for option in talk.last.reply.options] == ["seat", "date"]
        await talk.say(said)
        assert "no other date" in talk.text
        assert talk.last.resolved


@pytest.mark.parametrize(
    ("language", "written", "shown", "yes"),
    [
        ("nl", "dinsdag de 29e graag", "29 december 2026", "ja"),
        ("fr", "le 29 décembre", "29 décembre 2026", "oui"),
        ("es", "el martes", "29 de diciembre de 2026", "sí"),
        ("pl", "29 grudnia", "29 grudnia 2026", "tak"),
        ("en", "the 29th", "29 December 2026", "yes"),
        ("de", "am 29.12.", "29. Dezember 2026", "ja"),
        ("it", "il 29 dicembre", "29 dicembre 2026", "sì"),
        ("pt", "no dia 29", "29 de dezembro de 2026", "sim"),
        ("sv", "tisdag", "29 december 2026", "ja"),
        ("cs", "29. prosince", "29. prosince 2026", "ano"),
    ],
)
async def test_an_order_is_moved_to_a_day_that_is_written_in_any_language(chat, shop, language, written, shown, yes):
    shop.outcomes["list_dates"] = DATES
    talk = chat("change_seat", language)
    await talk.say("TK-40001")
    await talk.click("date")
    assert [option.value for option in talk.last.reply.options] == ["2026-12-23", "2026-12-29"]
    await talk.say(written)
    assert shown in talk.text
    assert talk.actions == []
    ended = await talk.say(yes)
    assert shop.done[0][:2] == ("change_date", {"order_number": "TK-40001", "day": "2026-12-29"})
    assert ended.resolved
    assert shown in talk.text


async def test_the_note_says_what_exactly_was_tried(chat, shop):
    shop.outcomes |= {"list_dates": DATES, "change_date": CallResult(CallOutcome.REFUSED, code="account_frozen")}
    talk = chat("change_seat")
    await talk.say("TK-40001")
    await talk.click("date")
    await talk.say("29 December")
    ended = await talk.say("yes")
    assert "What we know: order number: TK-40001; to date: 2026-12-29; wanted change: date" in ended.note
    action = (
        "change date (order number TK-40001, day 2026-12-29): refused by the shop, nothing changed (account_frozen)"
    )
    assert f"Action: {action}" in ended.note


async def test_the_note_gives_money_as_people_write_it_and_no_word_of_the_engine(chat, shop):
    shop.outcomes["refund_order"] = CallResult(CallOutcome.UNKNOWN)
    talk = chat("refund_order")
    await talk.say("refund TK-40001 please")
    ended = await talk.say("yes")
    action = (
        "refund order (order number TK-40001, amount 89.50): NOT KNOWN whether it was done: check before doing it again"
    )
    assert f"Action: {action}\n" in ended.note


async def test_a_day_on_which_the_event_does_not_play_is_refused_with_the_days_that_are_possible(chat, shop):
    shop.outcomes["list_dates"] = DATES
    talk = chat("change_seat")
    await talk.say("TK-40001")
    await talk.click("date")
    await talk.say("24 December please")
    assert "no seats on that day" in talk.text
    assert [option.label for option in talk.last.reply.options] == ["23 December 2026", "29 December 2026"]
    await talk.say("yes")
    assert talk.actions == []


async def test_an_answer_that_is_not_valid_is_asked_again_with_its_own_words(chat, shop, make_order, days):
    shop.orders[:] = [make_order(event_starts_at=days(-3))]
    talk = chat("report_lost_item")
    await talk.say("I lost something at the show")
    await talk.say("key")
    assert "a few more words" in talk.text
    await talk.say("A red scarf, in row B")
    assert "“A red scarf, in row B”" in talk.text


async def test_a_question_is_answered_from_the_knowledge_with_its_citation(chat):
    talk = chat("playback_help")
    talk.knowledge.found = [
        Passage(
            article_id="playback_help",
            chunk_id="playback_help-1",
            language="en",
            title="When a film does not play",
            text="The picture stutters when the connection is slow. Restart the app when the film stutters.",
            score=1.0,
        )
    ]
    await talk.say("Why does the picture of the film stutter?")
    assert "stutters" in talk.text
    assert [cited.article_id for cited in talk.last.citations] == ["playback_help"]
    assert talk.last.awaits == "confirmation"


async def test_what_nothing_supports_is_not_answered(chat):
    talk = chat("playback_help")
    talk.knowledge.found = []
    await talk.say("It does not play")
    assert talk.last.citations == ()
    assert "close the app completely" in talk.text


async def test_what_can_be_taken_back_is_told_to_the_human(chat, shop, make_subscription):
    shop.subscriptions[:] = [make_subscription()]
    talk = chat("cancel_subscription")
    await talk.say("cancel my subscription")
    await talk.click("yes")
    assert talk.state.ended.actions[0].undo == "resume_subscription subscription_id=SUB-20001"


async def test_every_way_that_was_taken_is_kept_with_what_decided_it(chat, shop, make_order):
    shop.orders[:] = [make_order(amount_cents=64_000)]
    talk = chat("refund_order")
    await talk.say("refund please")
    taken = {way.step: way for way in talk.state.ended.path}
    assert taken["policy"].way == "case 5"
    assert taken["policy"].inputs["data.amount_cents"] == 64_000
    assert talk.state.ended.slots == {}


async def test_what_people_wrote_in_their_own_words_is_in_no_trace(chat, shop, make_order, days):
    shop.orders[:] = [make_order(event_starts_at=days(-3))]
    talk = chat("report_lost_item")
    await talk.say("I lost something")
    await talk.say("my diary with everything in it")
    await talk.click("yes")
    assert "diary" not in talk.state.ended.model_dump_json()


def a_part(**changes):
    return {
        "kind": "part",
        "id": "greet",
        "owner": "x",
        "review_by": "2027-01-01",
        "takes": ["order"],
        "start": "hello",
        "steps": {
            "hello": {"do": "say", "say": {"template": "common.kept"}, "next": "over"},
            "over": {"do": "end", "way": "greeted"},
        },
    } | changes


@pytest.mark.parametrize(
    ("use", "part", "message"),
    [
        ({"part": "nothing"}, {}, "step greeting: there is no part 'nothing'"),
        ({"ways": {"other": "find_orders"}}, {}, "step greeting: ways has to name greeted"),
        ({"with": {}}, {}, "step greeting: greet takes order under `with`"),
        ({}, {"id": "other"}, "workflows/greet.yaml: id is 'other'"),
        ({}, {"steps": {"hello": {"do": "part", "part": "greet", "ways": {"a": "hello"}}}}, "cannot use another part"),
    ],
)
def test_a_part_that_does_not_fit_is_refused(real_catalogue, use, part, message):
    catalogue = real_catalogue(greet=a_part(**part))
    raw = catalogue.workflows["refund_order"]
    greeting = {"do": "part", "part": "greet", "with": {"order": "'x'"}, "ways": {"greeted": "find_orders"}} | use
    raw["steps"]["greeting"], raw["start"] = greeting, "greeting"
    with pytest.raises(WorkflowError) as caught:
        parse_all(catalogue)
    assert message in str(caught.value)


def test_the_steps_of_a_part_take_the_place_of_the_step_that_uses_it(library):
    steps = library.workflows["order_status"].steps
    assert "pick.which_order" in steps
    assert steps["pick"].do == "set"
    assert steps["pick.fetch"].not_found == "pick.unknown_number"


def broken(real_catalogue, name, change):
    catalogue = real_catalogue()
    change(catalogue.workflows[name]["steps"])
    workflow = parse_all(catalogue)[name]
    return [str(found) for found in check_workflow(workflow, catalogue, Expressions(), CALLS)]


@pytest.mark.parametrize(
    ("name", "change", "finding"),
    [
        (
            "refund_order",
            lambda steps: steps["policy"]["cases"][4].update({"if": "data.amount_cents > '15000'"}),
            "step policy: case 5: orders int and string",
        ),
        (
            "refund_order",
            lambda steps: steps["policy"]["cases"][4].update({"if": "data.amount_cents"}),
            "step policy: case 5: has to be bool, not int",
        ),
        (
            "refund_order",
            lambda steps: steps["work_out"]["values"].update(
                amount_cents="data.order.amount_cents - data.order.number"
            ),
            "int - string is not possible",
        ),
        (
            "refund_order",
            lambda steps: steps["refund"].update({"with": {"order_number": "slots.order_number", "amount_cents": "1"}}),
            "order_number has to come from a look-up, not from what was written",
        ),
        ("refund_order", lambda steps: steps["refund"].pop("limits"), "it needs limits with an amount_cents per user"),
        ("refund_order", lambda steps: steps["refund"].pop("after"), "it needs `after`: the branches that check it"),
        (
            "refund_order",
            lambda steps: steps["refund"].update(after=["why_not"]),
            "step refund: can be reached without passing why_not",
        ),
        (
            "cancel_subscription",
            lambda steps: steps["cancel"]["undo"].update(call="refund_order"),
            "cancel_subscription is taken back by resume_subscription, not by refund_order",
        ),
        (
            "refund_duplicate",
            lambda steps: steps["refund"].pop("amount"),
            "refund_duplicate takes no amount, so the act needs `amount`",
        ),
        (
            "report_lost_item",
            lambda steps: steps["what_was_lost"].update(valid="value > 3"),
            "step what_was_lost: valid: orders string and int",
        ),
        (
            "order_status",
            lambda steps: steps["pick"]["with"].update(orders="data.found.order"),
            "data.found.order is not what the call answers",
        ),
    ],
)
def test_the_checker_refuses_what_cannot_be_right(real_catalogue, name, change, finding):
    found = broken(real_catalogue, name, copy.copy(change))
    assert any(finding in line for line in found), found


@pytest.mark.parametrize(
    ("kind", "text", "language", "value"),
    [
        (SlotType.AMOUNT, "it was € 1.250,50", "nl", "125050"),
        (SlotType.AMOUNT, "12.5 pounds", "en", "1250"),
        (SlotType.AMOUNT, "12 or 15", "en", None),
        (SlotType.DATE, "am 24. Dezember 2026", "de", "2026-12-24"),
        (SlotType.DATE, "December 24, 2026", "en", "2026-12-24"),
        (SlotType.DATE, "le 1er décembre 2026", "fr", "2026-12-01"),
        (SlotType.DATE, "24/12/2026", "es", "2026-12-24"),
        (SlotType.DATE, "31.02.2026", "de", None),
        (SlotType.DATE, "the 24th", "en", None),
        (SlotType.NAME, "Adéla Havránková", "cs", "Adéla Havránková"),
        (SlotType.NAME, "agent 007", "en", None),
    ],
)
def test_values_are_read_by_deterministic_parsers(kind, text, language, value):
    assert read_slot(SlotSpec(type=kind, description="x"), text, language) == value


def test_a_code_is_the_one_word_that_matches_as_a_whole():
    spec = SlotSpec(type=SlotType.CODE, description="x", pattern="[A-Z]{3,12}[0-9]{1,3}")
    assert read_slot(spec, "my code is spring20.", "en") == "SPRING20"
    assert read_slot(spec, "SPRING20 or SUMMER25", "en") is None
    assert validate(spec, "XSPRING2000") is None
