"""What the knowledge job noted of its runs: the last one, and the last one that changed something."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from console.adapters.opensearch_projection import OpenSearchProjection

_MISSING: Final = 404


class OpenSearchSyncs:
    """Reads the notes.

    Args:
        projection: Speaks to OpenSearch.
        index: Where the job keeps them.
    """

    def __init__(self, projection: OpenSearchProjection, index: str) -> None:
        self._projection = projection
        self._index = index

    async def read(self) -> Mapping[str, Mapping[str, Any]]:
        """By name, `last` and `changed`; nothing before the first run."""
        body = {"ids": ["last", "changed"]}
        answer = await self._projection.call("POST", f"/{self._index}/_mget", body=body, accept=(_MISSING,))
        found = [] if answer.status_code == _MISSING else answer.json()["docs"]
        return {note["_id"]: note["_source"] for note in found if note.get("found")}
