import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from floodgate_nlu.dialogue import Turn, resolution_of
from floodgate_nlu.interactions import report, summarise
from floodgate_nlu.language import SERVED
from floodgate_nlu.repair import repaired
from floodgate_nlu.summaries import template
from floodgate_nlu.types import ChatMessage, ModelCall, ToolSpec
from hypothesis import given, settings
from hypothesis import strategies as st

Run = Callable[..., Mapping[str, Any]]
Turns = list[tuple[str, str]]


def _conversations(kind: str) -> dict[str, Turns]:
    loaded = yaml.safe_load((Path(__file__).parent / "conversations.yaml").read_text(encoding="utf-8"))
    return {
        language: [(role, text) for turn in turns for role, text in turn.items()]
        for language, turns in loaded[kind].items()
    }


RESOLVED = _conversations("resolved")
ESCALATED = _conversations("escalated")
FRAME = ("customer", "complaint", "wants", "agent")


def words_of(*texts: str) -> set[str]:
    return set(re.findall(r"\w+", " ".join(texts).lower()))


@pytest.mark.parametrize("language", SERVED)
def test_a_solved_case_is_resolved_and_happy_in_every_language(summarize: Run, language: str) -> None:
    answer = summarize(RESOLVED[language], language)
    assert answer["resolution_status"] == "resolved"
    assert answer["sentiment"] == "positive"
    assert answer["csat_indicator"] > 0.6
    assert answer["language"] == language
    assert answer["primary_topic"] == "tickets"


@pytest.mark.parametrize("language", SERVED)
def test_a_case_handed_over_is_escalated_and_unhappy_in_every_language(summarize: Run, language: str) -> None:
    answer = summarize(ESCALATED[language], language)
    assert answer["resolution_status"] == "escalated"
    assert answer["sentiment"] == "negative"
    assert answer["csat_indicator"] < 0.5


@pytest.mark.parametrize("language", SERVED)
def test_a_case_without_an_answer_is_pending(summarize: Run, language: str) -> None:
    assert summarize(RESOLVED[language][:1], language)["resolution_status"] == "pending"


@pytest.mark.parametrize("language", SERVED)
def test_a_summary_speaks_the_language_asked_for(summarize: Run, language: str) -> None:
    summary = summarize(RESOLVED[language], language)["summary"]
    assert template(language, "agent") in summary
    foreign = summarize(RESOLVED["nl"], language)["summary"]
    assert len(foreign) > 15
    if language != "nl":
        assert template(language, "resolved") in foreign
        assert "kaartjes" not in foreign


def test_a_summary_says_only_what_the_source_says(summarize: Run) -> None:
    turns = RESOLVED["en"]
    source = words_of(*(text for _, text in turns))
    assert words_of(summarize(turns)["summary"]) <= source | words_of(*(template("en", name) for name in FRAME))


def test_personal_data_and_placeholders_stay_out(summarize: Run) -> None:
    turns = [
        (
            "customer",
            "My mail is jo@example.org, phone +31 6 12345678, card 4111 1111 1111 1111, where are my tickets?",
        ),
        ("agent", "I sent them to <EMAIL_1> and called <PHONE_1>."),
    ]
    for language in ("en", "nl"):
        summary = summarize(turns, language)["summary"]
        assert not re.search(r"@|<|>|\d{4}|EMAIL|PHONE", summary)


TURN = st.tuples(st.sampled_from(["customer", "agent"]), st.text(min_size=0, max_size=400))


@settings(max_examples=40, deadline=None)
@given(st.lists(TURN, min_size=1, max_size=6), st.sampled_from(sorted(SERVED)))
def test_summaries_keep_their_length_whatever_is_said(turns: Turns, language: str) -> None:
    spoken = [Turn(role, text) for role, text in turns]
    assert len(summarise(spoken, language, 200)) <= 200
    assert len(report(spoken, "Send my tickets again", "pending", language, 200)) <= 200


def test_a_summary_is_not_cut_in_mid_word(summarize: Run) -> None:
    long = "I would like to know why the extraordinarily complicated cancellation procedure " * 6
    summary = summarize([("customer", long), ("agent", long)])["summary"]
    assert words_of(summary) <= words_of(long, *(template("en", name) for name in FRAME))


def _endings(name: str) -> list[tuple[str, str, str]]:
    loaded = yaml.safe_load((Path(__file__).parent / name).read_text(encoding="utf-8"))
    return [
        (language, status, text)
        for language, by_status in loaded.get("endings", loaded).items()
        for status, texts in by_status.items()
        for text in texts
    ]


def _right(rows: list[tuple[str, str, str]]) -> float:
    hits = 0
    for language, status, text in rows:
        agent, _, customer = text.partition(" // ")
        turns = [Turn("customer", "…"), Turn("agent", agent), *([Turn("customer", customer)] if customer else [])]
        hits += resolution_of(turns, language) == status
    return hits / len(rows)


def test_how_a_conversation_ends_is_read_off_its_last_turns() -> None:
    assert _right(_endings("endings.yaml")) >= 0.98


def test_endings_never_tuned_on_are_read_right() -> None:
    assert _right(_endings("held_out.yaml")) >= 0.8


def test_a_repair_makes_the_ending_agree_with_the_summary() -> None:
    schema = {"type": "object", "properties": {"resolution_status": {"enum": ["resolved", "escalated", "pending"]}}}
    note = "resolution_status: resolved contradicts the summary, which says escalated; make them agree"
    turns = (ChatMessage("user", "<transcript/>"), ChatMessage("assistant", "{}"), ChatMessage("user", note))
    call = ModelCall("", turns, ToolSpec("t", "", schema), 100)
    assert repaired({"resolution_status": "resolved"}, call, ToolSpec("t", "", schema)) == {
        "resolution_status": "escalated"
    }
