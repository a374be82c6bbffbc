"""The decision before a command is sent, for everything that a conversation can show."""

from __future__ import annotations

import pytest
from delivery.domain.commands import (
    AssignCommand,
    AttributesCommand,
    CloseCommand,
    NoteCommand,
    Option,
    Order,
    ReplyCommand,
    TagCommand,
)
from delivery.domain.never_twice import Conversation, Entry, Step, decide, needs_reading
from hypothesis import given
from hypothesis import strategies as st

EVENT = "1a2b3c4d-0000-5000-8000-000000000000"


def order(command, after=None):
    return Order(
        channel="intercom", conversation_id="77", event_id=EVENT, number=2, command=command, after_part_id=after
    )


def entry(number, text="", kind="comment", ours=True, human=False, options=()):
    return Entry(str(number), kind, ours, human, text, options)


def shows(*entries, held=False):
    return Conversation(entries, held)


REPLY = ReplyCommand(text="Which order\n\nis it about?")
BUTTONS = ReplyCommand(text="Which?", options=(Option(option_id="u-1", label="One"),))
NOTE = NoteCommand(title="t", text="x")


def test_the_first_try_is_sent():
    assert decide(order(REPLY), shows(), maybe_repeated=False).step is Step.SEND


def test_a_repeat_that_arrived_is_recognised_by_its_words():
    seen = shows(entry(1, "Which order is it about?"))
    decision = decide(order(REPLY), seen, maybe_repeated=True)
    assert (decision.step, decision.entry_id) == (Step.ALREADY_SENT, "1")


def test_the_same_words_said_for_an_earlier_event_are_no_repeat():
    seen = shows(entry(1, "Which order is it about?"))
    assert decide(order(REPLY, after="1"), seen, maybe_repeated=True).step is Step.SEND


def test_the_same_words_from_somebody_else_are_no_repeat():
    seen = shows(entry(1, "Which order is it about?", ours=False))
    assert decide(order(REPLY), seen, maybe_repeated=True).step is Step.SEND


def test_buttons_tell_a_repeat_whatever_the_words():
    seen = shows(entry(1, "Changed by the channel", kind="quick_reply", options=("u-1",)))
    assert decide(order(BUTTONS), seen, maybe_repeated=True).step is Step.ALREADY_SENT


def test_other_buttons_under_the_same_words_are_no_repeat():
    seen = shows(entry(1, "Which?", kind="quick_reply", options=("u-2",)))
    assert decide(order(BUTTONS), seen, maybe_repeated=True).step is Step.SEND


def test_a_note_is_recognised_by_its_mark():
    seen = shows(entry(1, "x Floodgate · ref 1a2b3c4d-2", kind="note"))
    assert decide(order(NOTE), seen, maybe_repeated=True).step is Step.ALREADY_SENT
    other = shows(entry(1, "x Floodgate · ref 1a2b3c4d-1", kind="note"))
    assert decide(order(NOTE), other, maybe_repeated=True).step is Step.SEND


def test_an_unknown_last_entry_means_looking_at_all():
    seen = shows(entry(5, "Which order is it about?"))
    assert decide(order(REPLY, after="4"), seen, maybe_repeated=True).step is Step.ALREADY_SENT


@pytest.mark.parametrize(
    "seen",
    [
        shows(held=True),
        shows(entry(1, "Hello, I am Maren", ours=False, human=True)),
        shows(entry(1, kind="close"), entry(2, "Hello again", ours=False, human=True)),
    ],
)
def test_where_a_human_speaks_nothing_is_said(seen):
    assert decide(order(REPLY), seen, maybe_repeated=False).step is Step.WITHHOLD
    assert decide(order(CloseCommand()), seen, maybe_repeated=False).step is Step.WITHHOLD


@pytest.mark.parametrize(
    "seen",
    [
        shows(entry(1, "Hello", ours=False, human=True), entry(2, kind="close")),
        shows(entry(1, "internal", kind="note", ours=False, human=True)),
        shows(entry(1, kind="assignment", ours=False, human=True)),
    ],
)
def test_a_human_of_an_earlier_time_or_behind_the_scenes_does_not_silence(seen):
    assert decide(order(REPLY), seen, maybe_repeated=False).step is Step.SEND


@pytest.mark.parametrize(
    "command",
    [NOTE, AssignCommand(team="t", channel_team_id="1"), TagCommand(tags=("x",)), AttributesCommand(values={})],
)
def test_hand_overs_go_on_beside_a_human(command):
    assert decide(order(command), shows(held=True), maybe_repeated=False).step is Step.SEND


def test_a_reply_that_arrived_counts_as_sent_even_if_a_human_came_after_it():
    seen = shows(entry(1, "Which order is it about?"), entry(2, "Hi", ours=False, human=True), held=True)
    assert decide(order(REPLY), seen, maybe_repeated=True).step is Step.ALREADY_SENT


def test_only_what_depends_on_the_conversation_reads_it():
    assert needs_reading(order(REPLY), maybe_repeated=False)
    assert needs_reading(order(CloseCommand()), maybe_repeated=False)
    assert needs_reading(order(NOTE), maybe_repeated=True)
    assert not needs_reading(order(NOTE), maybe_repeated=False)
    assert not needs_reading(order(TagCommand(tags=("x",))), maybe_repeated=True)


@given(
    texts=st.lists(st.sampled_from(["Which order is it about?", "Thank you", "Bye"]), max_size=8),
    known=st.integers(min_value=0, max_value=8),
)
def test_a_repeat_is_sent_exactly_when_it_did_not_arrive(texts, known):
    entries = [entry(number, text) for number, text in enumerate(texts, start=1)]
    after = str(known) if 0 < known <= len(texts) else None
    arrived = "Which order is it about?" in texts[known if after else 0 :]
    decision = decide(order(REPLY, after=after), shows(*entries), maybe_repeated=True)
    assert (decision.step is Step.ALREADY_SENT) == arrived
