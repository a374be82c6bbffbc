"""Where the stand-in keeps its records: in memory to answer, in SQLite to survive.

A request changes its records and saves them in one transaction without awaiting in between, so that a killed process
leaves either all of a request or nothing of it.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from floodgate_local.intercom.records import Contact, Conversation, Notification, Part
from floodgate_local.intercom.workspace import TAGS

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS contacts (id TEXT PRIMARY KEY, doc TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS conversations (id TEXT PRIMARY KEY, doc TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS parts (id INTEGER PRIMARY KEY, doc TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS tags (id TEXT PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS notifications (id TEXT PRIMARY KEY, doc TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, doc TEXT NOT NULL);
"""
_NAMES: Final = ("contacts", "conversations", "parts", "tags", "notifications", "settings")
Record = Contact | Conversation | Part | Notification
_TABLE_OF: Final[dict[type[Any], str]] = {
    Contact: "contacts",
    Conversation: "conversations",
    Part: "parts",
    Notification: "notifications",
}
_FIRST_CONVERSATION_ID: Final = 100_001
_FIRST_PART_ID: Final = 500_001


class Store:
    """All records of the workspace. Used from the event loop's thread alone; `open` before use."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._forget()

    def _forget(self) -> None:
        self.contacts: dict[str, Contact] = {}
        self.conversations: dict[str, Conversation] = {}
        self.parts: dict[str, list[Part]] = {}
        self.tags: dict[str, str] = {}
        self.notifications: dict[str, Notification] = {}
        self.settings: dict[str, Any] = {}
        self._contact_by_external_id: dict[str, str] = {}
        self._contact_by_email: dict[str, str] = {}
        self._next_conversation = _FIRST_CONVERSATION_ID
        self._next_part = _FIRST_PART_ID

    def open(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        # In WAL mode NORMAL survives the death of the process; only a power cut could undo a commit.
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.executescript(_TABLES)
        self._connection = connection
        self._load(connection)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def reset(self) -> None:
        """Forgets everything but the seeded workspace."""
        connection = self._opened()
        for name in _NAMES:
            connection.execute(f"DELETE FROM {name}")  # noqa: S608 - names are literals
        self._forget()
        self._load(connection)

    def next_conversation_id(self) -> str:
        self._next_conversation += 1
        return str(self._next_conversation - 1)

    def next_part_id(self) -> str:
        """Ids of parts and of source messages come from one sequence."""
        self._next_part += 1
        return str(self._next_part - 1)

    def find_contact(self, *, external_id: str | None = None, email: str | None = None) -> Contact | None:
        if external_id is not None:
            return self.contacts.get(self._contact_by_external_id.get(external_id, ""))
        return self.contacts.get(self._contact_by_email.get((email or "").lower(), ""))

    def find_tag(self, name: str) -> str | None:
        """The id of a tag; names ignore case."""
        wanted = name.casefold()
        return next((id_ for id_, known in self.tags.items() if known.casefold() == wanted), None)

    def save(self, records: Iterable[Record]) -> None:
        """Remembers and stores records, all or none."""
        connection = self._opened()
        rows = list(records)
        connection.execute("BEGIN")
        try:
            for record in rows:
                table = _TABLE_OF[type(record)]
                doc = json.dumps(vars(record), ensure_ascii=False)
                connection.execute(f"INSERT OR REPLACE INTO {table} VALUES (?, ?)", (record.id, doc))  # noqa: S608 - names are literals
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")
        for record in rows:
            self._remember(record)

    def delete_contact(self, contact: Contact) -> None:
        """Leaves nothing of a contact but its id."""
        by_id = {contact.id}
        self._contact_by_external_id = {k: v for k, v in self._contact_by_external_id.items() if v not in by_id}
        self._contact_by_email = {k: v for k, v in self._contact_by_email.items() if v not in by_id}
        shell = Contact(contact.id, None, contact.role, None, "", None, None, contact.created_at, deleted=True)
        self.save([shell])

    def delete_conversation(self, conversation: Conversation) -> None:
        """Forgets a conversation with its parts and the notices of it."""
        parts = [(int(part.id),) for part in self.parts.pop(conversation.id, [])]
        notices = [n.id for n in self.notifications.values() if n.conversation_id == conversation.id]
        connection = self._opened()
        connection.execute("DELETE FROM conversations WHERE id = ?", (conversation.id,))
        connection.executemany("DELETE FROM parts WHERE id = ?", parts)
        connection.executemany("DELETE FROM notifications WHERE id = ?", [(name,) for name in notices])
        del self.conversations[conversation.id]
        for name in notices:
            del self.notifications[name]

    def save_tag(self, tag_id: str, name: str) -> None:
        self._opened().execute("INSERT OR REPLACE INTO tags VALUES (?, ?)", (tag_id, name))
        self.tags[tag_id] = name

    def save_setting(self, name: str, value: Any) -> None:
        self._opened().execute("INSERT OR REPLACE INTO settings VALUES (?, ?)", (name, json.dumps(value)))
        self.settings[name] = value

    def _remember(self, record: Record) -> None:
        match record:
            case Contact():
                self.contacts[record.id] = record
                if record.external_id is not None:
                    self._contact_by_external_id[record.external_id] = record.id
                if record.email:
                    self._contact_by_email[record.email.lower()] = record.id
            case Conversation():
                self.conversations[record.id] = record
                self._next_conversation = max(self._next_conversation, int(record.id) + 1)
                self._next_part = max(self._next_part, int(record.source_id) + 1)
            case Part():
                self.parts.setdefault(record.conversation_id, []).append(record)
                self._next_part = max(self._next_part, int(record.id) + 1)
            case Notification():
                self.notifications[record.id] = record

    def _load(self, connection: sqlite3.Connection) -> None:
        kinds: tuple[type[Contact] | type[Conversation] | type[Part] | type[Notification], ...]
        kinds = (Contact, Conversation, Part, Notification)
        for kind in kinds:
            query = f"SELECT doc FROM {_TABLE_OF[kind]} ORDER BY rowid"  # noqa: S608 - names are literals
            for (doc,) in connection.execute(query):
                self._remember(kind(**json.loads(doc)))
        self.tags = dict(TAGS)
        self.tags.update(connection.execute("SELECT id, name FROM tags").fetchall())
        for name, doc in connection.execute("SELECT name, doc FROM settings"):
            self.settings[name] = json.loads(doc)

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            raise RuntimeError("the stand-in's store is not open")
        return self._connection
