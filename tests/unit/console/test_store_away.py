"""What operators see while OpenSearch is away, or holds what another version wrote."""

from __future__ import annotations

import httpx
import pytest
from console.adapters.opensearch_projection import OpenSearchProjection
from console.adapters.opensearch_syncs import OpenSearchSyncs
from console.domain.documents import VERSION, mapping
from floodgate.settings import OpenSearchSettings
from support.console_in_memory import LETTER, app, ask

PAGES = ("/", "/conversations", "/firewall", "/agent", "/summaries", "/knowledge", "/impact", "/dead-letters")


def projection(answer: httpx.Response | Exception) -> OpenSearchProjection:
    """One over an OpenSearch that always answers so."""

    def handle(_: httpx.Request) -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        return answer

    return OpenSearchProjection(
        OpenSearchSettings(url="http://opensearch.test"), "console", transport=httpx.MockTransport(handle)
    )


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (httpx.ConnectError("refused"), "OpenSearch cannot be reached"),
        (httpx.ReadTimeout("slow"), "ReadTimeout"),
        (httpx.Response(503, text="<html>a proxy's page</html>"), "503"),
        (httpx.Response(401, json={"error": {"type": "security_exception"}}), "FLOODGATE_OPENSEARCH_PASSWORD"),
    ],
)
def test_every_page_says_in_one_sentence_what_is_wrong(answer: httpx.Response | Exception, said: str) -> None:
    application = app("x", projection(answer))
    pages = ask(application, *(("GET", path, None) for path in (*PAGES, f"/dead-letter?id={LETTER}")))
    for page in pages:
        assert page.status_code == 503, page.request.url
        assert "Not available just now" in page.text
        assert said in page.text
        assert "Traceback" not in page.text


def test_pages_say_that_the_projection_is_of_another_version() -> None:
    [page] = ask(app("x"), ("GET", "/", None))
    assert "floodgate console rebuild" in page.text


@pytest.mark.parametrize(("meta", "version"), [({}, 0), ({"_meta": mapping()["mappings"]["_meta"]}, VERSION)])
async def test_an_index_tells_its_version(meta: dict[str, object], version: int) -> None:
    found = projection(httpx.Response(200, json={"console-000001": {"mappings": meta}}))
    assert await found.version("console-000001") == version


async def test_before_the_first_sync_there_are_no_notes() -> None:
    missing = httpx.Response(404, json={"error": {"type": "index_not_found_exception"}})
    assert await OpenSearchSyncs(projection(missing), "syncs").read() == {}
