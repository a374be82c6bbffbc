"""Decisions of the pages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from console.domain import agent, firewall, impact, letters, now, summaries, timeline
from console.domain.charts import bar, sparkline, stacked
from console.domain.letters import Proposal
from console.settings import ConsoleSettings

NOW = datetime(2026, 3, 9, 12, 0, tzinfo=UTC)


def at(**back: float) -> str:
    return (NOW - timedelta(**back)).isoformat()


def case(name: str, **back: float) -> dict[str, str]:
    return {"conversation_id": name, "at": at(**back)}


def test_an_urgent_case_waits_until_a_person_takes_it() -> None:
    urgent = [case("a", minutes=30), case("b", minutes=50), case("c", minutes=5)]
    taken = [case("b", minutes=10)]
    waiting = now.waiting(urgent, taken, NOW)
    assert [entry["conversation_id"] for entry in waiting["cases"]] == ["a", "c"]
    assert waiting["oldest_seconds"] == 30 * 60


def test_a_case_that_became_urgent_after_it_was_taken_waits_again() -> None:
    waiting = now.waiting([case("a", minutes=5)], [case("a", minutes=20)], NOW)
    assert waiting["count"] == 1


def test_a_case_reopened_within_seven_days_does_not_count() -> None:
    resolved = [case("back", days=20), case("back", days=3), case("fresh", days=2)]
    assert impact.settle(resolved, [case("back", days=15), case("fresh", days=1)], NOW) == (1, 1)


def test_a_case_reopened_later_counts() -> None:
    assert impact.settle([case("kept", days=20)], [case("kept", days=5)], NOW) == (0, 0)


def test_resolved_are_those_that_were_not_reopened() -> None:
    def answer(**figures: object) -> dict[str, object]:
        return {"hits": {"total": {"value": 0}, "hits": []}, "aggregations": figures}

    def found(*cases: dict[str, str]) -> dict[str, object]:
        return {"hits": {"total": {"value": len(cases)}, "hits": [{"_source": one} for one in cases]}}

    resolved = answer(cases={"value": 100}, fresh={"cases": {"value": 20}})
    nothing = answer(cost={"value": 7.5}, misuse={"buckets": []}, conversations={"value": 400})
    asked = [resolved, found(case("old", days=15), case("new", days=1)), nothing, nothing, found(), nothing]
    done = found(case("old", days=20), case("new", days=2))
    board = impact.board(asked, [done, found()], ConsoleSettings(), NOW)
    assert (board["resolved"], board["early"], board["reopened"]) == (79, 19, 2)
    assert board["resolved_share"] == 98 / 400


def test_redirects_are_counted_by_conversation() -> None:
    answer = {"aggregations": {"conversations": {"value": 9}, "again": {"conversations": {"value": 2}}}}
    assert firewall.outcomes(answer) == {"once": 7, "twice or more": 2}


def test_the_newest_conversations_stand_once_each() -> None:
    found = [{**case("a", minutes=1), "n": 1}, case("b", minutes=2), case("a", minutes=3)]
    assert timeline.each_once(found) == found[:2]


def test_waits_are_measured_to_the_first_person_after_the_alarm() -> None:
    joined = [case("a", minutes=90), case("a", minutes=30), case("a", minutes=10)]
    assert impact.waits_minutes([case("a", minutes=60)], joined) == [30.0]


@pytest.mark.parametrize(
    ("before", "after", "apart"),
    [({"a": 1}, {"a": 5}, 0.0), ({"a": 1}, {"b": 1}, 1.0), ({"a": 1, "b": 1}, {"a": 1}, 0.5)],
)
def test_drift_is_the_distance_of_two_mixes(before: dict[str, int], after: dict[str, int], apart: float) -> None:
    assert summaries.distance(before, after) == pytest.approx(apart)


def test_no_drift_is_said_of_nothing() -> None:
    assert summaries.distance({}, {"a": 1}) is None


def test_a_difference_shows_what_was_added_and_removed() -> None:
    lines = letters.difference({"text": "a", "same": 1}, {"text": "b", "same": 1})
    assert [line.kind for line in lines if line.kind in ("added", "removed")] == ["removed", "added"]


def test_what_did_not_change_has_no_difference() -> None:
    assert letters.difference({"b": 1, "a": 2}, {"a": 2, "b": 1}) == []


def test_it_says_how_a_conversation_has_moved_on() -> None:
    said = letters.moved_on({"support.replies": 1}, {"closed": 1, "user_message": 2})
    assert "closed" in said
    assert "2 more" in said
    assert letters.moved_on({}, {}) == ""


@pytest.mark.parametrize(("service", "needed"), [("agent", True), ("agent-x", True), ("firewall", False)])
def test_what_may_move_money_needs_two(service: str, needed: bool) -> None:
    assert letters.needs_second_person(service, ["agent"]) is needed


def test_nobody_confirms_their_own_request() -> None:
    proposal = Proposal("1", ["a"], "agent", "fixed", "mila", NOW)
    assert not letters.may_confirm(proposal, "mila")
    assert letters.may_confirm(proposal, "noor")


def test_a_workflow_is_drawn_with_counts_and_without_what_is_not_there() -> None:
    workflow = {
        "start": "ask",
        "steps": {
            "ask": {"do": "ask", "slot": "order", "next": "look", "give_up": "human"},
            "look": {"do": "look_up", "found": "done", "not_found": "human"},
            "done": {"do": "resolve"},
            "human": {"do": "hand_over"},
        },
    }
    drawn = agent.drawing(workflow, {"ask": 4})
    assert drawn is not None
    assert {box["name"]: box["count"] for box in drawn["boxes"]} == {"ask": 4, "look": 0, "human": 0, "done": 0}
    assert len(drawn["edges"]) == 4
    assert agent.drawing(None, {}) is None


def test_texts_are_masked_unless_somebody_asks_with_a_reason() -> None:
    found = {
        "topic": "support.messages",
        "partition": 0,
        "offset": 1,
        "written_at": 1,
        "at": at(minutes=1),
        "event_id": "e",
        "kind": "user_message",
        "record": '{"text": "my name is Sanne", "conversation_id": "rest:1"}',
    }
    hidden, shown = timeline.hops([found], unmask=False), timeline.hops([found], unmask=True)
    assert "Sanne" not in str(hidden)
    assert shown[0]["text"] == "my name is Sanne"


def test_drawings_escape_what_they_are_given() -> None:
    for drawn in (sparkline([1, 2], '"><script>'), stacked({"<b>": 1}, "<i>"), bar(0.5)):
        assert "<script>" not in drawn
        assert "<b>" not in drawn
        assert "style=" not in drawn


def test_letters_are_grouped_by_language_and_version_too() -> None:
    key = {"service": "firewall", "error_class": "poison", "reason_line": "no category", "versions_prompt": "screen-4"}
    bucket = {"doc_count": 3, "first": {"value_as_string": at(hours=2)}, "last": {"value_as_string": at(hours=1)}}
    found = [{**bucket, "key": {**key, "versions_service": None, "language": language}} for language in ("nl", None)]
    groups = letters.grouped({"aggregations": {"groups": {"buckets": found}}})
    assert [(group.version, group.language) for group in groups] == [("screen-4", "nl"), ("screen-4", "unknown")]


def test_a_group_without_a_language_has_the_letters_that_say_none() -> None:
    known = letters.members("open", service="firewall", version="screen-4", language="nl")["query"]["bool"]["filter"]
    assert {"term": {"language": "nl"}} in known
    unknown = letters.members("open", service="firewall", language="unknown")["query"]["bool"]["filter"]
    assert {"bool": {"must_not": [{"exists": {"field": "language"}}]}} in unknown
