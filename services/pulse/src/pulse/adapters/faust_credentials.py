"""Signing in at Kafka: librdkafka's settings, of which the whole site has one set, in Faust's form."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from typing import Any

import faust
from aiokafka.abc import AbstractTokenProvider
from floodgate.kafka_tokens import TokenSource
from keyflow import FatalError


class Tokens(AbstractTokenProvider):  # type: ignore[misc]  # aiokafka has no types
    """A source of tokens as aiokafka asks it: once for every connection."""

    def __init__(self, source: TokenSource) -> None:
        self._source = source

    async def token(self) -> str:
        """A token that is valid now."""
        found, _ = await asyncio.to_thread(self._source, "")
        return found


def credentials(client: Mapping[str, Any]) -> dict[str, Any]:
    """Faust's form of librdkafka's security settings.

    Raises:
        FatalError: They ask for what Faust does not know, or a file is not what it should be.
    """
    protocol = str(client.get("security.protocol", "PLAINTEXT")).upper()
    if protocol == "PLAINTEXT":
        return {}
    context = _context(client) if protocol.endswith("SSL") else None
    if protocol == "SSL":
        return {"broker_credentials": faust.auth.SSLCredentials(context)}
    mechanism = str(client.get("sasl.mechanism", client.get("sasl.mechanisms", "PLAIN")))
    if mechanism == "OAUTHBEARER" and "oauth_cb" in client:
        tokens = Tokens(client["oauth_cb"])
        return {"broker_credentials": faust.auth.OAuthCredentials(oauth_cb=tokens, ssl_context=context)}
    if mechanism not in {"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"}:
        raise FatalError(f"FLOODGATE_KAFKA_CLIENT: pulse cannot sign in by {mechanism}: use PLAIN, SCRAM or TLS")
    found = faust.auth.SASLCredentials(
        mechanism=mechanism,
        username=str(client.get("sasl.username", "")),
        password=str(client.get("sasl.password", "")),
        ssl_context=context,
    )
    return {"broker_credentials": found}


def _context(client: Mapping[str, Any]) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=client.get("ssl.ca.location"))
        if "ssl.certificate.location" in client:
            context.load_cert_chain(
                client["ssl.certificate.location"], client.get("ssl.key.location"), client.get("ssl.key.password")
            )
    except OSError as error:  # what ssl raises is one too
        raise FatalError(f"Kafka's certificates cannot be used: {error.strerror or type(error).__name__}") from error
    return context
