"""`/webhooks/intercom`: bare ASGI, because Intercom's patience and one core's share are short.

In this order: length, signature over the raw body, JSON, mapping, Kafka, answer. A forged request costs one
HMAC and no parsing. Nothing is answered with 202 before Kafka has it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from floodgate import __version__
from floodgate.events import DeadLetter
from floodgate.intercom.webhooks import verify_signature
from floodgate.telemetry import get_logger
from keyflow.errors import KeyflowError, PoisonMessageError
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ingest.domain.dead_letters import WEBHOOK_ORIGIN, edge_dead_letter
from ingest.domain.errors import DocumentError
from ingest.domain.intercom import Mapped, map_envelope
from ingest.domain.intercom_parts import IntercomRules
from ingest.domain.json_text import load_json
from ingest.edge import EdgeEvent, EdgeWriter
from ingest.http.body import BodyTooLargeError, header, read_body
from ingest.http.problems import problem, too_large, unavailable
from ingest.ports import Clock
from ingest.telemetry import WEBHOOKS

PATH: Final = "/webhooks/intercom"
_SIGNATURE_HEADER: Final = b"x-hub-signature"
log = get_logger(__name__)


class IntercomWebhook:
    """The endpoint as an ASGI application.

    Args:
        secret: The Intercom app's client secret.
        rules: How envelopes are read.
        writer: Where events go.
        clock: Wall clock, for dead letters only.
        max_body_bytes: Longer bodies are refused unread.
    """

    def __init__(
        self, secret: bytes, rules: IntercomRules, writer: EdgeWriter, clock: Clock, *, max_body_bytes: int
    ) -> None:
        self._secret = secret
        self._rules = rules
        self._writer = writer
        self._clock = clock
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        method = scope["method"]
        if method == "POST":
            try:
                response = await self._notified(scope, receive)
            except ClientDisconnect:
                WEBHOOKS.labels("none", "disconnected").inc()
                return
        elif method == "HEAD":
            # Intercom asks so whether the address is there.
            response = Response(status_code=200)
        else:
            response = problem(
                405,
                "method-not-allowed",
                f"{method} is not served here.",
                "Intercom sends POST, and HEAD to check the address.",
                headers={"Allow": "HEAD, POST"},
            )
        await response(scope, receive, send)

    async def _notified(self, scope: Scope, receive: Receive) -> Response:
        try:
            body = await read_body(scope, receive, self._max_body_bytes)
        except BodyTooLargeError:
            WEBHOOKS.labels("none", "too_large").inc()
            return too_large(self._max_body_bytes)
        if not verify_signature(self._secret, body, header(scope, _SIGNATURE_HEADER)):
            WEBHOOKS.labels("none", "bad_signature").inc()
            return problem(
                401,
                "bad-signature",
                "X-Hub-Signature does not sign this body with the app's client secret.",
                "Set FLOODGATE_INTERCOM_CLIENT_SECRET to the client secret of the Intercom app that sends this.",
            )
        try:
            mapped = map_envelope(load_json(body), self._rules)
        except DocumentError as error:
            return await self._broken(body, error)
        return await self._accepted(body, mapped)

    async def _accepted(self, body: bytes, mapped: Mapped) -> Response:
        if mapped.events:
            try:
                await self._writer.write(mapped.events)
            except PoisonMessageError as error:
                return await self._broken(body, error)
            except KeyflowError as error:
                return self._kafka_is_down(mapped.topic, error)
        outcome = "unknown_topic" if mapped.topic == "unknown" else "accepted" if mapped.events else "no_event"
        WEBHOOKS.labels(mapped.topic, outcome).inc()
        return Response(status_code=202)

    async def _broken(self, body: bytes, error: DocumentError | PoisonMessageError) -> Response:
        """Intercom would only send the same again, so it is taken and kept for the operator."""
        letter: DeadLetter = edge_dead_letter(
            origin=WEBHOOK_ORIGIN,
            position=-1,
            value=body,
            reason=str(error),
            error_type=type(error).__name__,
            occurred_at=self._clock(),
            version=__version__,
        )
        events: Sequence[EdgeEvent] = (letter,)
        try:
            await self._writer.write(events)
        except KeyflowError as failure:
            return self._kafka_is_down("none", failure)
        log.error("webhook.dead_letter", event_id=str(letter.event_id), reason=str(error))
        WEBHOOKS.labels("none", "dead_letter").inc()
        return Response(status_code=202)

    def _kafka_is_down(self, topic: str, error: KeyflowError) -> Response:
        log.warning("webhook.not_taken", topic=topic, error=str(error))
        WEBHOOKS.labels(topic, "kafka_unavailable").inc()
        return unavailable("The notification could not be written to Kafka.")
