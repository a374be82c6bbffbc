"""Intercom's conversations as documents: the mapping reads members that the typed client leaves out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import quote

from floodgate.intercom import IntercomClient, where
from pydantic import RootModel

_PER_PAGE: Final = 150
# For contacts Intercom documents that a search compares dates by calendar day of the workspace's time zone; for
# conversations it says nothing. A day more is asked for, and what is older is left out here.
_SEARCH_MARGIN: Final = timedelta(days=1)


class Document(RootModel[dict[str, Any]]):
    """A JSON object as it came."""


class IntercomDocuments(IntercomClient):
    """Implements `ports.IntercomConversations` on the shared client and its error translation."""

    async def conversation_document(self, conversation_id: str) -> Mapping[str, Any]:
        document = await self._read(
            "GET",
            f"/conversations/{quote(conversation_id, safe='')}",
            Document,
            query={"display_as": "plaintext"},
        )
        return document.root

    async def updated_since(self, since: datetime) -> AsyncIterator[str]:
        query = where("updated_at", ">", int((since - _SEARCH_MARGIN).timestamp()))
        async for conversation in self.search_all_conversations(query, per_page=_PER_PAGE):
            if conversation.updated_at >= int(since.timestamp()):
                yield conversation.id
