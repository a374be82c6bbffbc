"""The console in this process over a projection that answers every search with one text, wherever a text can stand."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid5

import httpx
from console.adapters.kafka_records import Shown, TopicFacts
from console.bootstrap import web
from console.domain.documents import Document, Place, document
from console.domain.letters import Proposal
from console.gathering import Gathering
from console.recording import Recorder
from console.redriving import RedriveJobs
from console.settings import ConsoleSettings
from floodgate.deadletters import Decision, Redriven
from floodgate.events import (
    AuditEntry,
    DeadLetter,
    Escalation,
    EscalationSource,
    Message,
    MessageKind,
    Metric,
    Misuse,
    ModeChange,
    Priority,
    RecordHeader,
    SwitchMode,
    Verdict,
)
from floodgate.events import Decision as Verdicts
from floodgate.modes import Modes
from pydantic import SecretStr

SPACE = UUID(int=8)
NOW = datetime(2026, 3, 9, 12, 0, tzinfo=UTC)
SECRET = "a-secret-between-proxy-and-console"
HEADERS = {
    "X-Console-Proxy-Secret": SECRET,
    "X-Forwarded-User": "mila",
    "X-Forwarded-Groups": "floodgate-operators",
    "Host": "127.0.0.1",
}
LETTER = uuid5(SPACE, "letter")
PROPOSAL = str(uuid5(SPACE, "proposal"))


def records(text: str) -> list[tuple[str, Any]]:
    """One record of each kind that pages show, the text in every member that takes any."""
    ids = {"occurred_at": NOW, "conversation_id": f"rest:{text}"}
    said = Message(
        event_id=uuid5(SPACE, "message"),
        kind=MessageKind.USER_MESSAGE,
        channel=text,
        contact_id=text,
        text=text,
        chosen_path=text,
        **ids,
    )
    verdict = Verdict(
        event_id=uuid5(SPACE, "verdict"),
        causation_id=said.event_id,
        decision=Verdicts.REDIRECT,
        message=said,
        category=text,
        suggested_path=text,
        misuse=Misuse.BYPASS,
        urgent=True,
        urgency=0.9,
        urgency_reasons=(text,),
        confidence=0.9,
        evidence=(text,),
        explanation=text,
        language=text,
        workflow=text,
        **ids,
    )
    handed = Escalation(
        event_id=uuid5(SPACE, "escalation"),
        causation_id=verdict.event_id,
        source=EscalationSource.AGENT,
        reason_code=text,
        note=text,
        channel=text,
        contact_id=text,
        priority=Priority.HIGH,
        urgent=True,
        team=text,
        **ids,
    )
    alert = Metric(
        event_id=uuid5(SPACE, "metric"),
        occurred_at=NOW,
        name="surge.verdicts.urgent",
        value=1.0,
        window_start=NOW,
        window_seconds=3600,
        dimensions={"category": text, "language": text, "country": text},
        alert=text,
    )
    entry = AuditEntry(
        event_id=uuid5(SPACE, "audit"), occurred_at=NOW, actor=text, action=text, target="catalogue", reason=text
    )
    return [
        ("support.messages", said),
        ("support.verdicts", verdict),
        ("support.escalations", handed),
        ("support.metrics", alert),
        ("support.audit", entry),
        ("support.dead-letters", letter(text)),
    ]


def letter(text: str) -> DeadLetter:
    """A dead letter that says it wherever it can."""
    return DeadLetter(
        event_id=LETTER,
        occurred_at=NOW,
        service="firewall",
        origin_topic="support.messages",
        origin_partition=0,
        origin_offset=1,
        key=f"rest:{text}".encode(errors="replace"),
        value=text.encode(errors="replace"),
        headers=(RecordHeader(key=text, value=b"1"),),
        error_class=text,
        error_type=text,
        reason=text,
        raw_output=text,
        attempts=1,
    )


def documents(text: str) -> list[Document]:
    """The same as the projection has them."""
    found = []
    for number, (topic, record) in enumerate(records(text)):
        _, one = document(record, Place(topic, 0, number, 1_772_000_000_000 + number))
        if topic == "support.dead-letters":
            one |= {
                "language": text,
                "versions": {"prompt": text, "service": text},
                "state_by": text,
                "state_at": one["at"],
            }
            one |= {"state_reason": text}
        found.append(one)
    return found


class Projection:
    """Finds the same whatever is asked: `text` is every key of every aggregation and stands in every document."""

    alias = "console-in-memory"

    def __init__(self, text: str) -> None:
        self._text = text
        self._documents = documents(text)

    async def search(self, *bodies: Mapping[str, Any]) -> list[dict[str, Any]]:
        return [self._answer(body) for body in bodies]

    async def get(self, event_id: str) -> Document | None:
        return next((one for one in self._documents if one["event_id"] == event_id), None)

    def _answer(self, body: Mapping[str, Any]) -> dict[str, Any]:
        topics, members = set(_named(body["query"], "topic")), set(_members(body["query"]))
        found = [one for one in self._documents if (not topics or one["topic"] in topics) and members <= one.keys()]
        hits = [self._hit(one, body) for one in found]
        answer: dict[str, Any] = {"hits": {"total": {"value": 3}, "hits": hits if body["size"] else []}}
        if "aggs" in body:
            answer["aggregations"] = {name: self._counted(part) for name, part in body["aggs"].items()}
        return answer

    def _hit(self, found: Document, body: Mapping[str, Any]) -> dict[str, Any]:
        if body.get("_source") is not False:
            return {"_source": found}
        names = [name["field"] if isinstance(name, dict) else name for name in body["docvalue_fields"]]
        return {"fields": {name: [found.get(name, self._text)] for name in names}}

    def _counted(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        below = {name: self._counted(part) for name, part in asked.get("aggs", {}).items()}
        if "composite" in asked:
            key = {name: self._text for source in asked["composite"]["sources"] for name in source}
            return {"buckets": [{"key": key, "doc_count": 3, **below}]}
        if "terms" in asked:
            return {"buckets": [{"key": self._text, "doc_count": 3, **below}]}
        if "date_histogram" in asked:
            return {"buckets": [{"key": 0, "doc_count": 3, **below}]}
        if "percentiles" in asked:
            return {"values": {"50.0": 1.0, "95.0": 2.0}}
        return {"doc_count": 3, "value": 1.0, "value_as_string": NOW.isoformat(), **below}


def _parts(query: Any) -> Iterator[Mapping[str, Any]]:
    """A query and every query in it that has to hold."""
    if isinstance(query, list):
        for part in query:
            yield from _parts(part)
    elif isinstance(query, Mapping):
        yield query
        for name, part in query.items():
            if name != "must_not":
                yield from _parts(part)


def _named(query: Any, member: str) -> Iterator[str]:
    """The values of a member that a query asks for."""
    for part in _parts(query):
        for kind in ("term", "terms"):
            if isinstance(part.get(kind), Mapping) and member in part[kind]:
                value = part[kind][member]
                yield from [value] if isinstance(value, str) else value


def _members(query: Any) -> Iterator[str]:
    """The members that a query wants to be there."""
    return (part["exists"]["field"] for part in _parts(query) if "exists" in part)


@dataclass
class Records:
    """Topics that hold one record each."""

    text: str

    def facts(self) -> list[TopicFacts]:
        return [TopicFacts("support.messages", "Message", 1, 1, 30)]

    def browse(self, topic: str, **_: Any) -> list[Shown]:
        return [Shown(topic, 0, 0, 1_772_000_000_000, self.text, {self.text: self.text, "text": self.text}, self.text)]

    def letter(self, partition: int, offset: int) -> DeadLetter:
        return letter(self.text)


@dataclass
class Desk:
    """Sends nothing anywhere."""

    text: str

    def letters(self, wanted: Sequence[str]) -> list[DeadLetter]:
        return [letter(self.text)]

    def destination(self, found: DeadLetter) -> Decision:
        return Decision(found, None, self.text)

    def payload(self, found: DeadLetter) -> Any:
        return {"text": self.text, self.text: [self.text]}

    def corrected(self, found: DeadLetter, text: str) -> bytes:
        return text.encode(errors="replace")

    def redrive(self, found: Sequence[DeadLetter], **_: Any) -> Redriven:
        return Redriven((), (Decision(found[0], None, self.text),))

    discard = redrive

    async def rehearse(self, letter_id: str, corrected: str) -> tuple[dict[str, Any], str]:
        return {"failure": {"reason": self.text}, "outputs": [], self.text: self.text}, ""


@dataclass
class Proposals:
    """What waits for a second person."""

    text: str

    async def put(self, proposal: Proposal) -> None: ...

    async def get(self, proposal_id: str) -> Proposal | None:
        return next((one for one in await self.all() if one.proposal_id == proposal_id), None)

    async def all(self) -> list[Proposal]:
        return [Proposal(PROPOSAL, [str(LETTER)], "agent", self.text, self.text, NOW, self.text)]

    async def drop(self, proposal_id: str, *_: Any) -> bool:
        return True


@dataclass
class Producer:
    """Keeps what is sent."""

    sent: list[tuple[str, str, Any]] = field(default_factory=list)

    async def send(self, topic: str, key: str, event: Any) -> None:
        self.sent.append((topic, key, event))


def app(text: str, projection: Any = None) -> Any:
    """The console's application; `text` stands wherever somebody else's words can stand.

    Args:
        text: The words.
        projection: Takes the place of the one that finds them everywhere.
    """
    settings = ConsoleSettings(access="proxy", proxy_secret=SecretStr(SECRET), daily_budget_usd=1.0)
    change = ModeChange(
        event_id=uuid5(SPACE, "mode"), occurred_at=NOW, target=text, mode=SwitchMode.OFF, actor=text, reason=text
    )
    desk: Any = Desk(text)
    gathering: Any = Gathering(
        settings,
        projection or Projection(text),
        SimpleNamespace(problem=text, version=1, is_outdated=True),  # type: ignore[arg-type]
        records=Records(text),  # type: ignore[arg-type]
        lag=SimpleNamespace(read=_lags),  # type: ignore[arg-type]
        scraper=SimpleNamespace(read=_nothing),  # type: ignore[arg-type]
        syncs=SimpleNamespace(read=lambda: _syncs(text)),  # type: ignore[arg-type]
        modes=SimpleNamespace(modes=Modes({text: change})),  # type: ignore[arg-type]
        catalogue=None,
    )
    jobs = RedriveJobs(desk, 20)
    job = jobs.order([str(LETTER)], text, text, text)
    job.state, job.problem, job.why_kept = "failed", text, text
    recorder: Any = Recorder(Producer())  # type: ignore[arg-type]
    return web(settings, "mila", gathering, recorder=recorder, desk=desk, proposals=Proposals(text), jobs=jobs)


async def _lags() -> dict[str, int | None]:
    return {"firewall": 3}


async def _syncs(text: str) -> dict[str, Any]:
    source = {"source_id": text, "outcome": text, "documents": 1, "refused": {text: 1}, "stale": 0, "error": text}
    source["examples"] = [{"key": text, "reason": text}]
    last = {"at": NOW.isoformat(), "outcome": text, "error": text, "passages": 1, "contradictions": 1}
    lists = {"added": [text], "changed": [text], "removed": [text]}
    counts = {"added_count": 9, "changed_count": 1, "removed_count": 1}
    changed = {"at": NOW.isoformat(), "version": text, **lists, **counts}
    return {"last": {**last, "sources": [source]}, "changed": changed}


async def _nothing() -> list[Any]:
    return []


def ask(application: Any, *asked: tuple[str, str, dict[str, str] | None], cookie: str = "") -> list[httpx.Response]:
    """Answers of one session, one after the other: method, path, form."""

    async def run() -> list[httpx.Response]:
        transport = httpx.ASGITransport(app=application)
        headers = {**HEADERS, "Cookie": cookie} if cookie else HEADERS
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", headers=headers) as client:
            return [await client.request(method, path, data=form) for method, path, form in asked]

    return asyncio.run(run())
