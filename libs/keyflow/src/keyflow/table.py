"""Per-key state: a table per partition in memory, and its entries in a compacted changelog.

An entry is one line of JSON (the pending effect and the numbers of a parked key, if any, and when it was written),
then the state as the processor encodes it. An entry with nothing but its time is a tombstone. The state is kept as
bytes: memory stays small, a restore does not decode, and an attempt that fails cannot leave half of its changes in
the table.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Final, Generic, TypeVar

from keyflow.parking import Parked
from keyflow.types import Effect, StateSpec

S = TypeVar("S")

_EFFECT_MARK: Final = b'"effect"'
_PARKED_MARK: Final = b'"parked"'


@dataclass(slots=True)
class Entry:
    """What is known of one key."""

    state: bytes | None
    effect: Effect | None
    written_ms: int
    parked: Parked | None = None

    @property
    def empty(self) -> bool:
        """Whether there is nothing to remember."""
        return self.state is None and self.effect is None and self.parked is None


_GONE: Final = Entry(None, None, 0)


class Table(Generic[S]):
    """The keys of one partition, the one written longest ago first."""

    def __init__(self, spec: StateSpec[S]) -> None:
        self._spec = spec
        self._entries: dict[str, Entry] = {}
        self.parked_keys = 0

    @property
    def changelog(self) -> str:
        """The topic that keeps this table."""
        return self._spec.changelog

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: str) -> S | None:
        """A fresh copy of the key's state, None when there is none."""
        entry = self._entries.get(key)
        return None if entry is None or entry.state is None else self._spec.decode(entry.state)

    def raw(self, key: str) -> bytes | None:
        """The key's state as bytes."""
        entry = self._entries.get(key)
        return entry.state if entry else None

    def parked(self, key: str) -> Parked | None:
        """The numbers of a parked key."""
        entry = self._entries.get(key) if self.parked_keys else None
        return entry.parked if entry else None

    def put(self, key: str, entry: Entry) -> None:
        """Sets what is known of a key; an empty entry forgets it."""
        before = self._entries.pop(key, None)
        if before is not None and before.parked is not None:
            self.parked_keys -= 1
        if not entry.empty:
            self._entries[key] = entry
            if entry.parked is not None:
                self.parked_keys += 1

    def restore(self, key: str, value: bytes | None) -> None:
        """Applies one changelog record.

        Raises:
            ValueError: The bytes are not an entry.
        """
        self.put(key, _GONE if value is None else decode_entry(value))

    def pending(self) -> Iterator[tuple[str, Effect]]:
        """Keys whose effect was decided and has no committed result."""
        for key, entry in self._entries.items():
            if entry.effect is not None:
                yield key, entry.effect

    def expired(self, now_ms: int, most: int) -> list[str]:
        """At most so many keys that nobody wrote for longer than the table keeps them, the oldest first."""
        if self._spec.ttl_seconds is None:
            return []
        oldest = now_ms - int(self._spec.ttl_seconds * 1000)
        found: list[str] = []
        for key, entry in self._entries.items():
            if entry.written_ms >= oldest or len(found) == most:
                break
            if entry.effect is None and entry.parked is None:
                found.append(key)
        return found


def encode_entry(entry: Entry) -> bytes | None:
    """The changelog's bytes of an entry; None is a tombstone."""
    if entry.empty:
        return None
    if entry.effect is None and entry.parked is None:
        head = b'{"at": %d}' % entry.written_ms
    else:
        meta: dict[str, Any] = {"at": entry.written_ms}
        if entry.effect is not None:
            meta["effect"] = {**asdict(entry.effect), "payload": dict(entry.effect.payload)}
        if entry.parked is not None:
            meta["parked"] = [entry.parked.next, entry.parked.last]
        head = json.dumps(meta).encode()
    return head if entry.state is None else head + b"\n" + entry.state


def decode_entry(value: bytes) -> Entry:
    """Reads what `encode_entry` wrote.

    Raises:
        ValueError: It is something else.
    """
    head, separator, state = value.partition(b"\n")
    try:
        meta = json.loads(head)
        effect = Effect(**meta["effect"]) if _EFFECT_MARK in head and "effect" in meta else None
        parked = Parked(*map(int, meta["parked"])) if _PARKED_MARK in head and "parked" in meta else None
        return Entry(state if separator else None, effect, int(meta["at"]), parked)
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a changelog entry: {type(error).__name__}") from error
