"""The timeline of conversations in OpenSearch, one document an event, its id the event id."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

import httpx
from floodgate.opensearch_http import OpenSearchHttp, reason_of
from floodgate.settings import OpenSearchSettings
from keyflow.errors import FatalError

from ingest.domain.timeline import Entry, TimelineEvent, document_of, entry_from_document, in_order

INDEX: Final = "floodgate-conversations"
MAX_ENTRIES: Final = 2000
_TIMEOUT_SECONDS: Final = 10.0
_CONNECTIONS: Final = 64
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
        self._http = OpenSearchHttp(
            settings, timeout_seconds=_TIMEOUT_SECONDS, connections=_CONNECTIONS, transport=transport
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
        if (await self._http.call("HEAD", f"/{INDEX}", accept=(404,))).status_code != 404:
            return
        answer = await self._http.call("PUT", f"/{INDEX}", body=_MAPPING, accept=(400,))
        # Another instance may have created it meanwhile.
        if answer.status_code == 400 and "resource_already_exists_exception" not in answer.text:
            raise FatalError(f"OpenSearch refuses the index {INDEX}: {reason_of(answer)}")

    async def write(self, event: TimelineEvent, position: int) -> None:
        # Written to first, OpenSearch would make an index of its own, in which every word can be searched.
        async with self._creating:
            if not self._has_index:
                await self.create_index()
                self._has_index = True
        body = document_of(event, position)
        await self._http.call("PUT", f"/{INDEX}/_doc/{quote(str(event.event_id))}", body=body)

    async def read(self, conversation_id: str) -> list[Entry]:
        query = {
            "size": MAX_ENTRIES,
            "query": {"term": {"conversation_id": conversation_id}},
            "sort": [{"occurred_at": "asc"}],
        }
        answer = await self._http.call("POST", f"/{INDEX}/_search", body=query, accept=(404,))
        if answer.status_code == 404:
            return []
        return in_order([entry_from_document(hit["_source"]) for hit in answer.json()["hits"]["hits"]])

    async def known(self, event_ids: Sequence[str]) -> set[str]:
        if not event_ids:
            return set()
        answer = await self._http.call(
            "POST", f"/{INDEX}/_mget?_source=false", body={"ids": list(event_ids)}, accept=(404,)
        )
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
        answer = await self._http.call("POST", f"/{INDEX}/_search", body=query, accept=(404,))
        hits = [] if answer.status_code == 404 else answer.json()["hits"]["hits"]
        return datetime.fromisoformat(hits[0]["_source"]["occurred_at"]) if hits else None
