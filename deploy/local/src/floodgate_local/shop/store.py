"""The shop's SQLite file: its tables, and how a change is done once per idempotency key."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from floodgate_local.shop.errors import ShopError

Clock = Callable[[], datetime]
Row = sqlite3.Row

_TABLES: Final = """
CREATE TABLE customers (
  contact_id TEXT PRIMARY KEY, name TEXT NOT NULL, email TEXT NOT NULL UNIQUE, language TEXT NOT NULL,
  country TEXT NOT NULL, account_status TEXT NOT NULL
);
CREATE TABLE orders (
  number TEXT PRIMARY KEY, contact_id TEXT NOT NULL REFERENCES customers, event TEXT NOT NULL,
  venue TEXT NOT NULL, event_starts_at TEXT NOT NULL, seats TEXT NOT NULL, free_seats TEXT NOT NULL,
  amount_cents INTEGER NOT NULL, refunded_cents INTEGER NOT NULL, currency TEXT NOT NULL,
  status TEXT NOT NULL, purchased_at TEXT NOT NULL, delivery_email TEXT NOT NULL,
  tickets_issued INTEGER NOT NULL, other_dates TEXT NOT NULL
);
CREATE INDEX orders_by_customer ON orders (contact_id);
CREATE TABLE subscriptions (
  id TEXT PRIMARY KEY, contact_id TEXT NOT NULL REFERENCES customers, plan TEXT NOT NULL,
  status TEXT NOT NULL, renews_at TEXT, ends_at TEXT, price_cents INTEGER NOT NULL,
  currency TEXT NOT NULL, promo_code TEXT
);
CREATE INDEX subscriptions_by_customer ON subscriptions (contact_id);
CREATE TABLE payments (
  id TEXT PRIMARY KEY, contact_id TEXT NOT NULL REFERENCES customers, order_number TEXT,
  subscription_id TEXT, amount_cents INTEGER NOT NULL, currency TEXT NOT NULL, status TEXT NOT NULL,
  paid_at TEXT NOT NULL, duplicate_of TEXT
);
CREATE INDEX payments_by_customer ON payments (contact_id);
CREATE TABLE invoices (
  number TEXT PRIMARY KEY, contact_id TEXT NOT NULL REFERENCES customers, order_number TEXT,
  subscription_id TEXT, amount_cents INTEGER NOT NULL, currency TEXT NOT NULL, issued_at TEXT NOT NULL
);
CREATE INDEX invoices_by_customer ON invoices (contact_id);
CREATE TABLE promo_codes (
  code TEXT PRIMARY KEY, percent_off INTEGER NOT NULL, valid_until TEXT NOT NULL
);
CREATE TABLE requests (
  idempotency_key TEXT PRIMARY KEY, action_id TEXT NOT NULL, fingerprint TEXT NOT NULL,
  action TEXT NOT NULL, target TEXT NOT NULL, contact_id TEXT NOT NULL, at TEXT NOT NULL,
  times_requested INTEGER NOT NULL, outcome TEXT NOT NULL, status INTEGER NOT NULL, body TEXT NOT NULL
);
-- What really happened, written by the action itself and counted against what was asked for.
CREATE TABLE effects (
  id INTEGER PRIMARY KEY, idempotency_key TEXT NOT NULL, action TEXT NOT NULL, target TEXT NOT NULL,
  at TEXT NOT NULL, detail TEXT NOT NULL
);
CREATE INDEX effects_by_key ON effects (idempotency_key);
"""
_VERSION: Final = 2


@dataclass(frozen=True)
class Change:
    """A requested change, before it is known whether it may be done."""

    action: str
    target: str
    contact_id: str
    idempotency_key: str
    arguments: Mapping[str, Any]

    def fingerprint(self) -> str:
        """What must be equal for the same key to mean the same request."""
        said = json.dumps([self.action, self.target, self.contact_id, dict(self.arguments)], sort_keys=True)
        return hashlib.sha256(said.encode()).hexdigest()


@dataclass(frozen=True)
class Answer:
    status: int
    body: dict[str, Any]
    replayed: bool


class Books:
    """What an action may read and write, inside the one transaction of its change."""

    def __init__(self, connection: sqlite3.Connection, change: Change, now: datetime) -> None:
        self._connection = connection
        self.change = change
        self.now = now

    def one(self, sql: str, *values: object) -> Row | None:
        row: Row | None = self._connection.execute(sql, values).fetchone()
        return row

    def write(self, sql: str, *values: object) -> None:
        self._connection.execute(sql, values)

    def record_effect(self, **detail: object) -> None:
        """Writes that the change took effect: once per call, so that a double would be seen."""
        change = self.change
        self.write(
            "INSERT INTO effects (idempotency_key, action, target, at, detail) VALUES (?, ?, ?, ?, ?)",
            change.idempotency_key,
            change.action,
            change.target,
            rfc3339(self.now),
            json.dumps(detail),
        )


Action = Callable[[Books], dict[str, Any]]
Seeder = Callable[[sqlite3.Connection, date], None]


class ShopStore:
    """The shop's data. One connection, used from the event loop's thread alone."""

    def __init__(self, path: Path, *, today: date | None, seeder: Seeder, clock: Clock | None = None) -> None:
        self._path = path
        self._today = today
        self._seeder = seeder
        self._clock = clock or (lambda: datetime.now(UTC))
        self._connection: sqlite3.Connection | None = None

    def open(self) -> None:
        """Opens the file, and seeds it when it is new."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        connection.row_factory = sqlite3.Row
        # In WAL mode NORMAL survives the death of the process; only a power cut could undo a commit.
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        self._connection = connection
        if connection.execute("PRAGMA user_version").fetchone()[0] != _VERSION:
            self.reset()

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def now(self) -> datetime:
        """The shop's own time: the clock's, moved to the day that was asked for."""
        now = self._clock()
        return now if self._today is None else now + (self._today - now.date())

    def reset(self) -> None:
        """Drops everything and seeds anew."""
        with self._transaction() as connection:
            tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
            for (name,) in tables:
                connection.execute(f'DROP TABLE "{name}"')
            for statement in _statements(_TABLES):
                connection.execute(statement)
            self._seeder(connection, self.now().date())
            connection.execute(f"PRAGMA user_version = {_VERSION}")

    def one(self, sql: str, *values: object) -> Row | None:
        row: Row | None = self._open_connection().execute(sql, values).fetchone()
        return row

    def all(self, sql: str, *values: object) -> list[Row]:
        return self._open_connection().execute(sql, values).fetchall()

    def do_once(self, change: Change, action: Action) -> Answer:
        """Does a change, or repeats the answer that its idempotency key had before.

        The action, its journal entry and the answer to repeat are one transaction.

        Raises:
            ShopError: The key was used for another request.
        """
        with self._transaction() as connection:
            seen = connection.execute(
                "SELECT * FROM requests WHERE idempotency_key = ?", (change.idempotency_key,)
            ).fetchone()
            if seen is not None:
                return self._repeat(connection, change, seen)
            return self._do_first(connection, change, action)

    def _repeat(self, connection: sqlite3.Connection, change: Change, seen: Row) -> Answer:
        if seen["fingerprint"] != change.fingerprint():
            raise ShopError(409, "idempotency_key_reused", "This idempotency key belongs to another request.")
        connection.execute(
            "UPDATE requests SET times_requested = times_requested + 1 WHERE idempotency_key = ?",
            (change.idempotency_key,),
        )
        return Answer(seen["status"], json.loads(seen["body"]), replayed=True)

    def _do_first(self, connection: sqlite3.Connection, change: Change, action: Action) -> Answer:
        now = self.now()
        action_id = "ACT-" + hashlib.sha256(change.idempotency_key.encode()).hexdigest()[:16]
        connection.execute("SAVEPOINT action")
        try:
            result = action(Books(connection, change, now))
        except ShopError as refusal:
            connection.execute("ROLLBACK TO action")
            status, outcome, body = refusal.status, refusal.code, refusal.body()
        else:
            status, outcome = 200, "done"
            body = {
                "action_id": action_id,
                "action": change.action,
                "target": change.target,
                "done_at": rfc3339(now),
                "result": result,
            }
        connection.execute(
            "INSERT INTO requests VALUES (?, ?, ?, ?, ?, ?, ?, 1, ?, ?, ?)",
            (
                change.idempotency_key,
                action_id,
                change.fingerprint(),
                change.action,
                change.target,
                change.contact_id,
                rfc3339(now),
                outcome,
                status,
                json.dumps(body),
            ),
        )
        return Answer(status, body, replayed=False)

    def journal(self) -> dict[str, Any]:
        """Every requested change with how often it was asked for and how often it was done."""
        actions = self.all(
            "SELECT action_id, r.idempotency_key, r.action, r.target, contact_id, r.at, times_requested,"
            " (SELECT count(*) FROM effects e WHERE e.idempotency_key = r.idempotency_key) AS times_done,"
            " outcome FROM requests r ORDER BY r.rowid"
        )
        twice = self.all(
            "SELECT action, target, count(*) AS times_done FROM effects GROUP BY action, target HAVING count(*) > 1"
        )
        rows = [dict(row) for row in actions]
        return {
            "actions": rows,
            "totals": {
                "requested": sum(row["times_requested"] for row in rows),
                "keys": len(rows),
                "done": sum(row["times_done"] for row in rows),
                "refused": sum(row["outcome"] != "done" for row in rows),
                "keys_done_twice": [row["idempotency_key"] for row in rows if row["times_done"] > 1],
                "done_twice": [dict(row) for row in twice],
            },
        }

    def _open_connection(self) -> sqlite3.Connection:
        if self._connection is None:
            raise RuntimeError("the shop's store is not open")
        return self._connection

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        connection = self._open_connection()
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")


def rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def parse_rfc3339(text: str) -> datetime:
    return datetime.fromisoformat(text)


def days_before(text: str, days: int) -> str:
    return rfc3339(parse_rfc3339(text) - timedelta(days=days))


def _statements(script: str) -> list[str]:
    without_comments = "\n".join(line for line in script.splitlines() if not line.startswith("--"))
    return [statement for statement in without_comments.split(";") if statement.strip()]
