"""A person in Intercom: their conversations and the contact itself, deleted by Intercom's API."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Final, TypeVar

from floodgate.erasing.planning import Person, Place, Sought
from floodgate.events import Pseudonyms
from floodgate.intercom import IntercomClient, IntercomRefusedError, IntercomSettings

T = TypeVar("T")
_CHANNEL: Final = "intercom"
_CUSTOMER: Final = "customer"
_GONE: Final = 404


class IntercomContact:
    """What Intercom has of a person. Connects with each call.

    A contact goes only where its own pseudonym is one of the person's: others may take part in a conversation.

    Args:
        settings: Where Intercom is.
        pseudonyms: Tell whose contact it is.
    """

    name = "Intercom"

    def __init__(self, settings: IntercomSettings, pseudonyms: Pseudonyms) -> None:
        self._settings = settings
        self._pseudonyms = pseudonyms

    def look(self, sought: Sought) -> Sequence[Place]:
        """Conversations and contacts that are still there."""
        conversations, contacts = asyncio.run(self._found(sought.person))
        found = [Place(f"Intercom conversation {name}", 1, None, "") for name in sorted(conversations)]
        return [*found, *(Place(f"Intercom contact {name}", 1, None, "") for name in sorted(contacts))]

    def erase(self, sought: Sought) -> None:
        """Deletes them, the contact last: as long as it is there, so is the way to the rest."""

        async def delete() -> None:
            conversations, contacts = await self._found(sought.person)
            async with self._client() as client:
                for name in sorted(conversations):
                    await _unless_gone(client.delete_conversation(name))
                for name in sorted(contacts):
                    await _unless_gone(client.delete_contact(name))

        asyncio.run(delete())

    async def _found(self, person: Person) -> tuple[set[str], set[str]]:
        named = {key.partition(":")[2] for key in person.conversations if key.startswith(f"{_CHANNEL}:")}
        contacts = {name for namespace, name in person.outside if namespace == _CHANNEL}
        conversations: set[str] = set()
        async with self._client() as client:
            for name in sorted(named):
                found = await _unless_gone(client.get_conversation(name))
                if found is not None:
                    conversations.add(name)
                    contacts |= {contact.id for contact in found.contacts.contacts}
            return conversations, {name for name in contacts if await self._is_theirs(client, name, person)}

    async def _is_theirs(self, client: IntercomClient, name: str, person: Person) -> bool:
        found = await _unless_gone(client.get_contact(name))
        if found is None:
            return False
        ids = [(_CHANNEL, found.id), *([(_CUSTOMER, found.external_id)] if found.external_id else [])]
        return any(self._pseudonyms.contact_id(*each) in person.contacts for each in ids)

    def _client(self) -> IntercomClient:
        return IntercomClient(self._settings)


async def _unless_gone(call: Awaitable[T]) -> T | None:
    try:
        return await call
    except IntercomRefusedError as error:
        if error.status != _GONE:
            raise
        return None
