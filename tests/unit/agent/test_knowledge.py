"""What the agent takes from the knowledge: citations for whoever takes over, answers in the middle of a workflow."""

from __future__ import annotations

import asyncio

import pytest
from agent.domain.answers import MAX_ANSWER_CHARS, Candidate, bearing_on, best_answer
from agent.domain.exchange import ModelReading
from agent.domain.slots import is_question
from floodgate.events import Escalation, MessageKind, Reply
from floodgate.knowledge import Passage
from keyflow import Record
from keyflow.errors import FatalError, OutageError, PoisonMessageError, RetryableError

LANGUAGES = ("nl", "fr", "es", "pl", "en", "de", "it", "pt", "sv", "cs")
HOW_LONG = {
    "nl": ("hoe lang duurt de terugbetaling?", "vijf werkdagen"),
    "fr": ("Combien de temps prend le remboursement ?", "cinq jours"),
    "es": ("¿Cuánto tarda el reembolso?", "cinco días"),
    "pl": ("Jak długo trwa zwrot pieniędzy?", "pięciu dni"),
    "en": ("how long does the refund take?", "five working days"),
    "de": ("Wie lange dauert die Erstattung?", "fünf Werktagen"),
    "it": ("Quanto tempo ci vuole per il rimborso?", "cinque giorni"),
    "pt": ("Quanto tempo demora o reembolso?", "cinco dias"),
    "sv": ("Hur lång tid tar återbetalningen?", "fem arbetsdagar"),
    "cs": ("Jak dlouho trvá vrácení peněz?", "pěti pracovních dnů"),
}


def passage(text, *, article="a", language="en", title="Parking"):
    return Passage(article, f"{article}/{language}/1", title, language, text, 1.0)


@pytest.mark.parametrize("language", LANGUAGES)
async def test_a_question_is_answered_from_the_article_and_the_open_question_put_again(chat, whole_library, language):
    talk = chat("refund_order", language)
    asked = await talk.say("…")
    question, expected = HOW_LONG[language]
    answered = await talk.say(question)
    assert isinstance(answered, Reply)
    assert expected in answered.reply.text
    assert answered.reply.text.endswith(asked.reply.text), "the open question follows"
    assert [option.value for option in answered.reply.options] == ["yes", "no"]
    assert answered.awaits == "confirmation"
    [cited] = answered.citations
    assert (cited.article_id, cited.language) == ("ticket_refunds", language)
    answer = answered.reply.text.removesuffix(asked.reply.text).strip()
    bodies = [a.body for a in whole_library.catalogue.articles if (a.id, a.language) == ("ticket_refunds", language)]
    assert answer in " ".join(bodies[0].split()), "the article's own words"
    done = await talk.click("yes")
    assert done.resolved
    assert done.citations == ()


async def test_a_question_while_something_is_chosen_keeps_its_buttons(chat, shop, make_order):
    shop.orders.append(make_order("TK-50001"))
    talk = chat("resend_tickets")
    await talk.say("tickets please")
    answered = await talk.say("how long does it take?")
    assert "Usually that takes a few minutes." in answered.reply.text
    assert [option.value for option in answered.reply.options] == ["TK-40001", "TK-50001"]
    assert (await talk.click("TK-50001")).resolved


async def test_the_model_can_say_that_it_is_a_question(chat):
    talk = chat("refund_order")
    await talk.say("refund please")
    talk.reader.reading = ModelReading({}, "question")
    answered = await talk.say("wondering whether tickets are valid after a refund")
    assert answered.citations[0].article_id == "ticket_refunds"
    assert answered.usage.calls == 1


async def test_without_the_model_the_parsers_know_a_question(chat):
    talk = chat("refund_order")
    await talk.say("refund please")
    talk.reader.error = OutageError("x")
    assert (await talk.say("how long does the refund take?")).citations


@pytest.mark.parametrize(
    "question", ["do you sell pizza with pineapple?", "who won the match yesterday?", "why?", "how long do bees live?"]
)
async def test_what_nothing_supports_is_not_answered(chat, question):
    talk = chat("refund_order")
    await talk.say("refund please")
    again = await talk.say(question)
    assert again.reply.text.startswith("Sorry, I didn't quite get that.")
    assert again.awaits == "confirmation"
    assert again.citations == ()


async def test_what_is_no_question_is_not_looked_for(chat):
    talk = chat("refund_order")
    await talk.say("refund please")
    await talk.say("perhaps")
    assert talk.knowledge.asked == []


async def test_a_question_with_its_answer_is_an_answer(chat, shop, make_order):
    shop.orders.append(make_order("TK-50001"))
    talk = chat("refund_order")
    await talk.say("refund please")
    assert (await talk.say("is TK-50001 possible?")).awaits == "confirmation"
    assert talk.knowledge.asked == []


async def test_asking_for_a_person_is_no_question(chat):
    talk = chat("refund_order")
    await talk.say("refund please")
    assert (await talk.say("how long until I can talk to a human?")).reason_code == "asked_for_person"


async def test_questions_that_are_answered_cost_no_attempt_but_end_with_the_turns(chat):
    talk = chat("refund_order")
    await talk.say("refund please")
    for _ in range(12):
        assert isinstance(await talk.say("how long does the refund take?"), Reply)
    assert (await talk.say("how long does the refund take?")).reason_code == "not_understood"
    assert talk.actions == []


async def test_questions_that_nothing_answers_cost_an_attempt(chat):
    talk = chat("refund_order")
    await talk.say("refund please")
    for _ in range(3):
        last = await talk.say("why?")
    assert last.reason_code == "not_understood"


async def test_personal_data_is_not_searched_for(chat):
    talk = chat("refund_order")
    await talk.say("refund please")
    await talk.say("how long does the refund to jane.doe@example.org take?")
    assert talk.knowledge.asked
    assert "example.org" not in talk.knowledge.asked[0]
    assert "EMAIL" not in talk.knowledge.asked[0]


@pytest.mark.parametrize("language", LANGUAGES)
async def test_a_hand_over_cites_what_bears_on_the_case(chat, shop, make_order, language):
    shop.orders[:] = [make_order(amount_cents=64_000)]
    ended = await chat("refund_order", language).say("TK-40001")
    assert isinstance(ended, Escalation)
    assert 1 <= len(ended.citations) <= 2
    assert ended.citations[0].article_id == "ticket_refunds"
    assert ended.citations[0].language == language
    [line] = [line for line in ended.note.splitlines() if line.startswith("Knowledge: ")]
    assert line.startswith(f"Knowledge: {ended.citations[0].title} (ticket_refunds)")


async def test_a_hand_over_of_a_later_turn_is_cited_by_what_the_user_wants(chat):
    talk = chat("cancel_subscription")
    await talk.say("stop my plan")
    ended = await talk.say("can I speak to a human")
    assert ended.citations[0].article_id == "cancel_subscription"
    assert talk.knowledge.asked == ["The customer wants something."]


async def test_an_unverified_user_is_handed_over_with_citations(chat):
    ended = await chat("refund_order").say("I want a refund", contact_verified=False)
    assert ended.citations[0].article_id == "ticket_refunds"


@pytest.mark.parametrize("error", [RetryableError("x"), OutageError("x"), PoisonMessageError("x"), FatalError("x")])
async def test_without_the_knowledge_only_the_citation_is_missing(chat, shop, error):
    talk = chat("refund_order", remaining_seconds=100.0)
    talk.knowledge.error = error
    await talk.say("refund please")
    again = await talk.say("how long does the refund take?")
    assert again.awaits == "confirmation"
    ended = await talk.say("a human please")
    assert (ended.reason_code, ended.citations) == ("asked_for_person", ())
    assert "Knowledge:" not in ended.note


async def test_a_slow_search_is_given_up(chat, monkeypatch):
    talk = chat("refund_order")
    monkeypatch.setattr(talk.handler._knowledge, "_seconds", 0.01)

    async def never(*_: object, **__: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(talk.knowledge, "passages", never)
    assert (await talk.say("a human please")).citations == ()


async def test_when_the_time_is_nearly_spent_nothing_is_looked_for(chat):
    talk = chat("refund_order", remaining_seconds=0.5)
    assert (await talk.say("a human please")).citations == ()
    assert talk.knowledge.asked == []


def test_what_is_about_something_else_is_not_cited():
    near = passage("You can park your car beside the hall for the whole evening.", title="Parking your car")
    far = passage("Invoices are sent by e-mail.", article="b", title="Invoices")
    candidates = [Candidate(found, frozenset(), False) for found in (far, near)]
    assert [cited.article_id for cited in bearing_on("where do I park my car", candidates)] == ["a"]
    assert bearing_on("my screen stays black", candidates) == ()


def test_two_passages_of_one_article_are_one_citation_and_three_articles_are_two():
    found = [Candidate(passage("x", article=name), frozenset(), True) for name in ("a", "a", "b", "c")]
    assert [cited.article_id for cited in bearing_on("x", found)] == ["a", "b"]


def test_an_answer_is_cut_at_the_end_of_a_sentence():
    long = " ".join(f"The car park at gate {number} opens an hour before the show begins." for number in range(20))
    answer = best_answer("when does the car park open?", "en", [Candidate(passage(long), frozenset(), True)])
    assert answer is not None
    assert len(answer.text) <= MAX_ANSWER_CHARS
    assert answer.text.endswith(".")
    endless = "The car park opens " + "and opens " * 60 + "an hour before."
    assert best_answer("when does the car park open?", "en", [Candidate(passage(endless), frozenset(), True)]) is None


def test_nobody_is_answered_in_another_language():
    candidate = Candidate(passage("The car park opens two hours before the show.", language="en"), frozenset(), True)
    assert best_answer("wanneer opens car park?", "nl", [candidate]) is None


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("how long does that take", "en", True),
        ("hoe lang duurt dat dan", "nl", True),
        ("jak dlouho to trvá", "cs", True),
        ("wann kommt das Geld", "de", True),
        ("¿y eso?", "es", True),
        ("the second one", "en", False),
        ("when", "en", False),
        ("", "sv", False),
    ],
)
def test_a_question_is_known_by_its_mark_or_its_first_word(text, language, expected):
    assert is_question(text, language) is expected


async def test_after_a_hand_over_automation_is_silent_until_the_conversation_is_closed(chat):
    talk = chat("refund_order")
    await talk.say("refund please")
    await talk.say("a human please")
    assert await talk.say("yes") is None, "a verdict that was on its way is left alone"
    assert talk.actions == []
    late = talk.handler.fallback(Record("support.verdicts", 0, 0, "k", talk.verdict("yes")), talk.state, "spent")
    assert late.events == ()
    await talk.receive(talk.message(MessageKind.CLOSED))
    assert isinstance(await talk.say("refund please"), Reply)
