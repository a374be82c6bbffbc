"""A Confluence space export: the zip of either kind (HTML or XML), or the folder or `entities.xml` in it."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Final
from xml.etree.ElementTree import Element

from floodgate.catalogue import KnowledgeSource

from knowledge.adapters.html import html_to_text
from knowledge.adapters.xml import parse_xml
from knowledge.domain.documents import Document, Refused, allowed
from knowledge.ports_sources import SourceError

ENTITIES: Final = "entities.xml"
_MAX_ENTITIES_BYTES: Final = 200_000_000
_MAIN: Final = "#main-content, .wiki-content"
_SPACE: Final = re.compile(r"^[^:]{1,80} : ")
_UPDATED: Final = re.compile(r"(?:last (?:updated|modified)|created)[^<]*?on ([A-Z][a-z]{2} \d{1,2}, \d{4})", re.DOTALL)
_OVERVIEW: Final = "index.html"


class ConfluenceSource:
    """See `Reader`: the current pages of a space; drafts, old versions and the overview stay out."""

    def read(self, source: KnowledgeSource) -> Iterator[Document | Refused]:
        """See `Reader.read`."""
        path = Path(source.location)
        if path.is_dir():
            yield from self._folder(source, path)
        elif zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                yield from self._archive(source, archive)
        elif path.is_file() and path.suffix == ".xml":
            yield from self._entities(source, path.read_bytes())
        else:
            raise SourceError(f"{path} is no space export (zip, folder or {ENTITIES}): correct `location`")

    def _archive(self, source: KnowledgeSource, archive: zipfile.ZipFile) -> Iterator[Document | Refused]:
        sizes = {info.filename: info.file_size for info in archive.infolist() if not info.is_dir()}
        if ENTITIES in sizes:
            if sizes[ENTITIES] > _MAX_ENTITIES_BYTES:
                raise SourceError(f"{ENTITIES} has more than {_MAX_ENTITIES_BYTES} bytes: export fewer pages")
            yield from self._entities(source, archive.read(ENTITIES))
            return
        for name in sorted(sizes):
            if _is_page(name):
                yield self._page(source, name, sizes[name], partial(archive.read, name))

    def _folder(self, source: KnowledgeSource, folder: Path) -> Iterator[Document | Refused]:
        entities = folder / ENTITIES
        if entities.is_file():
            yield from self._entities(source, entities.read_bytes())
            return
        for path in sorted(folder.rglob("*.html")):
            name = path.relative_to(folder).as_posix()
            if _is_page(name):
                yield self._page(source, name, path.stat().st_size, path.read_bytes)

    def _page(self, source: KnowledgeSource, name: str, size: int, read: Callable[[], bytes]) -> Document | Refused:
        if not allowed(source, name):
            return Refused(key=name, reason="not on the list")
        if size > source.max_document_bytes:
            return Refused(key=name, reason="too large")
        html = read().decode("utf-8", "replace")
        title, text = html_to_text(html, main=_MAIN)
        updated = _UPDATED.search(html)
        return Document(
            key=name,
            title=_SPACE.sub("", title) or PurePosixPath(name).stem,
            text=text,
            updated_at=datetime.strptime(updated[1], "%b %d, %Y").replace(tzinfo=UTC) if updated else None,
        )

    def _entities(self, source: KnowledgeSource, raw: bytes) -> Iterator[Document | Refused]:
        objects = list(parse_xml(ENTITIES, raw).iter("object"))
        bodies = {
            _reference(entry, "content"): _property(entry, "body")
            for entry in objects
            if entry.get("class") == "BodyContent"
        }
        for entry in objects:
            if entry.get("class") == "Page" and _is_current(entry):
                yield self._entity(source, entry, bodies)

    def _entity(self, source: KnowledgeSource, entry: Element, bodies: Mapping[str, str]) -> Document | Refused:
        number, title = _id(entry), _property(entry, "title")
        key = f"{title}_{number}"
        if not allowed(source, title):
            return Refused(key=key, reason="not on the list")
        body = bodies.get(number, "")
        if len(body.encode()) > source.max_document_bytes:
            return Refused(key=key, reason="too large")
        _, text = html_to_text(body)
        return Document(key=key, title=title, text=text, updated_at=_changed(_property(entry, "lastModificationDate")))


def _is_page(name: str) -> bool:
    path = PurePosixPath(name)
    return path.suffix == ".html" and path.name != _OVERVIEW and ".." not in path.parts


def _is_current(entry: Element) -> bool:
    status = _property(entry, "contentStatus")
    return status in {"", "current"} and not _reference(entry, "originalVersion")


def _id(entry: Element) -> str:
    found = entry.find("id")
    return (found.text or "").strip() if found is not None else ""


def _property(entry: Element, name: str) -> str:
    found = next((item for item in entry.findall("property") if item.get("name") == name), None)
    return (found.text or "").strip() if found is not None else ""


def _reference(entry: Element, name: str) -> str:
    """The id of the object that a property refers to; empty without one."""
    found = next((item for item in entry.findall("property") if item.get("name") == name), None)
    return _id(found) if found is not None else ""


def _changed(written: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(written)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
