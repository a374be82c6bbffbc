"""A team's history becomes proposed categories, a draft to finish and a report to read. All people are invented."""

from __future__ import annotations

import json
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from floodgate.catalogue import load_catalogue
from floodgate.catalogue.loader import inspect_files, load_files
from floodgate.catalogue.source import UNFINISHED, read_files
from floodgate_eval.proposing.clusters import cluster, vectors_of
from floodgate_eval.proposing.draft import draft_files
from floodgate_eval.proposing.exports import Asked, plain, read_export
from floodgate_eval.proposing.month import Month, last_month
from floodgate_eval.proposing.page import write_page
from floodgate_eval.proposing.proposal import Proposal, mask, propose
from keyflow import FatalError

OWN = Path(__file__).parents[3] / "catalogue"
OPENINGS = (
    "hi",
    "hello there",
    "good morning",
    "please",
    "hey",
    "quick question",
    "sorry to bother you",
    "hello again",
)
WISHES = {
    "parcel": ("where is my parcel", "my parcel has not been delivered", "the parcel is late", "track my parcel now"),
    "invoice": ("send me the invoice", "I need an invoice with tax", "the invoice is wrong", "copy of my invoice"),
    "password": ("I forgot my password", "reset my password", "the password does not work", "password is refused"),
}
DUTCH = ("waar blijft mijn pakketje dat ik besteld heb", "het pakketje is nog niet bezorgd bij ons thuis")
SEPTEMBER, OCTOBER = 1_788_300_000, 1_791_000_000


def conversation(number: int, *texts: str, at: int = OCTOBER, **more: Any) -> dict[str, Any]:
    parts = [{"part_type": "comment", "body": f"<p>{text}</p>", "author": {"type": "user"}} for text in texts[1:]]
    return {
        "type": "conversation", "id": str(number), "created_at": at,
        "source": {"body": f"<p>{texts[0]}</p>", "author": {"type": "lead"}},
        "conversation_parts": {"conversation_parts": parts}, **more,
    }  # fmt: skip


@pytest.fixture
def export(tmp_path: Path) -> Path:
    """96 English conversations about three matters, and a few in Dutch."""
    found = [
        conversation(
            len(WISHES) * 1_000 + 100 * row + column, f"{opening}, {wish}", at=SEPTEMBER if column % 2 else OCTOBER
        )
        for row, wish in enumerate(wish for wishes in WISHES.values() for wish in wishes)
        for column, opening in enumerate(OPENINGS)
    ]
    found += [conversation(number, text) for number, text in enumerate(DUTCH)]
    path = tmp_path / "export.json"
    path.write_text(json.dumps({"type": "conversation.list", "conversations": found}))
    return path


@pytest.fixture(scope="module")
def english() -> Proposal:
    texts = [f"{opening}, {wish}" for wishes in WISHES.values() for wish in wishes for opening in OPENINGS]
    return propose(mask([Asked(str(number), text, None) for number, text in enumerate(texts)]), {"en"}, 3)


def test_the_first_words_that_say_something_are_read(tmp_path: Path) -> None:
    greeting = conversation(1, "hi", "are you there", "my parcel is late", "and it rains")
    answered = conversation(2, "hello", "help me please now")
    answered["conversation_parts"]["conversation_parts"].insert(
        0, {"body": "<p>Hello, what can I do?</p>", "author": {"type": "admin"}}
    )
    ours = {"id": "3", "source": {"body": "Our newsletter", "author": {"type": "admin"}}}
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, [greeting, answered, ours, greeting])))
    found = read_export(tmp_path)
    assert [asked.text for asked in found] == ["hi\nare you there", "hello\nhelp me please now"]


def test_the_path_the_team_and_the_time_come_along(tmp_path: Path) -> None:
    item = conversation(
        1, "where is my parcel", team_assignee_id=77, custom_attributes={"floodgate_path": "orders/late"}
    )
    (tmp_path / "a.json").write_text(json.dumps(item))
    [asked] = read_export(tmp_path / "a.json")
    assert (asked.path, asked.team) == ("orders/late", "77")
    assert asked.created_at is not None
    assert f"{asked.created_at:%Y-%m}" == "2026-10"


def test_a_table_is_read_by_the_names_of_its_columns(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(
        "Conversation ID,Created at,Author type,Body\n"
        '1,2026-10-01T10:00:00,user,"where is\nmy parcel"\n'
        "1,2026-10-01T10:01:00,user,second\n2,,admin,ours\n3,,user,late\n"
    )
    found = read_export(tmp_path / "a.csv")
    assert [(asked.conversation_id, asked.text) for asked in found] == [("1", "where is\nmy parcel"), ("3", "late")]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.json", "{", "cannot be read as an export"),
        ("a.jsonl", "[1]\n", "is no conversation"),
        ("a.csv", "id,when\n1,2\n", "has none of the columns"),
        ("a.json", "[]", "no customer wrote anything"),
        ("a.pdf", "x", "no export is there"),
    ],
)
def test_what_is_no_export_is_told(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(FatalError, match=message):
        read_export(tmp_path)


def test_html_becomes_lines() -> None:
    assert plain("<p>Hello&nbsp;<b>you</b></p><p>where <br>is it?</p>") == "Hello you\nwhere\nis it?"


def test_nothing_personal_is_left() -> None:
    asked = Asked("1", "I am at jane.roe@example.org, +31 6 12345678, order TK-40033, card 4111 1111 1111 1111", None)
    [masked] = mask([asked])
    for personal in ("jane.roe", "12345678", "40033", "4111"):
        assert personal not in masked.text


def test_matters_are_found_and_named_by_their_words(english: Proposal) -> None:
    assert len(english.categories) == 3
    for word in WISHES:
        [category] = [each for each in english.categories if word in each.words[:2]]
        assert word in category.identifier
        assert sum(word in text for text in category.examples) >= 0.8 * len(category.examples)
        assert 20 <= category.size <= 40


def test_examples_are_typical_and_not_copies(english: Proposal) -> None:
    for category in english.categories:
        assert 3 <= len(category.examples) <= 15
        assert len(set(category.examples)) == len(category.examples)


def test_the_same_history_gives_the_same_proposal(english: Proposal) -> None:
    again = propose(english.messages, {"en"}, 3)
    assert again.categories == english.categories


def test_the_data_chooses_how_many() -> None:
    texts = [f"{wish} {opening}" for wishes in WISHES.values() for wish in wishes for opening in OPENINGS * 3]
    rows = vectors_of(texts, "en")
    clusters = cluster(rows)
    assert 2 <= len(clusters.centroids) <= len(texts) // 20
    assert Counter(clusters.labels.tolist()).most_common(1)[0][0] != -1


def test_a_language_with_too_few_messages_is_told_and_not_proposed(export: Path) -> None:
    proposal = propose(mask(read_export(export)), {"en", "nl"}, 3)
    assert {category.language for category in proposal.categories} == {"en"}
    assert proposal.skipped.get("nl") == 2


def test_the_draft_lacks_only_what_a_person_has_to_write(english: Proposal) -> None:
    files = draft_files(english, load_catalogue(OWN), read_files(OWN), date(2026, 11, 22))
    raw = {name: text.encode() for name, text in files.items()}
    report = inspect_files(raw, today=date(2026, 11, 22))
    assert report.errors
    assert all(UNFINISHED in problem.message for problem in report.errors)
    catalogue = load_files(raw, unfinished=True)
    assert {category.id for category in catalogue.categories} == {each.identifier for each in english.categories}
    assert all(category.automation.value == "off" for category in catalogue.categories)
    assert catalogue.urgency == load_catalogue(OWN).urgency
    assert any(path.generic for path in catalogue.paths)


def test_last_month_is_the_newest_of_the_export(export: Path) -> None:
    name, messages = last_month(mask(read_export(export)))
    assert name == "2026-10"
    assert len(messages) == 48 + len(DUTCH)


def test_the_report_shows_the_month_and_escapes_what_customers_wrote(tmp_path: Path) -> None:
    texts = [f"{opening}, <img src=x onerror=alert(1)> {wish}" for wish in WISHES["parcel"] for opening in OPENINGS]
    proposal = propose(mask([Asked(str(n), text, None) for n, text in enumerate(texts)]), {"en"}, 2)
    month = Month("2026-10", messages=4, decisions=Counter({"pass": 3, "escalate": 1}), urgent=1, sure=2)
    write_page(tmp_path / "report.html", proposal, month, by="the draft")
    page = (tmp_path / "report.html").read_text()
    assert "2026-10 as the firewall would have seen it" in page
    assert "75%" in page
    assert "<img" not in page
    for category in proposal.categories:
        assert category.identifier in page
