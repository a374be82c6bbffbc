"""The online store, the offline log and the declared groups, in one SQLite file."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from floodgate_local.featurestore.groups import Record, Values, format_time

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS feature_group (
    name TEXT PRIMARY KEY, definition TEXT NOT NULL, created_ns INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS online (
    group_name TEXT NOT NULL, identifier TEXT NOT NULL, event_time_ns INTEGER NOT NULL, expires_ns INTEGER,
    is_deleted INTEGER NOT NULL, record TEXT NOT NULL, PRIMARY KEY (group_name, identifier)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS offline (
    number INTEGER PRIMARY KEY AUTOINCREMENT, group_name TEXT NOT NULL, identifier TEXT NOT NULL,
    event_time_ns INTEGER NOT NULL, api_invocation_ns INTEGER NOT NULL, write_ns INTEGER NOT NULL,
    is_deleted INTEGER NOT NULL, record TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS offline_by_group ON offline (group_name, number);
"""


@dataclass(frozen=True, slots=True)
class OnlineRecord:
    """What GetRecord finds."""

    values: Values
    expires_ns: int | None


class Store:
    """All state of the server. Used from one thread at a time.

    Args:
        path: The database file.
        clock_ns: Wall clock in nanoseconds.
    """

    def __init__(self, path: Path, clock_ns: Callable[[], int] = time.time_ns) -> None:
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._clock_ns = clock_ns
        # WAL with NORMAL survives a killed process; only a power cut may lose the last writes.
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        self._db.close()

    # --- Groups ---

    def add_group(self, definition: Mapping[str, Any]) -> bool:
        """Declare a group; False when the name is taken."""
        row = (definition["FeatureGroupName"], json.dumps(definition), self._clock_ns())
        return self._db.execute("INSERT OR IGNORE INTO feature_group VALUES (?, ?, ?)", row).rowcount == 1

    def declare_group(self, definition: Mapping[str, Any]) -> None:
        """Declare a group, or declare it anew (a feature was added); its records stay."""
        self._db.execute(
            "INSERT INTO feature_group VALUES (?, ?, ?) "
            "ON CONFLICT (name) DO UPDATE SET definition = excluded.definition",
            (definition["FeatureGroupName"], json.dumps(definition), self._clock_ns()),
        )

    def group(self, name: str) -> tuple[dict[str, Any], int] | None:
        """The declaration of a group and when it was made."""
        row = self._db.execute("SELECT definition, created_ns FROM feature_group WHERE name = ?", (name,)).fetchone()
        return None if row is None else (json.loads(row[0]), row[1])

    def group_names(self) -> list[str]:
        return [row[0] for row in self._db.execute("SELECT name FROM feature_group ORDER BY name")]

    def remove_group(self, name: str) -> bool:
        """Forget a group and its online records; the offline log stays, as on AWS."""
        self._db.execute("DELETE FROM online WHERE group_name = ?", (name,))
        return self._db.execute("DELETE FROM feature_group WHERE name = ?", (name,)).rowcount == 1

    # --- Records ---

    def put_online(self, group: str, record: Record, expires_ns: int | None, *, is_deleted: bool = False) -> bool:
        """Write a record unless the online store has one of the same or a later event time."""
        row = (
            group, record.identifier, record.event_time_ns, expires_ns, is_deleted, json.dumps(record.values),
        )  # fmt: skip
        written = self._db.execute(
            "INSERT INTO online VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (group_name, identifier) DO UPDATE SET "
            "event_time_ns = excluded.event_time_ns, expires_ns = excluded.expires_ns, "
            "is_deleted = excluded.is_deleted, record = excluded.record "
            "WHERE excluded.event_time_ns > online.event_time_ns",
            row,
        )
        return written.rowcount == 1

    def append_offline(self, group: str, record: Record, *, is_deleted: bool = False) -> None:
        """Append a record to the offline log, which keeps everything."""
        now = self._clock_ns()
        row = (
            group, record.identifier, record.event_time_ns, now, now, is_deleted, json.dumps(record.values),
        )  # fmt: skip
        self._db.execute(
            "INSERT INTO offline (group_name, identifier, event_time_ns, api_invocation_ns, write_ns, is_deleted, "
            "record) VALUES (?, ?, ?, ?, ?, ?, ?)",
            row,
        )

    def get_online(self, group: str, identifier: str) -> OnlineRecord | None:
        """The latest record, unless it was deleted or has expired."""
        row = self._db.execute(
            "SELECT record, expires_ns FROM online WHERE group_name = ? AND identifier = ? AND NOT is_deleted "
            "AND (expires_ns IS NULL OR expires_ns > ?)",
            (group, identifier, self._clock_ns()),
        ).fetchone()
        return None if row is None else OnlineRecord(json.loads(row[0]), row[1])

    def online_event_time_ns(self, group: str, identifier: str) -> int | None:
        row = self._db.execute(
            "SELECT event_time_ns FROM online WHERE group_name = ? AND identifier = ?", (group, identifier)
        ).fetchone()
        return None if row is None else int(row[0])

    def erase_online(self, group: str, identifier: str) -> None:
        """Remove a record without a trace (HardDelete)."""
        self._db.execute("DELETE FROM online WHERE group_name = ? AND identifier = ?", (group, identifier))

    def list_online(self, group: str, after: str, limit: int, *, with_deleted: bool) -> list[str]:
        """Record identifiers in order, beginning after one."""
        rows = self._db.execute(
            "SELECT identifier FROM online WHERE group_name = ? AND identifier > ? AND (? OR NOT is_deleted) "
            "AND (expires_ns IS NULL OR expires_ns > ?) ORDER BY identifier LIMIT ?",
            (group, after, with_deleted, self._clock_ns(), limit),
        )
        return [row[0] for row in rows]

    def offline_rows(self, group: str, after: int, limit: int) -> list[dict[str, Any]]:
        """The offline log with the columns that SageMaker adds, beginning after a row's number."""
        rows: Sequence[Any] = self._db.execute(
            "SELECT number, record, event_time_ns, api_invocation_ns, write_ns, is_deleted FROM offline "
            "WHERE group_name = ? AND number > ? ORDER BY number LIMIT ?",
            (group, after, limit),
        ).fetchall()
        return [
            {
                "number": number,
                "record": json.loads(record),
                "event_time": format_time(event_ns),
                "api_invocation_time": format_time(invoked_ns),
                "write_time": format_time(write_ns),
                "is_deleted": bool(is_deleted),
            }
            for number, record, event_ns, invoked_ns, write_ns, is_deleted in rows
        ]

    def counts(self) -> dict[str, dict[str, int]]:
        """Online and offline records per group."""
        counts = {name: {"online": 0, "offline": 0} for name in self.group_names()}
        for where in ("online", "offline"):
            query = f"SELECT group_name, COUNT(*) FROM {where} GROUP BY group_name"  # noqa: S608 - two fixed names
            for name, count in self._db.execute(query):
                counts.setdefault(name, {"online": 0, "offline": 0})[where] = count
        return counts
