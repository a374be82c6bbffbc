"""The dead-letter desk's decisions: groups, differences, what needs a second person, what has moved on."""

from __future__ import annotations

import difflib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from console.domain.spans import Answer, Query, buckets, terms

MEMBERS: Final = ("service", "error_class", "reason_line", "version", "language")
"""What the letters of a group have in common."""
UNKNOWN: Final = "unknown"
_AT_MOST: Final = 200


@dataclass(frozen=True, slots=True)
class Group:
    """Letters that failed alike."""

    service: str
    error_class: str
    reason: str
    version: str
    language: str
    count: int
    first: str
    last: str


def groups(state: str) -> Query:
    """Letters by what failed."""
    below = {"first": {"min": {"field": "at"}}, "last": {"max": {"field": "at"}}}
    fields = ("service", "error_class", "reason_line", "versions.prompt", "versions.service", "language")
    by = [{name.replace(".", "_"): {"terms": {"field": name, "missing_bucket": True}}} for name in fields]
    found = {"composite": {"size": _AT_MOST, "sources": by}, "aggs": below}
    return {
        "size": 0,
        "track_total_hits": True,
        "query": _letters(state),
        "aggs": {"groups": found, "states": terms("state")},
    }


def states() -> Query:
    """How many letters are open, redriven, discarded."""
    return {"size": 0, "query": {"term": {"topic": "support.dead-letters"}}, "aggs": {"states": terms("state")}}


def members(state: str, **chosen: str) -> Query:
    """The letters of a group, the newest first."""
    query = _letters(state)
    query["bool"]["filter"] += [_holds(name, value) for name, value in chosen.items() if value]
    return {
        "size": _AT_MOST,
        "track_total_hits": True,
        "query": query,
        "sort": [{"at": "desc"}],
        "_source": {"excludes": ["record"]},
    }


def _holds(name: str, value: str) -> Query:
    if name == "version":
        prompt, service = {"term": {"versions.prompt": value}}, {"term": {"versions.service": value}}
        by_service = {"bool": {"filter": [service], "must_not": [{"exists": {"field": "versions.prompt"}}]}}
        return {"bool": {"should": [prompt, by_service], "minimum_should_match": 1}}
    if name == "language" and value == UNKNOWN:
        return {"bool": {"must_not": [{"exists": {"field": "language"}}]}}
    return {"term": {name: value}}


def _letters(state: str) -> Query:
    filters: list[Query] = [{"term": {"topic": "support.dead-letters"}}]
    if state != "all":
        filters.append({"term": {"state": state}})
    return {"bool": {"filter": filters}}


def grouped(answer: Answer) -> list[Group]:
    """The groups, the largest first."""
    found = [
        Group(
            bucket["key"]["service"] or "unknown",
            bucket["key"]["error_class"] or "unknown",
            bucket["key"]["reason_line"] or "",
            bucket["key"]["versions_prompt"] or bucket["key"]["versions_service"] or "",
            bucket["key"]["language"] or UNKNOWN,
            bucket["doc_count"],
            bucket["first"]["value_as_string"],
            bucket["last"]["value_as_string"],
        )
        for bucket in buckets(answer, "groups")
    ]
    return sorted(found, key=lambda group: (-group.count, group.service, group.reason))


def later_events(conversation_id: str, since_ms: int) -> Query:
    """What happened in a conversation after one of its records failed."""
    query = {
        "bool": {
            "filter": [{"term": {"conversation_id": conversation_id}}, {"range": {"written_at": {"gt": since_ms}}}],
            "must_not": [{"term": {"topic": "support.dead-letters"}}],
        }
    }
    return {
        "size": 0,
        "track_total_hits": True,
        "query": query,
        "aggs": {"kinds": terms("kind"), "topics": terms("topic")},
    }


def moved_on(topics: Mapping[str, int], kinds: Mapping[str, int]) -> str:
    """Why sending a record back may come too late; empty when nothing happened since."""
    said = []
    if kinds.get("human_joined"):
        said.append("a person took the conversation over")
    if kinds.get("closed"):
        said.append("it was closed")
    if kinds.get("user_message"):
        said.append(f"the customer wrote {kinds['user_message']} more times")
    answers = topics.get("support.replies", 0) + topics.get("support.escalations", 0)
    if answers:
        said.append(f"Floodgate answered or handed over {answers} times")
    return f"Since it failed, {', '.join(said)}." if said else ""


def needs_second_person(service: str, two_person_services: Collection[str]) -> bool:
    """Whether what goes back there may move money."""
    return any(service == name or service.startswith(f"{name}-") for name in two_person_services)


@dataclass(frozen=True, slots=True)
class DiffLine:
    """One line of a difference."""

    kind: str
    text: str


def difference(before: Any, after: Any) -> list[DiffLine]:
    """What a correction changes, line by line."""
    old, new = (
        json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True).splitlines() for value in (before, after)
    )
    names = {"+": "added", "-": "removed", " ": "same", "@": "place"}
    lines = list(difflib.unified_diff(old, new, lineterm="", n=2))[2:]
    return [DiffLine(names.get(line[:1], "same"), line) for line in lines]


@dataclass(frozen=True, slots=True)
class Proposal:
    """What one person asked for and another has to confirm.

    Attributes:
        corrected: The corrected record as JSON; empty when the original goes back.
    """

    proposal_id: str
    letter_ids: Sequence[str]
    service: str
    reason: str
    asked_by: str
    asked_at: datetime
    corrected: str = ""


def may_confirm(proposal: Proposal, person: str) -> bool:
    """Whether this person is another one."""
    return proposal.asked_by != person
