"""Per-key state: a table per partition in memory, and its entries in a compacted changelog.

An entry is one line of JSON (the pending effect, if any, and when it was written), then the state as the
processor encodes it. An entry without state and effect is a tombstone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Generic, TypeVar

from keyflow.types import Effect, StateSpec

S = TypeVar("S")


@dataclass(slots=True)
class Entry(Generic[S]):
    """What is known of one key."""

    state: S | None
    effect: Effect | None
    written_ms: int


class Table(Generic[S]):
    """The keys of one partition."""

    def __init__(self, spec: StateSpec[S]) -> None:
        self._spec = spec
        self._entries: dict[str, Entry[S]] = {}

    @property
    def changelog(self) -> str:
        """The topic that keeps this table."""
        return self._spec.changelog

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: str) -> S | None:
        """The key's state, None when there is none."""
        entry = self._entries.get(key)
        return entry.state if entry else None

    def put(self, key: str, state: S | None, effect: Effect | None, now_ms: int) -> bytes | None:
        """Sets the key's state and pending effect; the changelog's bytes for it, None for a tombstone."""
        if state is None and effect is None:
            self._entries.pop(key, None)
            return None
        entry = Entry(state, effect, now_ms)
        self._entries[key] = entry
        return encode_entry(entry, self._spec)

    def restore(self, key: str, value: bytes | None) -> None:
        """Applies one changelog record.

        Raises:
            ValueError: The bytes are not an entry.
        """
        if value is None:
            self._entries.pop(key, None)
        else:
            self._entries[key] = decode_entry(value, self._spec)

    def pending(self) -> Iterator[tuple[str, Effect]]:
        """Keys whose effect was decided and has no committed result."""
        for key, entry in list(self._entries.items()):
            if entry.effect is not None:
                yield key, entry.effect

    def expired(self, now_ms: int) -> list[str]:
        """Keys that nobody wrote for longer than the table keeps them."""
        if self._spec.ttl_seconds is None:
            return []
        oldest = now_ms - int(self._spec.ttl_seconds * 1000)
        return [key for key, entry in self._entries.items() if entry.written_ms < oldest and entry.effect is None]


def encode_entry(entry: Entry[S], spec: StateSpec[S]) -> bytes:
    """The changelog's bytes of an entry."""
    meta: dict[str, Any] = {"at": entry.written_ms}
    if entry.effect is not None:
        meta["effect"] = {**asdict(entry.effect), "payload": dict(entry.effect.payload)}
    if entry.state is None:
        return json.dumps(meta).encode()
    return json.dumps(meta).encode() + b"\n" + spec.encode(entry.state)


def decode_entry(value: bytes, spec: StateSpec[S]) -> Entry[S]:
    """Reads what `encode_entry` wrote.

    Raises:
        ValueError: It is something else.
    """
    head, separator, body = value.partition(b"\n")
    meta = json.loads(head)
    effect = Effect(**meta["effect"]) if "effect" in meta else None
    return Entry(spec.decode(body) if separator else None, effect, int(meta["at"]))
