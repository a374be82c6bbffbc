"""Writes events at the edge, outside of any engine."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer
from keyflow import AccessDeniedError, Headers, RetryableError
from keyflow.kafka_errors import SignIn, denied

from floodgate.events import AvroModel
from floodgate.events.serde import AvroSerde
from floodgate.settings import KafkaSettings
from floodgate.tracing import with_trace


class EventProducer:
    """Writes events at the edge: HTTP, files, S3. Idempotent, acknowledged by all in-sync replicas."""

    def __init__(self, settings: KafkaSettings, serde: AvroSerde, *, linger_ms: int = 2) -> None:
        self._settings = settings
        self._serde = serde
        self._linger_ms = linger_ms
        self._producer: Producer | None = None
        self._sign_in = SignIn()
        self._poller: threading.Thread | None = None

    async def send(self, topic: str, key: str, value: AvroModel, headers: Headers = ()) -> None:
        """Returns once Kafka has the record.

        Raises:
            PoisonMessageError: It breaks the topic's schema.
            RetryableError: Kafka did not take it in time; it may be sent again with the same event_id.
            AccessDeniedError: Kafka does not let us in, or not write this topic.
        """
        await self.send_bytes(topic, key.encode(), self._serde.encode(topic, value), headers)

    async def send_bytes(self, topic: str, key: bytes | None, value: bytes | None, headers: Headers = ()) -> None:
        """Like `send`, for bytes that are encoded already."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()

        def delivered(error: KafkaError | None, _: Message) -> None:
            loop.call_soon_threadsafe(_settle, done, None if error is None else self._failure(error, topic))

        try:
            carried: Any = list(with_trace(headers))
            self._connected().produce(topic, value=value, key=key, headers=carried, on_delivery=delivered)
        except BufferError as error:
            raise RetryableError("Kafka takes records too slowly: the send queue is full", 1.0) from error
        except KafkaException as error:
            raise RetryableError(f"Kafka did not take the record: {error.args[0].name()}") from error
        await done

    def _failure(self, error: KafkaError, topic: str) -> Exception:
        try:
            self._sign_in.check()
        except AccessDeniedError as turned_away:
            return turned_away
        refused = denied(error, "writing", topic=topic)
        return refused or RetryableError(f"Kafka did not take the record: {error.name()}")

    def connect(self) -> None:
        """Connects now rather than with the first record; safe to call more than once."""
        self._connected()

    def _connected(self) -> Producer:
        if self._producer is None:
            self._producer = Producer(
                {
                    **self._settings.connection(),
                    "enable.idempotence": True,
                    "partitioner": "murmur2_random",
                    "linger.ms": self._linger_ms,
                    "delivery.timeout.ms": 10_000,
                    "message.max.bytes": 4_000_000,
                    "error_cb": self._sign_in,
                }
            )
            # Delivery callbacks run inside poll(): one thread waits there, so that no record waits for a timer.
            self._poller = threading.Thread(target=self._poll, args=(self._producer,), name="producer", daemon=True)
            self._poller.start()
        return self._producer

    def _poll(self, producer: Producer) -> None:
        while self._producer is producer:
            producer.poll(0.1)

    async def close(self) -> None:
        """Waits for what is under way."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await asyncio.to_thread(producer.flush, 10.0)
        if self._poller is not None:
            await asyncio.to_thread(self._poller.join)


def _settle(done: asyncio.Future[None], failure: Exception | None) -> None:
    if done.done():
        return
    if failure is None:
        done.set_result(None)
    else:
        done.set_exception(failure)
