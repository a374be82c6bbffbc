"""Help centres over HTTP, on this machine's loopback: sitemaps, feeds, robots.txt, redirects, sizes and types."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from floodgate.catalogue import KnowledgeSource, SourceKind
from knowledge.adapters.web import Web
from knowledge.adapters.web_sources import FeedSource, SitemapSource
from knowledge.domain.documents import Document, Refused
from knowledge.ports_sources import SourceError

BODY = "You can return your tickets until seven days before the event, and the money comes back to your card. " * 3


class Site:
    """Answers by path; counts what was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self.asked: list[str] = []
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.asked.append(self.path)
                status, headers, body = site.answers.get(self.path, (404, {}, b""))
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()

    def page(self, path: str, text: str = BODY, *, title: str = "A page", kind: str = "text/html", **head: str) -> str:
        html = f"<html><title>{title}</title><body><nav>menu</nav><main><p>{text}</p></main></body></html>"
        self.answers[path] = (200, {"Content-Type": kind, **head}, html.encode())
        return f"{self.url}{path}"

    def xml(self, path: str, text: str | bytes, kind: str = "application/xml") -> str:
        self.answers[path] = (200, {"Content-Type": kind}, text if isinstance(text, bytes) else text.encode())
        return f"{self.url}{path}"

    def sitemap(self, *addresses: str) -> str:
        entries = "".join(f"<url><loc>{place}</loc><lastmod>2026-10-01</lastmod></url>" for place in addresses)
        return self.xml(
            "/sitemap.xml", f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{entries}</urlset>'
        )


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    yield site
    site.server.shutdown()
    site.server.server_close()
    site.thread.join()


@pytest.fixture
def web() -> Iterator[Web]:
    web = Web(sleep=lambda _: None)
    yield web
    web.close()


def declared(location: str, kind: SourceKind = SourceKind.SITEMAP, **more: Any) -> KnowledgeSource:
    base = location.rsplit("/", 1)[0]
    more = {"allow": (f"{base}/help/",), **more}
    return KnowledgeSource(
        id="help", kind=kind, location=location, language="en", owner="x", review_by=date(2030, 1, 1), **more
    )


def read(reader: SitemapSource | FeedSource, source: KnowledgeSource) -> tuple[list[Document], dict[str, str]]:
    found = list(reader.read(source))
    kept = [item for item in found if isinstance(item, Document)]
    return kept, {item.key.rsplit("/", 1)[-1]: item.reason for item in found if isinstance(item, Refused)}


def test_the_pages_of_a_sitemap_are_read_and_cleaned(site: Site, web: Web) -> None:
    source = declared(site.sitemap(site.page("/help/refunds", title="Refunds")))
    [document], refused = read(SitemapSource(web), source)
    assert (document.title, document.text.split()[:4], refused) == ("Refunds", ["You", "can", "return", "your"], {})
    assert "menu" not in document.text
    assert document.updated_at is not None
    assert document.updated_at.date() == date(2026, 10, 1)


def test_only_what_is_on_the_list_is_asked_for(site: Site, web: Web) -> None:
    inside, outside = site.page("/help/a"), site.page("/blog/b")
    elsewhere = "https://elsewhere.example.org/help/c"
    source = declared(site.sitemap(inside, outside, elsewhere, f"{site.url}/help/../blog/d"))
    kept, refused = read(SitemapSource(web), source)
    assert [document.key for document in kept] == [inside]
    assert refused == {"b": "not on the list", "c": "not on the list", "d": "not on the list"}
    assert "/blog/b" not in site.asked
    assert "/blog/d" not in site.asked


def test_the_longest_beginning_decides_between_allow_and_deny(site: Site, web: Web) -> None:
    source = declared(
        site.sitemap(site.page("/help/a"), site.page("/help/internal/b"), site.page("/help/internal/open/c")),
        allow=(f"{site.url}/help/", f"{site.url}/help/internal/open/"),
        deny=(f"{site.url}/help/internal/",),
    )
    kept, refused = read(SitemapSource(web), source)
    assert [document.key[-1] for document in kept] == ["a", "c"]
    assert list(refused) == ["b"]


def test_no_redirect_leads_off_the_list(site: Site, web: Web) -> None:
    site.page("/blog/secret")
    site.page("/help/new")
    site.answers["/help/away"] = (302, {"Location": "/blog/secret"}, b"")
    site.answers["/help/moved"] = (301, {"Location": "/help/new"}, b"")
    site.answers["/help/loop"] = (302, {"Location": "/help/loop"}, b"")
    source = declared(site.sitemap(*(f"{site.url}/help/{name}" for name in ("away", "moved", "loop"))))
    kept, refused = read(SitemapSource(web), source)
    assert [document.key[-5:] for document in kept] == ["moved"]
    assert refused == {"away": "not on the list", "loop": "more than 3 redirects"}
    assert "/blog/secret" not in site.asked


def test_robots_txt_keeps_pages_out(site: Site, web: Web) -> None:
    site.answers["/robots.txt"] = (200, {}, b"User-agent: *\nDisallow: /help/private\nCrawl-delay: 3\n")
    source = declared(site.sitemap(site.page("/help/open"), site.page("/help/private/x")))
    kept, refused = read(SitemapSource(web), source)
    assert [document.key[-4:] for document in kept] == ["open"]
    assert refused == {"x": "robots.txt keeps it out"}
    assert site.asked.count("/robots.txt") == 1


def test_the_pause_that_robots_txt_asks_for_is_kept(site: Site) -> None:
    site.answers["/robots.txt"] = (200, {}, b"User-agent: *\nCrawl-delay: 3\n")
    pauses: list[float] = []
    web = Web(sleep=pauses.append)
    read(SitemapSource(web), declared(site.sitemap(site.page("/help/a"))))
    web.close()
    assert pauses == [3.0, 3.0]


def test_a_host_that_cannot_say_its_rules_is_not_read(site: Site, web: Web) -> None:
    site.answers["/robots.txt"] = (503, {}, b"")
    with pytest.raises(SourceError, match=r"robots\.txt answers HTTP 503"):
        read(SitemapSource(web), declared(site.sitemap(site.page("/help/a"))))


def test_size_type_and_status_are_bounds(site: Site, web: Web) -> None:
    source = declared(
        site.sitemap(
            site.page("/help/large", BODY * 100),
            site.page("/help/image", kind="image/png"),
            f"{site.url}/help/gone",
            site.page("/help/fine"),
        ),
        max_document_bytes=5_000,
    )
    kept, refused = read(SitemapSource(web), source)
    assert [document.key[-4:] for document in kept] == ["fine"]
    assert refused == {"large": "too large", "image": "content type image/png", "gone": "HTTP 404"}


def test_no_more_pages_are_read_than_declared(site: Site, web: Web) -> None:
    source = declared(site.sitemap(*(site.page(f"/help/{number}") for number in range(4))), max_documents=2)
    kept, refused = read(SitemapSource(web), source)
    assert len(kept) == 2
    assert set(refused.values()) == {"more than 2 documents"}
    assert "/help/3" not in site.asked


def test_an_index_of_packed_sitemaps_is_followed_on_its_host(site: Site, web: Web) -> None:
    page = site.page("/help/a")
    inner = f"<urlset><url><loc>{page}</loc></url></urlset>".encode()
    packed = site.xml("/one.xml.gz", gzip.compress(inner), "application/gzip")
    index = site.xml("/sitemap.xml", f"<sitemapindex><sitemap><loc>{packed}</loc></sitemap></sitemapindex>")
    kept, _ = read(SitemapSource(web), declared(index))
    assert [document.key for document in kept] == [page]
    site.xml("/sitemap.xml", "<sitemapindex><sitemap><loc>https://x.example.org/s.xml</loc></sitemap></sitemapindex>")
    with pytest.raises(SourceError, match="on another host than the declared one"):
        read(SitemapSource(web), declared(index))


def test_entities_in_xml_are_refused(site: Site, web: Web) -> None:
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><urlset><url><loc>&b;</loc></url></urlset>'
    with pytest.raises(SourceError, match="no XML that can be read"):
        read(SitemapSource(web), declared(site.xml("/sitemap.xml", bomb)))


def test_a_site_that_is_not_there_is_told_as_such(web: Web) -> None:
    with pytest.raises(SourceError, match="does not answer"):
        read(SitemapSource(web), declared("http://127.0.0.1:9/sitemap.xml"))


RSS = """<rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/"><channel>
<item><title>Whole</title><link>{site}/help/whole</link><pubDate>Thu, 01 Oct 2026 10:00:00 GMT</pubDate>
<content:encoded><![CDATA[<p>{body}</p><script>x()</script>]]></content:encoded></item>
<item><title>Teaser</title><link>{site}/help/teaser</link><description>Read more …</description></item>
<item><title>Off</title><link>{site}/blog/off</link><description>{body}</description></item>
</channel></rss>"""


def test_a_feed_gives_whole_entries_and_the_pages_of_teasers(site: Site, web: Web) -> None:
    site.page("/help/teaser", title="The page behind")
    location = site.xml("/feed", RSS.format(site=site.url, body=BODY), "application/rss+xml")
    kept, refused = read(FeedSource(web), declared(location, SourceKind.FEED))
    assert [document.title for document in kept] == ["Whole", "The page behind"]
    assert kept[0].text.startswith("You can return")
    assert "x()" not in kept[0].text
    assert kept[0].updated_at is not None
    assert kept[0].updated_at.year == 2026
    assert refused == {"off": "not on the list"}


def test_an_atom_feed_is_read_too(site: Site, web: Web) -> None:
    atom = (
        '<feed xmlns="http://www.w3.org/2005/Atom"><entry><title>T</title><link rel="self" href="/self"/>'
        f'<link href="/help/t"/><updated>2026-10-01T00:00:00Z</updated><content type="html">{BODY}</content>'
        "</entry></feed>"
    )
    location = site.xml("/atom", atom, "application/atom+xml")
    [document], _ = read(FeedSource(web), declared(location, SourceKind.FEED))
    assert (document.key, document.title) == (f"{site.url}/help/t", "T")
