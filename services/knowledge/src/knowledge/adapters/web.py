"""Reads single pages of the web: only what is on the list, allowed by robots.txt, small enough and of a known type."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import urldefrag, urljoin, urlsplit
from urllib.robotparser import RobotFileParser

import httpx
from floodgate.catalogue import KnowledgeSource
from floodgate.catalogue.checks_sources import secure

from knowledge.domain.documents import allowed
from knowledge.ports_sources import SourceError

USER_AGENT: Final = "FloodgateKnowledge"
HTML_TYPES: Final = frozenset({"text/html", "application/xhtml+xml"})
XML_TYPES: Final = frozenset(
    {"application/xml", "text/xml", "application/rss+xml", "application/atom+xml", "application/rdf+xml"}
)
MAX_LIST_BYTES: Final = 20_000_000
"""Of a feed or a sitemap."""

_MAX_ROBOTS_BYTES: Final = 500_000
_MAX_REDIRECTS: Final = 3
_PAUSE_SECONDS: Final = 0.1
_MAX_PAUSE_SECONDS: Final = 5.0
_TIMEOUT: Final = httpx.Timeout(20.0, connect=5.0)


class PageRefusedError(Exception):
    """This page is not kept; the message is the reason in a few words."""


@dataclass(frozen=True, slots=True)
class Page:
    """What was read.

    Args:
        address: Where it was found, after redirects.
        body: Its bytes, decoded if they were compressed.
        text: Its text by the declared charset.
        updated_at: What the server says of its last change.
    """

    address: str
    body: bytes
    text: str
    updated_at: datetime | None


def make_web_client() -> httpx.Client:
    """A client that follows no redirect by itself and takes no proxy or credential from the environment's netrc."""
    return httpx.Client(timeout=_TIMEOUT, headers={"User-Agent": USER_AGENT}, follow_redirects=False)


class Web:
    """One run's view of the web; robots.txt is read once per host.

    Args:
        client: Makes the HTTP client.
        sleep: Waits between two pages; what a host's robots.txt asks for, up to five seconds.
    """

    def __init__(
        self, client: Callable[[], httpx.Client] = make_web_client, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._make_client = client
        self._made: httpx.Client | None = None
        self._sleep = sleep
        self._robots: dict[str, RobotFileParser] = {}

    def listing(self, source: KnowledgeSource, address: str) -> Page:
        """A feed or sitemap; the declared one may lie off the list, further ones may not.

        Raises:
            SourceError: It cannot be read.
        """
        try:
            declared = address == source.location
            if not declared and not self._same_host(source.location, address):
                raise PageRefusedError("on another host than the declared one")
            return self._get(
                address,
                lambda found: allowed(source, found) or self._same_host(source.location, found),
                types=XML_TYPES | {"application/gzip", "application/x-gzip", "application/octet-stream"},
                max_bytes=MAX_LIST_BYTES,
            )
        except PageRefusedError as error:
            raise SourceError(f"{address}: {error}") from error

    def page(self, source: KnowledgeSource, address: str) -> Page:
        """A page of the list.

        Raises:
            PageRefusedError: It is not to be kept.
            SourceError: Its host does not answer.
        """
        return self._get(
            urldefrag(address).url,
            lambda found: allowed(source, found),
            types=HTML_TYPES,
            max_bytes=source.max_document_bytes,
        )

    def close(self) -> None:
        """Close the connections."""
        if self._made is not None:
            self._made.close()
            self._made = None

    @staticmethod
    def _same_host(one: str, other: str) -> bool:
        first, second = urlsplit(one), urlsplit(other)
        return (first.scheme, first.netloc) == (second.scheme, second.netloc)

    def _get(self, address: str, allow: Callable[[str], bool], *, types: Collection[str], max_bytes: int) -> Page:
        """Follows redirects by hand, for each stop has to be on the list."""
        for _ in range(_MAX_REDIRECTS + 1):
            if not secure(address) or not allow(address):
                raise PageRefusedError("not on the list")
            robots = self._robots_of(address)
            if not robots.can_fetch(USER_AGENT, address):
                raise PageRefusedError("robots.txt keeps it out")
            delay = float(robots.crawl_delay(USER_AGENT) or _PAUSE_SECONDS)
            self._sleep(min(delay, _MAX_PAUSE_SECONDS))
            answer, body = self._fetch(address, max_bytes)
            if answer.is_redirect:
                address = urldefrag(urljoin(address, answer.headers.get("location", ""))).url
                continue
            if answer.status_code != httpx.codes.OK:
                raise PageRefusedError(f"HTTP {answer.status_code}")
            kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
            if kind not in types:
                raise PageRefusedError(f"content type {kind or 'missing'}")
            return Page(address, body, _decoded(answer, body), _modified(answer))
        raise PageRefusedError(f"more than {_MAX_REDIRECTS} redirects")

    def _fetch(self, address: str, max_bytes: int) -> tuple[httpx.Response, bytes]:
        try:
            with self._client.stream("GET", address) as answer:
                body = bytearray()
                for piece in answer.iter_bytes():
                    body += piece
                    if len(body) > max_bytes:
                        raise PageRefusedError("too large")
                return answer, bytes(body)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise SourceError(f"{urlsplit(address).netloc} does not answer ({type(error).__name__})") from error

    def _robots_of(self, address: str) -> RobotFileParser:
        """The rules of a host. None there: all is allowed; a host that cannot say them is not read today."""
        parts = urlsplit(address)
        origin = f"{parts.scheme}://{parts.netloc}"
        if origin not in self._robots:
            try:
                answer, body = self._fetch(f"{origin}/robots.txt", _MAX_ROBOTS_BYTES)
            except PageRefusedError as error:
                raise SourceError(f"{origin}/robots.txt is too large") from error
            if answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
                raise SourceError(f"{origin}/robots.txt answers HTTP {answer.status_code}")
            rules = RobotFileParser()
            rules.parse(body.decode("utf-8", "replace").splitlines() if answer.status_code == httpx.codes.OK else [])
            self._robots[origin] = rules
        return self._robots[origin]

    @property
    def _client(self) -> httpx.Client:
        if self._made is None:
            self._made = self._make_client()
        return self._made


def _decoded(answer: httpx.Response, body: bytes) -> str:
    try:
        return body.decode(answer.charset_encoding or "utf-8", "replace")
    except LookupError:
        return body.decode("utf-8", "replace")


def _modified(answer: httpx.Response) -> datetime | None:
    try:
        return parsedate_to_datetime(answer.headers["last-modified"])
    except (KeyError, ValueError):
        return None
