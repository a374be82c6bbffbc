"""The projection in OpenSearch: one alias, one index behind it, one document a record, its id the event id."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import httpx
from floodgate.opensearch_http import OpenSearchHttp, reason_of
from floodgate.settings import OpenSearchSettings
from keyflow.errors import FatalError, RetryableError

from console.domain.documents import Document, mapping

_TIMEOUT_SECONDS: Final = 20.0
_CONNECTIONS: Final = 32
_OFFSETS_ID: Final = "offsets"
_MISSING: Final = 404

Offsets = dict[str, dict[str, int]]
"""Next offset by topic and partition."""


class OpenSearchProjection:
    """Reads and writes the projection. Connects on the first call.

    Args:
        settings: Where OpenSearch is.
        alias: Name under which the current index is found.
        transport: Takes the place of the network.

    Attributes:
        call: One request, for what the methods here do not ask (`OpenSearchHttp.call`).
    """

    def __init__(
        self, settings: OpenSearchSettings, alias: str, *, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self.alias = alias
        self._http = OpenSearchHttp(
            settings,
            timeout_seconds=_TIMEOUT_SECONDS,
            connections=_CONNECTIONS,
            refused=RetryableError,
            transport=transport,
        )
        self.call = self._http.call

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._http.aclose()

    async def current(self) -> str | None:
        """The index behind the alias; None before the first one."""
        answer = await self.call("GET", f"/_alias/{self.alias}", accept=(_MISSING,))
        if answer.status_code == _MISSING:
            return None
        names: list[str] = sorted(answer.json())
        return names[-1]

    async def ensure(self) -> str:
        """The current index, made where there is none."""
        index = await self.current()
        if index is None:
            index = f"{self.alias}-000001"
            await self.create(index)
            await self.swap(index)
        return index

    async def create(self, index: str) -> None:
        """Makes an index; one that another process made meanwhile is as good."""
        answer = await self.call("PUT", f"/{index}", body=mapping(), accept=(400,))
        if answer.status_code == 400 and "resource_already_exists_exception" not in answer.text:
            raise FatalError(f"OpenSearch refuses the index {index}: {reason_of(answer)}")

    async def version(self, index: str) -> int:
        """The version of the documents that this index was made for; 0 before versions were noted."""
        answer = await self.call("GET", f"/{index}/_mapping")
        return int(answer.json()[index]["mappings"].get("_meta", {}).get("projection_version", 0))

    async def next_name(self) -> str:
        """A name for the index of a rebuild."""
        answer = await self.call("GET", f"/{self.alias}-*/_alias", accept=(_MISSING,))
        found = [] if answer.status_code == _MISSING else list(answer.json())
        numbers = [int(name.rsplit("-", 1)[1]) for name in found if name.rsplit("-", 1)[1].isdigit()]
        return f"{self.alias}-{max(numbers, default=0) + 1:06d}"

    async def swap(self, index: str) -> list[str]:
        """Lets the alias name this index and removes those before it; tells which."""
        answer = await self.call("GET", f"/_alias/{self.alias}", accept=(_MISSING,))
        before = [] if answer.status_code == _MISSING else [name for name in answer.json() if name != index]
        actions: list[Document] = [{"remove_index": {"index": name}} for name in before]
        actions.append({"add": {"index": index, "alias": self.alias}})
        await self.call("POST", "/_aliases", body={"actions": actions})
        return before

    async def offsets(self, index: str) -> Offsets:
        """Where the projection of this index goes on reading."""
        answer = await self.call("GET", f"/{index}/_doc/{_OFFSETS_ID}", accept=(_MISSING,))
        if answer.status_code == _MISSING:
            return {}
        found: Offsets = answer.json()["_source"]["offsets"]
        return found

    async def write(self, index: str, updates: Sequence[tuple[str, Document]], offsets: Offsets) -> None:
        """Writes documents and, with them, how far was read; the same documents again change nothing.

        Raises:
            RetryableError: OpenSearch did not take all of it; write the same again.
        """
        lines: list[str] = []
        for event_id, found in updates:
            lines.append(json.dumps({"update": {"_index": index, "_id": event_id}}))
            # A letter and what the ledger says of it are one document, whichever comes first.
            first = {"state": found["state"]} if found.get("state") == "open" else {}
            body = {name: value for name, value in found.items() if name not in first}
            lines.append(json.dumps({"doc": body, "upsert": {**body, **first}}))
        lines.append(json.dumps({"index": {"_index": index, "_id": _OFFSETS_ID}}))
        lines.append(json.dumps({"offsets": offsets}))
        answer = await self.call("POST", "/_bulk", content="\n".join(lines) + "\n")
        result = answer.json()
        if result.get("errors"):
            failed = {entry["error"]["type"] for item in result["items"] for entry in item.values() if "error" in entry}
            raise RetryableError(f"OpenSearch did not take all documents: {', '.join(sorted(failed))}")

    async def refresh(self, index: str) -> None:
        """Makes what was written searchable."""
        await self.call("POST", f"/{index}/_refresh")

    async def forget(self, index: str, before: str) -> None:
        """Removes what is older; OpenSearch does it in the background."""
        body = {"query": {"range": {"at": {"lt": before}}}}
        await self.call("POST", f"/{index}/_delete_by_query?wait_for_completion=false&conflicts=proceed", body=body)

    async def search(self, *bodies: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Answers several searches at once.

        Raises:
            RetryableError: OpenSearch cannot answer, or there is no index yet.
        """
        lines: list[str] = []
        for body in bodies:
            lines += [json.dumps({"index": self.alias, "ignore_unavailable": True}), json.dumps(body)]
        answer = await self.call("POST", "/_msearch", content="\n".join(lines) + "\n")
        found: list[dict[str, Any]] = answer.json()["responses"]
        for body, response in zip(bodies, found, strict=True):
            if "aggs" in body and "aggregations" not in response and "error" not in response:
                raise RetryableError("the projection is being made: load the page again in a few seconds")
            if "error" in response:
                raise RetryableError(f"OpenSearch cannot answer: {response['error'].get('type', 'error')}")
            response.pop("took", None)  # what was found is compared with what was found before
        return found

    async def get(self, event_id: str) -> Document | None:
        """One document by its id."""
        [answer] = await self.search({"size": 1, "query": {"term": {"event_id": event_id}}})
        hits = answer["hits"]["hits"]
        return hits[0]["_source"] if hits else None
