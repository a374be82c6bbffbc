"""Ids and pseudonyms at the edge: the same thing from the outside always has the same id inside."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any, Final, Protocol
from uuid import UUID

from floodgate.events import edge_event_id

CUSTOMER_NAMESPACE: Final = "customer"
UNKNOWN_PATH: Final = "unknown"
_LANGUAGE: Final = re.compile(r"^([a-z]{2})(?:[-_][A-Za-z0-9]+)*$", re.IGNORECASE)
_COUNTRY: Final = re.compile(r"^[a-z]{2}$", re.IGNORECASE)


class ContactPseudonyms(Protocol):
    """Makes contact ids; `floodgate.events.Pseudonyms` is one."""

    def contact_id(self, namespace: str, person_id: str) -> str: ...


@dataclass(frozen=True, slots=True)
class Contact:
    """A person as the rest of the system knows them.

    Attributes:
        contact_id: Pseudonym.
        verified: True when the channel vouches for who it is.
    """

    contact_id: str
    verified: bool


def pseudonymous_contact(
    pseudonyms: ContactPseudonyms,
    channel: str,
    *,
    channel_contact_id: str | None,
    external_id: str | None,
    vouched: bool,
) -> Contact:
    """The company's own id counts only when the channel vouches for it; else it is the channel's person."""
    if external_id and vouched:
        return Contact(pseudonyms.contact_id(CUSTOMER_NAMESPACE, external_id), verified=True)
    person = channel_contact_id or external_id or "nobody"
    return Contact(pseudonyms.contact_id(channel, person), verified=False)


def message_event_id(channel: str, channel_conversation_id: str, channel_message_id: str) -> UUID:
    """Id of what happened in one message or part, however it reaches us."""
    return edge_event_id(channel, f"{channel_conversation_id}\x1f{channel_message_id}")


def interaction_id_of(conversation_id: str) -> UUID:
    """Id of the interaction that a conversation becomes when it closes."""
    return edge_event_id("interaction", conversation_id)


def interaction_event_id(interaction_id: UUID, document: Any) -> UUID:
    """Same interaction with the same content: same event, whatever the white space or member order."""
    canonical = json.dumps(document, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    content = hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()
    return edge_event_id("interaction-content", f"{interaction_id}\x1f{content}")


def language_code(value: object) -> str | None:
    """ISO 639-1 code of `nl`, `NL` or `nl-BE`; None for anything else."""
    match = _LANGUAGE.match(value) if isinstance(value, str) else None
    return match.group(1).lower() if match else None


def country_code(value: object) -> str | None:
    """ISO 3166-1 alpha-2 code; None for anything else."""
    return value.upper() if isinstance(value, str) and _COUNTRY.match(value) else None
