"""The timeline of conversations in OpenSearch, one document an event, its id the event id."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

import httpx
from floodgate.settings import OpenSearchSettings
from keyflow.errors import FatalError, OutageError, PoisonMessageError, RetryableError

from ingest.domain.timeline import Entry, TimelineEvent, document_of, entry_from_document, in_order

INDEX: Final = "floodgate-conversations"
MAX_ENTRIES: Final = 2000
_TIMEOUT_SECONDS: Final = 10.0
# `record` is kept and given back, not searched: customer text is in no index of words.
_MAPPING: Final[Mapping[str, Any]] = {
    "settings": {"number_of_shards": 1, "auto_expand_replicas": "0-1", "refresh_interval": "1s"},
    "mappings": {
        "dynamic": False,
        "properties": {
            "event_id": {"type": "keyword"},
            "conversation_id": {"type": "keyword"},
            "type": {"type": "keyword"},
            "occurred_at": {"type": "date"},
            "position": {"type": "long"},
            "record": {"type": "object", "enabled": False},
        },
    },
}


class OpenSearchTimeline:
    """Implements `ports.Timeline`. Connects on the first call."""

    def __init__(self, settings: OpenSearchSettings, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        auth = None
        if settings.user is not None and settings.password is not None:
            auth = httpx.BasicAuth(settings.user, settings.password.get_secret_value())
        self._http = httpx.AsyncClient(
            base_url=settings.url.rstrip("/"),
            auth=auth,
            transport=transport,
            timeout=_TIMEOUT_SECONDS,
            limits=httpx.Limits(max_connections=64),
        )
        self._creating = asyncio.Lock()
        self._has_index = False

    async def aclose(self) -> None:
        await self._http.aclose()

    async def create_index(self) -> None:
        """Creates the index with its mapping unless it is there.

        Raises:
            FatalError: OpenSearch refuses the index.
            OutageError: OpenSearch cannot be reached.
        """
        if (await self._call("HEAD", f"/{INDEX}", accept=(404,))).status_code != 404:
            return
        answer = await self._call("PUT", f"/{INDEX}", body=_MAPPING, accept=(400,))
        # Another instance may have created it meanwhile.
        if answer.status_code == 400 and "resource_already_exists_exception" not in answer.text:
            raise FatalError(f"OpenSearch refuses the index {INDEX}: {_reason(answer)}")

    async def write(self, event: TimelineEvent, position: int) -> None:
        # Written to first, OpenSearch would make an index of its own, in which every word can be searched.
        async with self._creating:
            if not self._has_index:
                await self.create_index()
                self._has_index = True
        body = document_of(event, position)
        await self._call("PUT", f"/{INDEX}/_doc/{quote(str(event.event_id))}", body=body)

    async def read(self, conversation_id: str) -> list[Entry]:
        query = {
            "size": MAX_ENTRIES,
            "query": {"term": {"conversation_id": conversation_id}},
            "sort": [{"occurred_at": "asc"}],
        }
        answer = await self._call("POST", f"/{INDEX}/_search", body=query, accept=(404,))
        if answer.status_code == 404:
            return []
        return in_order([entry_from_document(hit["_source"]) for hit in answer.json()["hits"]["hits"]])

    async def known(self, event_ids: Sequence[str]) -> set[str]:
        if not event_ids:
            return set()
        answer = await self._call("POST", f"/{INDEX}/_mget?_source=false", body={"ids": list(event_ids)}, accept=(404,))
        if answer.status_code == 404:
            return set()
        return {doc["_id"] for doc in answer.json()["docs"] if doc.get("found")}

    async def newest(self, channel: str) -> datetime | None:
        """When the newest event of a channel's conversations happened; None when there is none."""
        query = {
            "size": 1,
            "query": {"prefix": {"conversation_id": f"{channel}:"}},
            "sort": [{"occurred_at": "desc"}],
            "_source": ["occurred_at"],
        }
        answer = await self._call("POST", f"/{INDEX}/_search", body=query, accept=(404,))
        hits = [] if answer.status_code == 404 else answer.json()["hits"]["hits"]
        return datetime.fromisoformat(hits[0]["_source"]["occurred_at"]) if hits else None

    async def _call(
        self, method: str, path: str, *, body: Mapping[str, Any] | None = None, accept: Sequence[int] = ()
    ) -> httpx.Response:
        with _transport_errors(f"{method} {INDEX}"):
            answer = await self._http.request(method, path, json=body)
        if answer.is_success or answer.status_code in accept:
            return answer
        raise _error_of(answer, method)


@contextmanager
def _transport_errors(call: str) -> Iterator[None]:
    try:
        yield
    except httpx.ConnectError as error:
        raise OutageError(f"OpenSearch cannot be reached ({call}): check FLOODGATE_OPENSEARCH_URL") from error
    except httpx.HTTPError as error:
        raise RetryableError(f"OpenSearch: {call}: {type(error).__name__}") from error


def _error_of(answer: httpx.Response, method: str) -> Exception:
    status = answer.status_code
    said = f"OpenSearch: {method} {INDEX}: {status} {_reason(answer)}"
    if status in (401, 403):
        return FatalError(f"{said}: check FLOODGATE_OPENSEARCH_USER and FLOODGATE_OPENSEARCH_PASSWORD")
    if status in (408, 429) or status >= 500:
        return RetryableError(said)
    return PoisonMessageError(said)


def _reason(answer: httpx.Response) -> str:
    """The type of the error only: its text may quote the document."""
    try:
        error = answer.json()["error"]
        return str(error["type"]) if isinstance(error, dict) else "error"
    except (ValueError, KeyError, TypeError):
        return "no reason given"
