"""Publishing a version and going back to one: checked before, told afterwards."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import entry_points
from typing import Final

from keyflow.errors import FatalError, KeyflowError, OutageError, RetryableError

from floodgate.catalogue.diff import Change, compare
from floodgate.catalogue.loader import load_files
from floodgate.catalogue.models import Catalogue
from floodgate.catalogue.published import Activation, NoSuchVersionError, Pointer, PublishedCatalogue

SERVICES: Final = "floodgate.services"

Audit = Callable[[Activation, Mapping[str, str]], None]
"""Writes down that a version became active; may be asked twice for the same."""


class NeedsReasonError(FatalError):
    """Something needs care, and nobody said why it changes."""


@dataclass(frozen=True, slots=True)
class Released:
    """What publishing or going back did.

    Attributes:
        activation: How the version became the active one.
        changes: What is different from the version before; None where that cannot be read any more.
        new: False when it was the active version already.
    """

    activation: Activation
    changes: Sequence[Change] | None
    new: bool = True


class Publisher:
    """Publishes versions.

    Args:
        published: The store.
        actor: Who does it.
        now: Wall clock, aware.
        refusals: What keeps the services from running a catalogue.
        audit: Where it is written down.
    """

    def __init__(
        self,
        published: PublishedCatalogue,
        *,
        actor: str,
        now: Callable[[], datetime],
        refusals: Callable[[Catalogue], Sequence[str]],
        audit: Audit,
    ) -> None:
        self._published = published
        self._actor = actor
        self._now = now
        self._refusals = refusals
        self._audit = audit

    def publish(self, files: Mapping[str, bytes], *, reason: str) -> Released:
        """Make these files the active version.

        Raises:
            CatalogueError: They do not hold together.
            NeedsReasonError: Something needs care, and there is no reason.
            ConflictError: Somebody else published at the same time; nothing changed.
            KeyflowError: A service cannot run by them, or the store cannot be written.
        """
        catalogue = self._usable(files)
        pointer = self._published.pointer()
        if pointer is not None and pointer.version == catalogue.version:
            # What a failure left undone is done now: missing files, and the audit's record.
            self._published.add(files, actor=self._actor, reason=reason, at=self._now())
            self._audit(pointer.latest, {"version": catalogue.version})
            return Released(pointer.latest, [], new=False)
        changes = self._changes(pointer, catalogue)
        _require_reason(changes, reason)
        self._published.add(files, actor=self._actor, reason=reason, at=self._now())
        activation = self._published.activate(
            catalogue.version, action="publish", actor=self._actor, reason=reason, at=self._now()
        )
        return self._released(activation, changes)

    def roll_back(self, version: str | None, *, reason: str) -> Released:
        """Make an earlier version the active one; None: the one that the active version replaced.

        Raises:
            NoSuchVersionError: There is no such version, or none before.
            ConflictError: Somebody else published at the same time; nothing changed.
            KeyflowError: A service cannot run by it, or the store cannot be written.
        """
        pointer = self._published.pointer()
        if pointer is None:
            raise NoSuchVersionError(
                f"{self._published.where}: nothing is published, so there is nothing to go back to"
            )
        wanted = self._published.before(pointer) if version is None else self._published.resolve(version)
        if wanted is None:
            raise NoSuchVersionError(
                f"nothing was active before {pointer.version}: name a version (`floodgate catalogue versions`)"
            )
        if wanted == pointer.version:
            return Released(pointer.latest, [], new=False)
        catalogue = self._usable(self._published.files(wanted))
        changes = self._changes(pointer, catalogue)
        activation = self._published.activate(
            wanted, action="rollback", actor=self._actor, reason=reason, at=self._now()
        )
        return self._released(activation, changes)

    def preview(self, files: Mapping[str, bytes]) -> Sequence[Change] | None:
        """What publishing these files would change; None where nothing is published, or it cannot be read.

        Raises:
            KeyflowError: They cannot be published, or the store cannot be read.
        """
        return self._changes(self._published.pointer(), self._usable(files))

    def _usable(self, files: Mapping[str, bytes]) -> Catalogue:
        catalogue = load_files(files)
        refused = self._refusals(catalogue)
        if refused:
            raise FatalError("\n".join([f"services cannot run by catalogue {catalogue.version}:", *refused]))
        return catalogue

    def _changes(self, pointer: Pointer | None, catalogue: Catalogue) -> Sequence[Change] | None:
        if pointer is None:
            return None
        try:
            return compare(self._published.load(pointer.version), catalogue)
        except (RetryableError, OutageError):
            raise
        except KeyflowError:
            # What is active cannot be read by this Floodgate: that must not keep a good version from replacing it.
            return None

    def _released(self, activation: Activation, changes: Sequence[Change] | None) -> Released:
        details = {"version": activation.version, "previous": activation.previous or ""}
        if changes is not None:
            details |= {"changes": str(len(changes)), "with_care": str(sum(bool(change.care) for change in changes))}
        try:
            self._audit(activation, details)
        except KeyflowError as error:
            raise FatalError(
                f"{activation.version} is active now, but the audit has no record of it ({error}): "
                "`floodgate catalogue publish` of the same files writes it"
            ) from error
        return Released(activation, changes)


def _require_reason(changes: Sequence[Change] | None, reason: str) -> None:
    careful = [change for change in changes or () if change.care]
    if careful and not reason.strip():
        first = careful[0]
        more = f" and {len(careful) - 1} more" if len(careful) > 1 else ""
        raise NeedsReasonError(
            f"{first.area} {first.subject}: {first.text} ({first.care}){more} needs care: say why with --reason"
        )


def service_refusals(catalogue: Catalogue) -> list[str]:
    """What the installed services say against a catalogue: those whose bootstrap has a `check_catalogue`.

    A line for each problem, with the service in front.
    """
    found: list[str] = []
    for entry in sorted(entry_points(group=SERVICES), key=lambda entry: entry.name):
        build = entry.load()
        check = getattr(sys.modules[build.__module__], "check_catalogue", None)
        if check is None:
            continue
        try:
            check(catalogue)
        except KeyflowError as error:
            found += [f"  {entry.name}: {line.strip()}" for line in str(error).splitlines() if line.strip()]
    return found
