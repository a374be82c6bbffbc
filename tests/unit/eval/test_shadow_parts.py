"""What is tried, what is read and what makes a gate fail: each with one clear line where it is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from floodgate.catalogue import Catalogue, CatalogueIndex
from floodgate_eval.shadow.conditions import broken, parse_condition
from floodgate_eval.shadow.history import Window, _history, from_files, kept
from floodgate_eval.shadow.page import render
from floodgate_eval.shadow.versions import Changes, Version, candidate, with_setting
from keyflow import FatalError
from shadow_fakes import entry, history_of, message, own_catalogue

FOUND: dict[str, Any] = {
    "n": 200, "changed": 12, "decided_otherwise": 4, "failed": {"before": 0, "after": 3},
    "cost_usd": {"before": 1.0, "after": 1.5},
    "marks": {"urgent": {"lost": 1, "gained": 0}, "automated": {"lost": 0, "gained": 9}},
}  # fmt: skip

MARKS = ("urgent", "automated", "action:refund_order")


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return own_catalogue()


@pytest.mark.parametrize(
    ("text", "fails"),
    [
        ("urgent_lost>0", True), ("urgent_lost>1", False), ("urgent_lost>=1", True), ("changed>5%", True),
        ("changed > 6%", False), ("automated_gained>=10", False), ("cost_ratio>1.2", True), ("failed>3", False),
        ("action:refund_order_gained>0", False),
    ],
)  # fmt: skip
def test_a_condition_is_a_count_or_a_share_of_the_decisions(text: str, fails: bool) -> None:
    assert broken([parse_condition(text, MARKS)], FOUND) == ([text] if fails else [])


@pytest.mark.parametrize(
    "text", ["urgent_lost", "urgent_lost<3", "urgnt_lost>0", "nonsense>1", ">0", "action:nothing_lost>0"]
)
def test_a_misspelt_condition_is_refused_and_never_passes(text: str) -> None:
    with pytest.raises(FatalError, match="--fail-if"):
        parse_condition(text, MARKS)


def test_settings_change_one_thing_for_all_a_category_or_a_country(catalogue: Catalogue) -> None:
    cases = (("urgent", None, None), ("refund_tickets.urgent", "refund_tickets", None), ("NL.urgent", None, "NL"))
    for name, category, country in cases:
        setting = f"{name}=0.99"
        changed = CatalogueIndex(with_setting(catalogue, setting))
        assert changed.thresholds_for(category, country).urgent == 0.99
        before = CatalogueIndex(catalogue).thresholds_for(category, country)
        assert changed.thresholds_for(category, country).min_confidence == before.min_confidence
    assert with_setting(catalogue, "max_redirects=1").max_redirects == 1
    off = CatalogueIndex(with_setting(catalogue, "refund_tickets.automation=off"))
    assert off.categories["refund_tickets"].automation.value == "off"
    assert with_setting(catalogue, "urgent=0.99").version.endswith("+urgent=0.99")


@pytest.mark.parametrize(
    "setting",
    ["urgent", "urgnt=0.5", "urgent=2", "urgent=high", "nowhere.urgent=0.5", "refund_tickets.automation=maybe", "x=1"],
)
def test_a_setting_that_cannot_be_is_refused_with_what_can(catalogue: Catalogue, setting: str) -> None:
    with pytest.raises(FatalError, match=r"--set .*thresholds are"):
        with_setting(catalogue, setting)


def test_something_has_to_be_tried(catalogue: Catalogue, tmp_path: Path) -> None:
    with pytest.raises(FatalError, match="nothing is to be tried"):
        candidate(Version(catalogue), Changes())
    with pytest.raises(FatalError, match="is no file, nor one of the service's prompts"):
        candidate(Version(catalogue), Changes(prompt="assess-9.md", prompts=tmp_path))
    with pytest.raises(FatalError, match="FLOODGATE_CATALOGUE_STORE"):
        candidate(Version(catalogue), Changes(catalogue=str(tmp_path / "nowhere")))


def test_records_that_were_kept_are_the_same_history_again(tmp_path: Path) -> None:
    first, second = message("a"), message("b", minutes=3)
    history = history_of([entry("support.messages", first, 0), entry("support.messages", second, 1)])
    file = tmp_path / "kept.jsonl"
    file.write_text("".join(kept(history, ["support.messages"])), encoding="utf-8")
    again = from_files([file], ["support.messages"], ["support.verdicts"], bool)
    assert [one.value for one in again.conversations[0].entries] == [first, second]


def test_a_row_that_is_no_record_is_named(tmp_path: Path) -> None:
    file = tmp_path / "kept.jsonl"
    file.write_text('{"topic": "support.nothing", "value": {}}')
    with pytest.raises(FatalError, match=r"kept\.jsonl:1: topic"):
        from_files([file], ["support.messages"], [], bool)
    file.write_text('{"topic": "support.messages", "value": {"event_id": 7}}')
    with pytest.raises(FatalError, match=r"kept\.jsonl:1: value\."):
        from_files([file], ["support.messages"], [], bool)
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(FatalError, match="is not UTF-8"):
        from_files([file], ["support.messages"], [], bool)


def test_what_others_wrote_in_the_same_millisecond_was_there_before(tmp_path: Path) -> None:
    one = message("a")
    entries = [entry("support.messages", one), entry("support.replies", one)]
    window = Window(0, 2**62)
    found = _history(entries, ["support.messages", "support.replies"], [], window, bool)
    assert [kept.topic for kept in found.conversations[0].entries] == ["support.replies", "support.messages"]


def test_a_limit_takes_the_newest_or_a_sample_that_is_always_the_same() -> None:
    entries = [
        entry("support.messages", message("a", conversation=f"c:{number}", minutes=number)) for number in range(20)
    ]
    history = history_of(entries)
    newest = history.limited(3, sample=False)
    assert [one.key for one in newest.conversations] == ["c:17", "c:18", "c:19"]
    assert history.limited(3, sample=True).conversations == history.limited(3, sample=True).conversations


def test_the_page_holds_no_markup_of_what_it_shows() -> None:
    share = {"value": 0.5, "interval": [0.1, 0.9]}
    side = {"decision": "pass", "explanation": "<script>"}
    shown = {
        "conversation_id": "c:1", "event_id": "e", "language": "en", "country": "GB", "path": "other", "text": "<b>",
        "differs": {"team": ["a", "b"]}, "before": side, "after": side,
    }  # fmt: skip
    found = {
        **FOUND, "service": "firewall", "changes": ["x=<1>"], "baseline": "recorded", "from": "a", "to": "b",
        "conversations": 3, "decided_otherwise_share": share, "facts": {"team": 1}, "noise": None,
        "follows": {"n": 0}, "unrecorded": 0, "unreadable": 0, "stopped": "", "matrix": {"pass": {"pass": 2}},
        "by_category": {}, "by_language": {}, "by_country": {}, "model_calls": {"before": 2.0, "after": 2.0},
        "latency_ms": {"before": None, "after": {"p50": 1, "p95": 2}}, "marks": {},
        "examples": [{"change": "pass: other team", "n": 1, "shown": [shown]}],
    }  # fmt: skip
    page = render(found, ["urgent_lost>0"])
    assert "<script>" not in page
    assert "<b>" not in page
    assert "fails: urgent_lost&gt;0" in page
