"""What a bootstrap asks for: a handler that goes with the catalogue, and the task that looks for new versions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from keyflow.types import Handler

from floodgate.catalogue.live import LiveHandler
from floodgate.catalogue.models import Catalogue
from floodgate.catalogue.opening import Opened, open_catalogue
from floodgate.catalogue.watch import CatalogueWatcher
from floodgate.settings import CatalogueSettings, load

H = TypeVar("H", bound=Handler[Any])


@dataclass(frozen=True, slots=True)
class Served(Generic[H]):
    """A catalogue in service.

    Attributes:
        catalogue: The version to begin with.
        first: The handler that was made of it.
        handler: What the engine is given: it exchanges the handlers.
        task: Looks for new versions; one of the service's tasks.
    """

    catalogue: Catalogue
    first: H
    handler: LiveHandler[Any]
    task: CatalogueWatcher[H]


def serve(service: str, make: Callable[[Catalogue], H], catalogue: Catalogue | None = None) -> Served[H]:
    """Opens the catalogue that the environment names, and makes the first handler.

    Args:
        service: Name of the service.
        make: Makes the handler of a version; called in a thread for later ones.
        catalogue: Taken in place of the environment's; there are no other versions then.

    Raises:
        FatalError: A setting is wrong, or there is no catalogue that can be used.
    """
    settings = load(CatalogueSettings)
    opened = Opened(catalogue) if catalogue is not None else open_catalogue(settings)
    first = make(opened.catalogue)
    live: LiveHandler[Any] = LiveHandler(opened.catalogue.version, first)
    task = CatalogueWatcher(
        service, live.version, opened.published, build=make, take=live.exchange, poll_seconds=settings.poll_seconds
    )
    return Served(opened.catalogue, first, live, task)
