"""What is searched beside Kafka: each store belongs to whoever writes it, and says itself how a person leaves it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib.metadata import entry_points
from typing import Final, Protocol

from floodgate.erasing.planning import Place, Sought

STORES: Final = "floodgate.erasing"
"""Entry-point group: a function that makes a service's stores from its settings."""

OWNERS: Final = ("agent", "ingest", "summarizer")
"""Services that keep something outside of Kafka."""


class Store(Protocol):
    """A place outside of Kafka. Every call blocks and may be repeated."""

    name: str

    def look(self, sought: Sought) -> Sequence[Place]:
        """Where the person stands; one place for each line, file or index.

        Raises:
            KeyflowError: It cannot be searched now.
        """
        ...

    def erase(self, sought: Sought) -> None:
        """Removes what `look` finds and may be removed; the second time there is nothing to do.

        Raises:
            KeyflowError: Not all of it is gone; give the command again.
        """
        ...


def installed(owners: Iterable[str] = OWNERS) -> tuple[list[Store], list[str]]:
    """The stores of the services that are installed here, and the services that are not."""
    found = {entry.name: entry for entry in entry_points(group=STORES)}
    stores: list[Store] = []
    for name in sorted(found):
        stores += found[name].load()()
    return stores, [name for name in owners if name not in found]
