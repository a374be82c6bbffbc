"""The catalogue that a service begins with: the active published version or, without a store, the directory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from keyflow.errors import FatalError, KeyflowError, OutageError, RetryableError

from floodgate.catalogue.loader import load_catalogue
from floodgate.catalogue.location import open_blobs
from floodgate.catalogue.models import Catalogue
from floodgate.catalogue.published import PublishedCatalogue
from floodgate.settings import CatalogueSettings
from floodgate.telemetry import counter, get_logger, one_line

log = get_logger(__name__)

REJECTED = counter(
    "floodgate_catalogue_rejected_total", "Published versions of the catalogue that could not be used.", ("service",)
)


@dataclass(frozen=True, slots=True)
class Opened:
    """A catalogue to begin with.

    Attributes:
        published: Where following versions come from; None when there will be none.
    """

    catalogue: Catalogue
    published: PublishedCatalogue | None = None


def open_catalogue(settings: CatalogueSettings) -> Opened:
    """The catalogue that the settings name.

    With a store, a service runs what was published and nothing else: when the store cannot be asked it does not
    start, for a directory may hold a version that was rolled back. Before anything was published, and without a
    store, it is the directory's.

    Raises:
        FatalError: There is none that can be used.
    """
    if not settings.store:
        return Opened(load_catalogue(settings.dir))
    published = PublishedCatalogue(open_blobs(settings.store))
    try:
        found = last_good(published)
    except (RetryableError, OutageError) as error:
        raise FatalError(f"catalogue: {error}; the active version is known there alone") from error
    if found is None:
        log.warning("catalogue.nothing_published", store=published.where, directory=str(settings.dir))
        return Opened(load_catalogue(settings.dir), published)
    return Opened(found, published)


def active_version(settings: CatalogueSettings) -> Callable[[], str | None]:
    """Asks the store that the settings name for the active version; None where nothing is published, or no store."""
    if not settings.store:
        return lambda: None
    published = PublishedCatalogue(open_blobs(settings.store))

    def ask() -> str | None:
        pointer = published.pointer()
        return pointer.version if pointer else None

    return ask


def last_good(published: PublishedCatalogue) -> Catalogue | None:
    """The active version or, where it cannot be used here, the newest before it that can; None: nothing published.

    Raises:
        FatalError: None of those that were ever active can be used.
        KeyflowError: The store cannot be read.
    """
    pointer = published.pointer()
    if pointer is None:
        return None
    for version in dict.fromkeys(entry.version for entry in pointer.history):
        try:
            return published.load(version)
        except (RetryableError, OutageError):
            raise
        except KeyflowError as error:
            log.error("catalogue.rejected", version=version, reason=one_line(error))
    raise FatalError(
        f"catalogue: no version in {published.where} can be used: publish one that `catalogue lint` passes"
    )
