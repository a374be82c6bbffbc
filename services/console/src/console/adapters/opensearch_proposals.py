"""What waits for a second person. Short-lived: lost with OpenSearch, it is simply asked for again."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from console.adapters.opensearch_projection import OpenSearchProjection
from console.domain.letters import Proposal

_MISSING: Final = 404
_KEEP: Final = timedelta(days=7)


class OpenSearchProposals:
    """Keeps proposals beside the projection, in an index of their own.

    Args:
        projection: Speaks to OpenSearch.
    """

    def __init__(self, projection: OpenSearchProjection) -> None:
        self._projection = projection
        self._index = f"{projection.alias}-proposals"
        self._made = False

    async def put(self, proposal: Proposal) -> None:
        """Keeps a proposal; it can be read at once."""
        await self._ensure()
        body = {"at": proposal.asked_at.isoformat(), "proposal": json.dumps(asdict(proposal), default=str)}
        await self._projection.call("PUT", f"/{self._index}/_doc/{proposal.proposal_id}?refresh=true", body=body)

    async def get(self, proposal_id: str) -> Proposal | None:
        """One proposal; None when it is gone."""
        found = await self._projection.call("GET", f"/{self._index}/_doc/{proposal_id}", accept=(_MISSING,))
        return None if found.status_code == _MISSING else _proposal(found.json()["_source"])

    async def all(self) -> list[Proposal]:
        """Those that wait, the oldest first."""
        since = (datetime.now(UTC) - _KEEP).isoformat()
        body = {"size": 100, "query": {"range": {"at": {"gte": since}}}, "sort": [{"at": "asc"}]}
        found = await self._projection.call("POST", f"/{self._index}/_search", body=body, accept=(_MISSING,))
        hits = [] if found.status_code == _MISSING else found.json()["hits"]["hits"]
        return [_proposal(hit["_source"]) for hit in hits]

    async def drop(self, proposal_id: str) -> bool:
        """Takes a proposal away; False when somebody else did."""
        path = f"/{self._index}/_doc/{proposal_id}?refresh=true"
        found = await self._projection.call("DELETE", path, accept=(_MISSING,))
        return found.status_code != _MISSING

    async def _ensure(self) -> None:
        if not self._made:
            properties = {"at": {"type": "date"}, "proposal": {"type": "object", "enabled": False}}
            settings = {"number_of_shards": 1, "auto_expand_replicas": "0-1"}
            body = {"settings": settings, "mappings": {"dynamic": False, "properties": properties}}
            await self._projection.call("PUT", f"/{self._index}", body=body, accept=(400,))  # 400: it is there
            self._made = True


def _proposal(source: dict[str, Any]) -> Proposal:
    fields = json.loads(source["proposal"])
    return Proposal(**{**fields, "asked_at": datetime.fromisoformat(fields["asked_at"])})
