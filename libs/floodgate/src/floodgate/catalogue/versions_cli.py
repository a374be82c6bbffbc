"""`floodgate catalogue diff | publish | rollback | versions | show`."""

from __future__ import annotations

import getpass
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from keyflow.errors import FatalError
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from floodgate.catalogue.audit import kafka_is_set_up, write_audit
from floodgate.catalogue.diff import Change, compare
from floodgate.catalogue.loader import load_files
from floodgate.catalogue.location import open_blobs
from floodgate.catalogue.models import Catalogue
from floodgate.catalogue.published import Activation, Manifest, Pointer, PublishedCatalogue
from floodgate.catalogue.publishing import Publisher, Released, service_refusals
from floodgate.catalogue.source import read_files
from floodgate.settings import CatalogueSettings, load

_NO_STORE: Final = (
    "there is no store for published versions: set FLOODGATE_CATALOGUE_STORE (s3://bucket/catalogue, or a folder) "
    "or name one with --store"
)

Store = Annotated[
    str, typer.Option("--store", help="s3://bucket/prefix or a folder.  [default: FLOODGATE_CATALOGUE_STORE]")
]
Directory = Annotated[
    Path | None, typer.Option("--dir", help="The working folder.  [default: FLOODGATE_CATALOGUE_DIR, else catalogue]")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def diff(
    before: Annotated[str, typer.Argument(metavar="[A]", help="Version or folder.  [default: what is active]")] = "",
    after: Annotated[str, typer.Argument(metavar="[B]", help="Version or folder.  [default: the working folder]")] = "",
    *,
    store: Store = "",
    directory: Directory = None,
    as_json: AsJson = False,
) -> None:
    """Say what changes from version A to version B; what needs care is marked."""
    settings = load(CatalogueSettings)
    folder = directory or settings.dir
    old = _catalogue(before, store) if before else _active(_published(store))
    new = _catalogue(after, store) if after else load_files(working_files(folder))
    changes = compare(old, new)
    if as_json:
        document = {"before": old.version, "after": new.version, "changes": [asdict(change) for change in changes]}
        typer.echo(json.dumps(document, ensure_ascii=False, indent=2))
    else:
        _print_changes(changes, f"{old.version} → {new.version}")


def publish(
    *,
    reason: Annotated[str, typer.Option(help="Why; kept in the history and in the audit.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check it and say what would change.")] = False,
    store: Store = "",
    directory: Directory = None,
    as_json: AsJson = False,
) -> None:
    """Check the working folder and make it the active version; running services take it over within seconds."""
    published = _published(store)
    files = working_files(directory or load(CatalogueSettings).dir)
    publisher = _publisher(published)
    if dry_run:
        changes = publisher.preview(files)
        if as_json:
            typer.echo(json.dumps({"changes": _changes_json(changes)}, ensure_ascii=False, indent=2))
        else:
            _print_changes(changes, "publishing this would change")
        return
    _tell(publisher.publish(files, reason=reason), published, "published", as_json=as_json)


def rollback(
    version: Annotated[str, typer.Argument(help="Version.  [default: the one that the active version replaced]")] = "",
    *,
    reason: Annotated[str, typer.Option(help="Why; kept in the history and in the audit.")] = "",
    store: Store = "",
    as_json: AsJson = False,
) -> None:
    """Make an earlier version the active one again."""
    published = _published(store)
    released = _publisher(published).roll_back(version or None, reason=reason)
    _tell(released, published, "rolled back", as_json=as_json)


def versions(*, store: Store = "", as_json: AsJson = False) -> None:
    """List what was published, the newest first, and which version is active."""
    published = _published(store)
    pointer, manifests = published.pointer(), published.manifests()
    active = pointer.version if pointer is not None else None
    if as_json:
        document = {
            "store": published.where,
            "active": active,
            "versions": [
                {**manifest.model_dump(mode="json", exclude={"files"}), "active": manifest.version == active}
                for manifest in manifests
            ],
            "history": [entry.model_dump(mode="json") for entry in pointer.history] if pointer is not None else [],
        }
        typer.echo(json.dumps(document, ensure_ascii=False, indent=2))
        return
    console = Console()
    console.print(_versions_table(manifests, active, published.where))
    if pointer is not None:
        console.print(f"Active: {_told(pointer.latest)}", markup=False, highlight=False)


def show(
    version: Annotated[str, typer.Argument(help='Version, or "active".')] = "active",
    *,
    file: Annotated[str, typer.Option("--file", help="Print this file of it.")] = "",
    export: Annotated[Path | None, typer.Option("--export", help="Write its files into this new folder.")] = None,
    store: Store = "",
    as_json: AsJson = False,
) -> None:
    """Show a published version: what it holds, and when it was active."""
    published = _published(store)
    pointer = published.pointer()
    wanted = _resolved(version, published, pointer)
    files = published.files(wanted)
    if file:
        if file not in files:
            raise FatalError(f"version {wanted} has no file {file}: `floodgate catalogue show {wanted}` lists them")
        typer.echo(files[file].decode("utf-8", errors="replace"), nl=False)
        return
    if export is not None:
        _export(files, export)
        typer.echo(f"{len(files)} files of version {wanted} are in {export}")
        return
    history = [entry for entry in pointer.history if entry.version == wanted] if pointer is not None else []
    document = {
        "version": wanted,
        "active": pointer is not None and pointer.version == wanted,
        "activations": [entry.model_dump(mode="json") for entry in history],
        "content": _content(load_files(files)),
        "files": sorted(files),
    }
    if as_json:
        typer.echo(json.dumps(document, ensure_ascii=False, indent=2))
        return
    _print_version(document)


def _print_version(document: Mapping[str, Any]) -> None:
    console = Console()
    console.print(f"Catalogue {document['version']}{', active' if document['active'] else ''}", style="bold")
    table = Table(show_header=False, box=None)
    for name, value in document["content"].items():
        table.add_row(name, str(value))
    console.print(table)
    for entry in document["activations"]:
        console.print(_told(Activation.model_validate(entry)), markup=False, highlight=False)
    for name in document["files"]:
        console.print(f"  {name}", markup=False, highlight=False)


def _told(entry: Activation) -> str:
    reason = f": {entry.reason}" if entry.reason else ""
    return f"{entry.version}, {entry.action} on {entry.at:%Y-%m-%d %H:%M} UTC by {entry.actor}{reason}"


def _content(catalogue: Catalogue) -> dict[str, Any]:
    levels = {category.automation.value for category in catalogue.categories}
    automation = {
        level: sum(category.automation.value == level for category in catalogue.categories) for level in sorted(levels)
    }
    return {
        "company": catalogue.company,
        "languages": ", ".join(catalogue.languages),
        "countries": ", ".join(catalogue.countries),
        "categories": len(catalogue.categories),
        "automation": ", ".join(f"{count} {level}" for level, count in automation.items()),
        "examples": sum(len(texts) for category in catalogue.categories for texts in category.examples.values()),
        "urgency rules": len(catalogue.urgency),
        "workflows": len(catalogue.workflows),
        "templates": len(catalogue.templates),
        "articles": len(catalogue.articles),
    }


def _export(files: Mapping[str, bytes], folder: Path) -> None:
    if folder.exists() and any(folder.iterdir()):
        raise FatalError(f"{folder} is not empty: name a new folder")
    for name, body in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)


def _published(store: str) -> PublishedCatalogue:
    location = store or load(CatalogueSettings).store
    if not location:
        raise FatalError(_NO_STORE)
    return PublishedCatalogue(open_blobs(location))


def _publisher(published: PublishedCatalogue) -> Publisher:
    return Publisher(
        published,
        actor=getpass.getuser(),
        now=lambda: datetime.now(UTC),
        refusals=service_refusals,
        audit=write_audit,
    )


def working_files(folder: Path) -> dict[str, bytes]:
    if not folder.is_dir():
        raise FatalError(f"{folder}: there is no such directory: set FLOODGATE_CATALOGUE_DIR or name one with --dir")
    return read_files(folder)


def _active(published: PublishedCatalogue) -> Catalogue:
    pointer = published.pointer()
    if pointer is None:
        raise FatalError(f"{published.where}: nothing is published yet: name what to compare with")
    return published.load(pointer.version)


def _catalogue(named: str, store: str) -> Catalogue:
    """A folder where there is one of that name, else a version."""
    if Path(named).is_dir():
        return load_files(working_files(Path(named)))
    published = _published(store)
    return published.load(_resolved(named, published, published.pointer()))


def _resolved(named: str, published: PublishedCatalogue, pointer: Pointer | None) -> str:
    if named != "active":
        return published.resolve(named)
    if pointer is None:
        raise FatalError(f"{published.where}: nothing is published yet")
    return pointer.version


def _tell(released: Released, published: PublishedCatalogue, what: str, *, as_json: bool) -> None:
    entry = released.activation
    if as_json:
        document = {
            **entry.model_dump(mode="json"),
            "store": published.where,
            "new": released.new,
            "changes": _changes_json(released.changes),
            "audited": kafka_is_set_up(),
        }
        typer.echo(json.dumps(document, ensure_ascii=False, indent=2))
        return
    console = Console()
    if not released.new:
        console.print(f"{entry.version} is the active version already.", style="green", highlight=False)
        return
    if released.changes is not None:
        _print_changes(released.changes, f"{entry.previous} → {entry.version}")
    console.print(f"{what}: {entry.version} is active in {published.where}.", style="green", highlight=False)
    if not kafka_is_set_up():
        console.print("No record in support.audit: Kafka is not set up here. The store keeps the history.")
    if released.changes is None or any(_is_searched(change) for change in released.changes):
        console.print("Now `floodgate knowledge sync`, so that its examples and articles are found.")


def _is_searched(change: Change) -> bool:
    """Whether the search index lags behind it."""
    told = ("example", "renamed", "removed")
    return change.area == "knowledge" or (change.area == "category" and any(word in change.text for word in told))


def _changes_json(changes: Sequence[Change] | None) -> list[dict[str, str]] | None:
    return None if changes is None else [asdict(change) for change in changes]


def _print_changes(changes: Sequence[Change] | None, title: str) -> None:
    console = Console()
    if changes is None:
        console.print("There is no version to compare with.")
        return
    if not changes:
        console.print("Nothing changes.", style="green")
        return
    table = Table("", "What", "Which", "Change", title=title, title_justify="left")
    for change in changes:
        text = escape(change.text) + (f"\n[yellow]{escape(change.care)}[/]" if change.care else "")
        table.add_row("[bold yellow]![/]" if change.care else "", change.area, escape(change.subject), text)
    console.print(table)
    careful = sum(bool(change.care) for change in changes)
    console.print(f"{len(changes)} changes, {careful} of them need care (!).", highlight=False)


def _versions_table(manifests: Sequence[Manifest], active: str | None, where: str) -> Table:
    table = Table("", "Version", "Published", "By", "Why", title=where, title_justify="left")
    for manifest in manifests:
        mark = "active" if manifest.version == active else ""
        when = f"{manifest.published_at:%Y-%m-%d %H:%M} UTC"
        table.add_row(mark, manifest.version, when, escape(manifest.actor), escape(manifest.reason))
    return table
