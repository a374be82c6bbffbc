"""Ids that are the same for the same input, and pseudonyms that only the key's holder can take back."""

from __future__ import annotations

import base64
import binascii
from typing import Final
from uuid import UUID, uuid5

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

REVIEWERS: Final = "reviewer"
"""Namespace of the pseudonyms of those who judge verdicts."""

_NAMESPACE: Final = UUID("6f0f3f5e-2f0c-5d57-9a53-5f0d3f0c7a11")


def edge_event_id(channel: str, channel_event_id: str) -> UUID:
    """The id of an event at the edge, from the channel's own id: a repeated delivery is the same event."""
    return uuid5(_NAMESPACE, f"{channel}\x1f{channel_event_id}")


def derive_event_id(causation_id: UUID, step: str) -> UUID:
    """The id of an event that another one caused; `step` tells apart what one event causes."""
    return uuid5(causation_id, step)


def conversation_key(channel: str, channel_conversation_id: str) -> str:
    """The conversation_id, which is the key of every topic of a conversation."""
    return f"{channel}:{channel_conversation_id}"


class Pseudonyms:
    """Turns a person's id into a contact_id and, for whoever holds the key, back.

    Deterministic authenticated encryption (AES-SIV, RFC 5297): the same person has the same contact_id
    everywhere, nobody without the key can tell who it is, and no table of persons has to be kept.

    Args:
        key: At least 16 bytes, from the environment or a secret store.

    Raises:
        ValueError: The key is too short.
    """

    def __init__(self, key: bytes) -> None:
        if len(key) < 16:
            raise ValueError("the pseudonym key is shorter than 16 bytes: set FLOODGATE_PSEUDONYM_KEY to a longer one")
        derived = HKDF(algorithm=SHA256(), length=64, salt=None, info=b"floodgate contact_id").derive(key)
        self._cipher = AESSIV(derived)

    def contact_id(self, namespace: str, person_id: str) -> str:
        """The pseudonym; `namespace` is "customer" for the company's own ids, else the channel."""
        sealed = self._cipher.encrypt(f"{namespace}:{person_id}".encode(), None)
        return base64.b32encode(sealed).decode().rstrip("=").lower()

    def reveal(self, contact_id: str) -> tuple[str, str]:
        """(namespace, person_id) of a pseudonym.

        Raises:
            ValueError: It was not made with this key.
        """
        padded = contact_id.upper() + "=" * (-len(contact_id) % 8)
        try:
            opened = self._cipher.decrypt(base64.b32decode(padded), None).decode()
        except (InvalidTag, binascii.Error, ValueError) as error:
            raise ValueError("this contact_id was not made with the configured pseudonym key") from error
        namespace, _, person_id = opened.partition(":")
        return namespace, person_id
