"""A person's documents in OpenSearch: those of the console's projection go, passages of knowledge are reported."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from floodgate.erasing.planning import Person, Place, Sought
from floodgate.knowledge.indices import EXAMPLES_ALIAS, KNOWLEDGE_ALIAS
from floodgate.opensearch_http import OpenSearchHttp
from floodgate.settings import OpenSearchSettings

_TIMEOUT_SECONDS: Final = 60.0
_MISSING: Final = (404,)
_FIELDS: Final = ("conversation_id", "interaction_id", "letter_key", "contact_id")
_PAGE: Final = 500


class Projection:
    """The console's documents, the indices of a rebuild under way included.

    Args:
        settings: Where OpenSearch is.
        index: The projection's alias.
    """

    def __init__(self, settings: OpenSearchSettings, index: str) -> None:
        self.name = f"index {index}"
        self._settings = settings
        self._indices = f"{index},{index}-*"

    def look(self, sought: Sought) -> Sequence[Place]:
        """How many documents there are; none where there is no such index."""
        count = self._ask("_count", "", sought.person, "count")
        return [Place(self.name, count, None, "a rebuild reads the topics again")] if count else []

    def erase(self, sought: Sought) -> None:
        """Deletes them."""
        self._ask("_delete_by_query", "&refresh=true&conflicts=proceed", sought.person, "deleted")

    def _ask(self, what: str, options: str, person: Person, answer: str) -> int:
        path = f"/{self._indices}/{what}?ignore_unavailable=true&allow_no_indices=true{options}"
        found = _call(self._settings, path, {"query": _query(person)})
        return int(found.get(answer, 0))


class Passages:
    """Knowledge and examples as they are searched: texts of our own, in which no customer should stand.

    They are reported and left: the next run of the job that wrote them would bring them back.

    Args:
        settings: Where OpenSearch is.
    """

    name = "indices of knowledge and examples"

    def __init__(self, settings: OpenSearchSettings) -> None:
        self._settings = settings

    def look(self, sought: Sought) -> Sequence[Place]:
        """Every passage in which an id or a given word stands."""
        return [place for alias in (KNOWLEDGE_ALIAS, EXAMPLES_ALIAS) for place in self._found(alias, sought)]

    def erase(self, sought: Sought) -> None:
        """Nothing: the source has to change, then `floodgate knowledge sync` or publishing the catalogue."""

    def _found(self, alias: str, sought: Sought) -> list[Place]:
        found, after = [], None
        while True:
            body: dict[str, Any] = {"size": _PAGE, "sort": ["_doc"], "_source": ["title", "text", "article_id"]}
            body |= {"search_after": after} if after else {}
            hits = _call(self._settings, f"/{alias}/_search?ignore_unavailable=true", body).get("hits", {"hits": []})
            for hit in hits["hits"]:
                source = hit["_source"]
                if sought.needles.within(f"{source.get('title', '')}\n{source.get('text', '')}".encode()):
                    remedy = "change its source, then `floodgate knowledge sync` or `floodgate catalogue publish`"
                    found.append(Place(f"{alias}: {source.get('article_id') or hit['_id']}", 1, None, remedy))
            if len(hits["hits"]) < _PAGE:
                return found
            after = hits["hits"][-1]["sort"]


def _call(settings: OpenSearchSettings, path: str, body: dict[str, Any]) -> dict[str, Any]:
    async def ask() -> dict[str, Any]:
        http = OpenSearchHttp(settings, timeout_seconds=_TIMEOUT_SECONDS, connections=1)
        try:
            answer = await http.call("POST", path, body=body, accept=_MISSING)
        finally:
            await http.aclose()
        found: dict[str, Any] = {} if answer.status_code in _MISSING else answer.json()
        return found

    return asyncio.run(ask())


def _query(person: Person) -> dict[str, Any]:
    keys = sorted(person.contacts | person.conversations | person.interactions)
    return {"bool": {"should": [{"terms": {name: keys}} for name in _FIELDS], "minimum_should_match": 1}}
