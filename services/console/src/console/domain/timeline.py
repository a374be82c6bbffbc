"""One conversation across all topics: what happened, after what, how long it took, what it cost."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from floodgate.deadletters.masking import masked

from console.domain.documents import Document
from console.domain.spans import Query

_AT_MOST: Final = 500
_SHOWN: Final = 30
_LATEST: Final = 120
_TITLES: Final = {
    "support.messages": "Customer",
    "support.verdicts": "Firewall",
    "support.replies": "Agent",
    "support.escalations": "Hand-over",
    "support.interactions": "Finished interaction",
    "support.summaries": "Feature record",
    "support.feedback": "Feedback",
    "support.dead-letters": "Dead letter",
}
_KINDS: Final = {
    "human_joined": "A person took over",
    "closed": "Conversation closed",
    "reopened": "Conversation reopened",
}
_ORDER: Final = {topic: place for place, topic in enumerate(_TITLES)}


def of_conversation(conversation_id: str) -> Query:
    """Every record of a conversation."""
    return {"size": _AT_MOST, "query": {"term": {"conversation_id": conversation_id}}, "sort": [{"written_at": "asc"}]}


def of_interactions(interaction_ids: Sequence[str]) -> Query:
    """The feature records of its interactions, which name no conversation."""
    query = {
        "bool": {
            "filter": [{"term": {"topic": "support.summaries"}}, {"terms": {"interaction_id": list(interaction_ids)}}]
        }
    }
    return {"size": _AT_MOST, "query": query}


def matching(text: str, *, texts: bool) -> Query:
    """Conversations by id, contact or, where that is allowed, by words."""
    exact = ("conversation_id", "contact_id", "interaction_id", "event_id", "causation_id")
    wanted: list[Query] = [{"term": {name: text}} for name in exact]
    wanted.append({"term": {"conversation_id": f"intercom:{text}"}})
    if texts:
        wanted.append({"match": {"text": {"query": text, "operator": "and"}}})
    query: Query = {
        "bool": {"should": wanted, "minimum_should_match": 1, "filter": [{"exists": {"field": "conversation_id"}}]}
    }
    return {
        "size": _SHOWN,
        "query": query,
        "collapse": {"field": "conversation_id"},
        "sort": [{"at": "desc"}],
        "_source": ["conversation_id", "at", "topic", "language", "category", "chosen_path", "channel"],
    }


def latest() -> Query:
    """What was decided last. Not collapsed: that would look at every verdict there is."""
    return {
        "size": _LATEST,
        "track_total_hits": False,
        "query": {"term": {"topic": "support.verdicts"}},
        "sort": [{"at": "desc"}],
        "_source": [
            "conversation_id",
            "at",
            "decision",
            "language",
            "category",
            "chosen_path",
            "urgent",
            "misuse",
            "channel",
        ],
    }


def each_once(found: Sequence[Document]) -> list[Document]:
    """The conversations of these documents, each with its first."""
    once: dict[str, Document] = {}
    for one in found:
        once.setdefault(one["conversation_id"], one)
    return list(once.values())[:_SHOWN]


def hops(documents: Sequence[Document], *, unmask: bool) -> list[dict[str, Any]]:
    """What is shown of each record, in order."""
    ordered = sorted(documents, key=lambda found: (found["written_at"], _ORDER.get(found["topic"], 99)))
    starts = {found["event_id"]: int(found["written_at"]) for found in ordered}
    shown = []
    for found in ordered:
        began = starts.get(found.get("causation_id", ""))
        after_ms = None if began is None else max(0, int(found["written_at"]) - began)
        shown.append(_hop(found, after_ms, unmask=unmask))
    return shown


def _hop(found: Document, after_ms: int | None, *, unmask: bool) -> dict[str, Any]:
    record = json.loads(found["record"])
    title = _KINDS.get(found.get("kind", ""), _TITLES.get(found["topic"], found["topic"]))
    return {
        "topic": found["topic"],
        "place": f"{found['topic']}/{found['partition']}/{found['offset']}",
        "title": title,
        "at": found["at"],
        "event_id": found["event_id"],
        "after_ms": after_ms,
        "cost_usd": found.get("cost_usd"),
        "tokens": sum(found.get(name, 0) for name in ("input_tokens", "output_tokens", "cache_read_tokens")),
        "cached": found.get("cache_read_tokens", 0),
        "model_ms": found.get("latency_ms"),
        "model": found.get("model", ""),
        "versions": found.get("versions", {}),
        "text": _words(text_of(record), unmask=unmask),
        "facts": facts(record, unmask=unmask),
        "tone": found.get("decision") or ("bad" if found["topic"] == "support.dead-letters" else ""),
        "record": record if unmask else masked(record),
    }


def text_of(record: Mapping[str, Any]) -> str:
    """What was said, by whoever speaks in this record."""
    reply = record.get("reply")
    if isinstance(reply, Mapping):
        return str(reply.get("text", ""))
    return str(record.get("text") or record.get("summary") or "")


def _words(text: str, *, unmask: bool) -> str:
    if not text or unmask:
        return text
    return f"{len(text)} characters, hidden"


def facts(record: Mapping[str, Any], *, unmask: bool) -> list[tuple[str, str]]:
    """What was decided and on what, in the words of the record."""
    names = (
        ("chosen_path", "Button"),
        ("category", "Category"),
        ("suggested_path", "Belongs to"),
        ("misuse", "Misuse"),
        ("reason_code", "Reason"),
        ("workflow", "Workflow"),
        ("step", "Step"),
        ("awaits", "Waits for"),
        ("team", "Team"),
        ("priority", "Priority"),
        ("confidence", "Confidence"),
        ("language", "Language"),
        ("label", "Judgement"),
        ("should_be", "Should be"),
        ("sentiment", "Sentiment"),
        ("primary_topic", "Topic"),
        ("resolution_status", "Ended"),
        ("error_class", "Error class"),
        ("reason", "Reason"),
        ("service", "Service"),
    )
    found = [
        (title, str(record[name])) for name, title in names if record.get(name) not in (None, "", "none", "unknown")
    ]
    if record.get("kind") not in (None, "user_message"):
        return []
    message = record.get("message")
    if isinstance(message, Mapping) and message.get("chosen_path", "unknown") != "unknown":
        found.insert(0, ("Button", str(message["chosen_path"])))
    if record.get("urgent"):
        found.append(("Urgent", ", ".join(record.get("urgency_reasons") or ()) or "yes"))
    if unmask and record.get("evidence"):
        found.append(("Evidence", " · ".join(record["evidence"])))
    elif record.get("evidence"):
        found.append(("Evidence", _hidden_phrases(len(record["evidence"]))))
    if record.get("citations"):
        found.append(("Sources", ", ".join(citation["title"] for citation in record["citations"])))
    for action in record.get("actions") or ():
        found.append(("Action", f"{action['action']}: {action['status']}"))
    return found


def _hidden_phrases(count: int) -> str:
    return "1 phrase, hidden" if count == 1 else f"{count} phrases, hidden"


def totals(documents: Sequence[Document]) -> dict[str, Any]:
    """The conversation as a whole."""
    times = [datetime.fromisoformat(found["at"]) for found in documents]
    return {
        "records": len(documents),
        "cost_usd": sum(float(found.get("cost_usd", 0.0)) for found in documents if not _repeats(found)),
        "tokens": sum(int(found.get("input_tokens", 0)) + int(found.get("output_tokens", 0)) for found in documents),
        "seconds": (max(times) - min(times)).total_seconds() if times else None,
        "languages": sorted({found["language"] for found in documents if found.get("language")}),
    }


def _repeats(found: Document) -> bool:
    """Whether its cost stands at the verdict already."""
    return found["topic"] == "support.escalations" and found.get("source") == "firewall"


def verdicts(documents: Sequence[Document]) -> list[Document]:
    """What a reviewer can judge."""
    return [found for found in documents if found["topic"] == "support.verdicts"]
