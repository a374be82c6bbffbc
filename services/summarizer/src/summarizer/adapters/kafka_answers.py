"""Writes what came of batch inference to the summarizer's topic."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from floodgate.events import BatchAnswer
from floodgate.service import DeadLetters, EventProducer
from keyflow import FailedRecord

from summarizer.batching import Asked
from summarizer.handlers import ANSWERED, BATCHED

_AT_ONCE: Final = 500


class KafkaAnswers:
    """Returns once Kafka has everything.

    Args:
        producer: Writes.
        service: Whose dead letters they are: redriven to it, the summarizer asks online.
    """

    def __init__(self, producer: EventProducer, service: str) -> None:
        self._producer = producer
        self._dead_letter = DeadLetters(service, {})

    async def send(self, answers: Sequence[BatchAnswer]) -> None:
        """Writes answers.

        Raises:
            RetryableError: Kafka did not take one in time; the same may be written again.
        """
        for start in range(0, len(answers), _AT_ONCE):
            some = answers[start : start + _AT_ONCE]
            key = [str(answer.interaction.interaction_id) for answer in some]
            await asyncio.gather(*(self._producer.send(ANSWERED, k, a) for k, a in zip(key, some, strict=True)))

    async def give_up(self, asked: Asked, reason: str) -> None:
        """Writes a dead letter for bytes that cannot be read.

        Raises:
            RetryableError: Kafka did not take it in time.
        """
        emit = self._dead_letter(
            FailedRecord(
                BATCHED, asked.partition, asked.offset, asked.at_ms, asked.key, asked.value, (),
                error_class="poison", error_type="PoisonMessageError", reason=reason, attempts=1,
            )
        )  # fmt: skip
        await self._producer.send(emit.topic, emit.key, emit.value)

    async def close(self) -> None:
        """Waits for what is under way."""
        await self._producer.close()
