"""Reads an export of Intercom conversations: JSON as the API gives it, JSON Lines, or CSV."""

from __future__ import annotations

import csv
import html
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from keyflow import FatalError

CUSTOMERS: Final = frozenset({"user", "lead", "contact"})
_SUFFIXES: Final = (".json", ".jsonl", ".ndjson", ".csv")
_TEXT_COLUMNS: Final = ("body", "text", "message", "first_message", "source_body")
_TIME_COLUMNS: Final = ("created_at", "occurred_at", "date")
_ID_COLUMNS: Final = ("conversation_id", "id")
_TAG: Final = re.compile(r"<[^>]+>")
_ENDS: Final = re.compile(r"<(?:br|/p|/div|/li|/h\d)[^>]*>", re.IGNORECASE)
_ENOUGH_WORDS: Final = 4
_MAX_MESSAGES: Final = 4
_MAX_CHARS: Final = 1_000


@dataclass(frozen=True, slots=True)
class Asked:
    """What a customer first wrote in one conversation.

    Attributes:
        text: The first message, with those after it while they say next to nothing ("hi"); not yet masked.
        path: Path of buttons, where the conversation has the attribute.
        team: Team in Intercom that it was assigned to.
    """

    conversation_id: str
    text: str
    created_at: datetime | None
    path: str | None = None
    team: str | None = None


def read_export(place: Path, path_attribute: str = "floodgate_path") -> list[Asked]:
    """Every conversation that a customer began, once.

    Raises:
        FatalError: Nothing is there, or a file is no export.
    """
    files = sorted(p for p in place.rglob("*") if p.suffix in _SUFFIXES) if place.is_dir() else [place]
    if not files or not all(file.is_file() for file in files):
        raise FatalError(f"{place}: no export is there; name a .json, .jsonl or .csv file, or a folder of them")
    found: dict[str, Asked] = {}
    for file in files:
        for asked in _read(file, path_attribute):
            found.setdefault(asked.conversation_id, asked)
    if not found:
        raise FatalError(f"{place}: no customer wrote anything there")
    return list(found.values())


def _read(file: Path, path_attribute: str) -> Iterator[Asked]:
    try:
        text = file.read_text(encoding="utf-8-sig")
        if file.suffix == ".csv":
            yield from _rows(csv.DictReader(text.splitlines(keepends=True)), file)
            return
        items: Iterable[Any]
        if file.suffix == ".json":
            items = _items(json.loads(text))
        else:
            items = (json.loads(line) for line in text.splitlines() if line.strip())
        for number, item in enumerate(items, start=1):
            if not isinstance(item, Mapping):
                raise FatalError(f"{file}: item {number} is no conversation")
            asked = _conversation(item, path_attribute)
            if asked is not None:
                yield asked
    except (OSError, ValueError, csv.Error) as error:
        raise FatalError(f"{file}: cannot be read as an export ({type(error).__name__})") from error


def _items(data: Any) -> Iterable[Any]:
    """A list, the API's page, or one conversation."""
    if isinstance(data, list):
        return data
    for member in ("conversations", "data"):
        if isinstance(data, Mapping) and isinstance(data.get(member), list):
            found: list[Any] = data[member]
            return found
    return [data]


def _conversation(item: Mapping[str, Any], path_attribute: str) -> Asked | None:
    source = item.get("source") or {}
    parts = (item.get("conversation_parts") or {}).get("conversation_parts") or []
    texts: list[str] = []
    for part in (source, *parts):
        author = (part.get("author") or {}).get("type")
        body = plain(part.get("body"))
        if author in CUSTOMERS and body:
            texts.append(body)
        if len(texts) == _MAX_MESSAGES or sum(len(text.split()) for text in texts) >= _ENOUGH_WORDS:
            break
    if not texts:
        return None
    attributes = item.get("custom_attributes") or {}
    team = item.get("team_assignee_id")
    return Asked(
        conversation_id=str(item.get("id", "")),
        text="\n".join(texts)[:_MAX_CHARS],
        created_at=_moment(item.get("created_at")),
        path=attributes.get(path_attribute) or None,
        team=str(team) if team else None,
    )


def _rows(rows: csv.DictReader[str], file: Path) -> Iterator[Asked]:
    """One conversation a row, or one message a row: then the first of each counts."""
    names = {name.strip().lower().replace(" ", "_"): name for name in rows.fieldnames or ()}
    text = next((names[name] for name in _TEXT_COLUMNS if name in names), None)
    if text is None:
        raise FatalError(f"{file}: has none of the columns {', '.join(_TEXT_COLUMNS)}; rename the one with the text")
    time = next((names[name] for name in _TIME_COLUMNS if name in names), None)
    key = next((names[name] for name in _ID_COLUMNS if name in names), None)
    author = next((names[name] for name in ("author_type", "author") if name in names), None)
    for number, row in enumerate(rows):
        body = plain(row[text])
        if body and (author is None or (row[author] or "").strip().lower() in CUSTOMERS):
            moment = _moment(row[time]) if time else None
            yield Asked(row[key] if key else f"{file.name}:{number}", body[:_MAX_CHARS], moment)


def plain(body: str | None) -> str:
    """The text of a body, which older versions of the API give as HTML."""
    broken = _ENDS.sub("\n", body or "")
    lines = (" ".join(line.split()) for line in html.unescape(_TAG.sub(" ", broken)).splitlines())
    return "\n".join(line for line in lines if line)


def _moment(value: Any) -> datetime | None:
    """Seconds since 1970, as the API writes them, or an ISO date."""
    try:
        if isinstance(value, (int, float)) or str(value).isdigit():
            return datetime.fromtimestamp(float(value), UTC)
        found = datetime.fromisoformat(str(value))
    except (ValueError, OverflowError, OSError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
