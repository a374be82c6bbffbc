"""Intercom's conversations as documents: the mapping reads members that the typed client leaves out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

from floodgate.intercom import IntercomClient, where
from pydantic import RootModel

_PER_PAGE: Final = 150


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
        query = where("updated_at", ">", int(since.timestamp()))
        async for conversation in self.search_all_conversations(query, per_page=_PER_PAGE):
            yield conversation.id
