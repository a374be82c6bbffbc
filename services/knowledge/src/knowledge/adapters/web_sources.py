"""Help centres: the pages of a sitemap, and the entries of an RSS or Atom feed."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from datetime import datetime
from typing import Final
from urllib.parse import urljoin
from xml.etree.ElementTree import Element

from floodgate.catalogue import KnowledgeSource

from knowledge.adapters.html import html_to_text
from knowledge.adapters.web import MAX_LIST_BYTES, PageRefusedError, Web
from knowledge.adapters.xml import moment, parse_xml
from knowledge.domain.documents import Document, Refused, allowed
from knowledge.ports_sources import SourceError

_MAX_SITEMAPS: Final = 50
_GZIP: Final = b"\x1f\x8b"
_WHOLE_TEXT_WORDS: Final = 40
"""An entry with fewer is a teaser: its page is read."""


class SitemapSource:
    """See `Reader`: the pages that a sitemap, or an index of sitemaps, names."""

    def __init__(self, web: Web) -> None:
        self._web = web

    def read(self, source: KnowledgeSource) -> Iterator[Document | Refused]:
        """See `Reader.read`."""
        read = 0
        for address, updated_at in self._addresses(source):
            if allowed(source, address):
                read += 1
                if read > source.max_documents:
                    yield Refused(key=address, reason=f"more than {source.max_documents} documents")
                    continue
            yield _page(self._web, source, address, updated_at)

    def _addresses(self, source: KnowledgeSource) -> Iterator[tuple[str, datetime | None]]:
        waiting, seen = [source.location], set[str]()
        while waiting and len(seen) < _MAX_SITEMAPS:
            address = waiting.pop(0)
            seen.add(address)
            page = self._web.listing(source, address)
            root = parse_xml(address, _unpacked(address, page.body))
            for entry in root:
                place = urljoin(page.address, _text(entry, "loc"))
                if entry.tag == "sitemap" and place not in seen:
                    waiting.append(place)
                elif entry.tag == "url" and place not in seen:
                    seen_at = moment(_text(entry, "lastmod"))
                    yield place, seen_at
        if waiting:
            raise SourceError(f"{source.location} leads to more than {_MAX_SITEMAPS} sitemaps: declare one of them")


class FeedSource:
    """See `Reader`: the entries of a feed; of those that only tease, the page."""

    def __init__(self, web: Web) -> None:
        self._web = web

    def read(self, source: KnowledgeSource) -> Iterator[Document | Refused]:
        """See `Reader.read`."""
        page = self._web.listing(source, source.location)
        root = parse_xml(source.location, page.body)
        entries = [*root.iter("item"), *root.iter("entry")]
        if not entries and root.tag not in {"rss", "feed", "RDF"}:
            raise SourceError(f"{source.location} is neither RSS nor Atom")
        for entry in entries:
            yield self._one(source, page.address, entry)

    def _one(self, source: KnowledgeSource, base: str, entry: Element) -> Document | Refused:
        address = urljoin(base, _link(entry))
        if not allowed(source, address):
            return Refused(key=address, reason="not on the list")
        updated_at = moment(
            next(filter(None, (_text(entry, n) for n in ("updated", "pubDate", "date", "published"))), None)
        )
        content = _first(entry, "encoded", "content", "description", "summary")
        _, text = html_to_text(content)
        if len(text.split()) < _WHOLE_TEXT_WORDS:
            return _page(self._web, source, address, updated_at)
        _, title = html_to_text(_text(entry, "title"))
        return Document(key=address, title=title or address, text=text, updated_at=updated_at)


def _page(web: Web, source: KnowledgeSource, address: str, updated_at: datetime | None) -> Document | Refused:
    try:
        page = web.page(source, address)
    except PageRefusedError as error:
        return Refused(key=address, reason=str(error))
    title, text = html_to_text(page.text)
    return Document(key=address, title=title or address, text=text, updated_at=updated_at or page.updated_at)


def _link(entry: Element) -> str:
    """RSS writes the address into `link`, Atom into an attribute of the one that is no "self" or "edit"."""
    links = entry.findall("link")
    for link in links:
        if link.get("href") and link.get("rel", "alternate") == "alternate":
            return link.get("href", "")
    return next((link.text.strip() for link in links if link.text), _text(entry, "guid"))


def _first(entry: Element, *names: str) -> str:
    """The text of the first of these that has one."""
    return next(filter(None, (_text(entry, name) for name in names)), "")


def _text(entry: Element, name: str) -> str:
    found = entry.find(name)
    return "".join(found.itertext()).strip() if found is not None else ""


def _unpacked(address: str, body: bytes) -> bytes:
    """A sitemap may be compressed; it stays within the bound when unpacked too."""
    if not body.startswith(_GZIP):
        return body
    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        unpacked = unpacker.decompress(body, MAX_LIST_BYTES)
    except zlib.error as error:
        raise SourceError(f"{address} is broken gzip") from error
    if unpacker.unconsumed_tail:
        raise SourceError(f"{address} is larger than {MAX_LIST_BYTES} bytes when unpacked")
    return unpacked
