"""Signing in at Kafka: librdkafka's settings, of which the whole site has one set, in Faust's form."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import Any

import faust
from keyflow import FatalError


def credentials(client: Mapping[str, str | int | bool]) -> dict[str, Any]:
    """Faust's form of librdkafka's security settings.

    Raises:
        FatalError: They ask for what Faust does not know.
    """
    protocol = str(client.get("security.protocol", "PLAINTEXT")).upper()
    if protocol == "PLAINTEXT":
        return {}
    authority = client.get("ssl.ca.location")
    context = ssl.create_default_context(cafile=str(authority) if authority else None)
    if "ssl.certificate.location" in client:
        context.load_cert_chain(
            str(client["ssl.certificate.location"]), str(client.get("ssl.key.location", "")) or None
        )
    if protocol == "SSL":
        return {"broker_credentials": faust.auth.SSLCredentials(context)}
    mechanism = str(client.get("sasl.mechanism", client.get("sasl.mechanisms", "PLAIN")))
    if mechanism not in {"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"}:
        raise FatalError(f"FLOODGATE_KAFKA_CLIENT: pulse cannot sign in by {mechanism}: use PLAIN, SCRAM or TLS")
    found = faust.auth.SASLCredentials(
        mechanism=mechanism,
        username=str(client.get("sasl.username", "")),
        password=str(client.get("sasl.password", "")),
        ssl_context=context if protocol == "SASL_SSL" else None,
    )
    return {"broker_credentials": found}
