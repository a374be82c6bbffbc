"""Where the agent keeps a person outside of Kafka, for `floodgate erase`: the days' actions, counted for limits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from floodgate.catalogue.blobs import Blobs, ConflictError
from floodgate.catalogue.location import open_blobs
from floodgate.erasing.planning import Place, Sought
from floodgate.erasing.stores import Store
from floodgate.settings import load
from keyflow.errors import RetryableError

from agent.bootstrap import limits_location
from agent.domain.ledger import Entry, Page
from agent.settings import AgentSettings

_FOLDER: Final = "limits"
_TRIES: Final = 20


def stores() -> list[Store]:
    """The counted actions; none where nothing says where they are.

    Raises:
        FatalError: A setting is wrong.
    """
    location = limits_location(load(AgentSettings))
    return [CountedActions(lambda: open_blobs(location))] if location else []


class CountedActions:
    """Pages of actions, a page for each call and day. An entry names its user by pseudonym.

    Args:
        open_blobs: Opens the store; called with the first search.
    """

    name = "counted actions"

    def __init__(self, open_blobs: Callable[[], Blobs]) -> None:
        self._open_blobs = open_blobs

    def look(self, sought: Sought) -> Sequence[Place]:
        """One place for each page."""
        blobs = self._open_blobs()
        return [Place(f"{blobs.where}/{name}", count) for name, count in _counts(blobs, sought)]

    def erase(self, sought: Sought) -> None:
        """Takes the entries out. Today's count starts anew: the person's next action is another person's."""
        blobs = self._open_blobs()
        for name, _ in list(_counts(blobs, sought)):
            _rewrite(blobs, name, sought)


def _counts(blobs: Blobs, sought: Sought) -> Iterator[tuple[str, int]]:
    for name in blobs.names(_FOLDER):
        blob = blobs.read(name)
        page = Page() if blob is None else Page.model_validate_json(blob.body)
        count = sum(_is_theirs(entry, sought) for entry in page.entries)
        if count:
            yield name, count


def _rewrite(blobs: Blobs, name: str, sought: Sought) -> None:
    for _ in range(_TRIES):
        blob = blobs.read(name)
        if blob is None:
            return
        page = Page.model_validate_json(blob.body)
        kept = Page(entries=tuple(entry for entry in page.entries if not _is_theirs(entry, sought)))
        try:
            blobs.replace(name, kept.model_dump_json().encode(), blob.tag)
        except ConflictError:
            continue  # an agent counted an action meanwhile
        return
    raise RetryableError(f"{blobs.where}/{name} is written all the time")


def _is_theirs(entry: Entry, sought: Sought) -> bool:
    return sought.needles.within(entry.user.encode(), entry.key.encode())
