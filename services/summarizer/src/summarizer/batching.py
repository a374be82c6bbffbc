"""The batcher: collects interactions into inputs of jobs, starts the jobs, and brings their answers back.

Nothing is lost or doubled wherever it is killed. An input is one object whose name says what it holds, so a restart
knows what was collected; a job is named after its input, so it is started once; an answer has the id of its
interaction, and the summarizer takes the first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from floodgate.bedrock import ModelPrice
from floodgate.bedrock.native import native_body
from floodgate.events import BatchAnswer, Interaction, Versions
from floodgate.events.times import from_ms
from floodgate.telemetry import counter, gauge, get_logger
from floodgate.waiting import until_stopped
from keyflow.errors import FatalError, KeyflowError, PoisonMessageError

from summarizer.asking import Asker
from summarizer.domain.answers import answer_of, unanswered
from summarizer.domain.batches import (
    Limits,
    NextStep,
    Span,
    job_name,
    line_of,
    name_of,
    next_offsets,
    next_step,
    record_id,
    results_of,
    spans_of,
)

log = get_logger(__name__)

_ENDED: Final = frozenset({"Completed", "PartiallyCompleted", "Failed", "Stopped", "Expired"})
_POLL_SECONDS: Final = 1.0
_TOO_FEW: Final = "too few records for a job"
_COLLECTED: Final = counter("floodgate_batch_collected_total", "Interactions written into inputs of jobs.")
_DELIVERED: Final = counter("floodgate_batch_delivered_total", "Answers brought back, by what they are.", ("what",))
_JOBS: Final = counter("floodgate_batch_jobs_total", "Jobs that ended, by how.", ("status",))
_OPEN: Final = gauge("floodgate_batch_jobs_open", "Inputs of which nothing was delivered yet.")
_WAITING: Final = gauge("floodgate_batch_waiting", "Interactions that wait for others to make a job with.")


@dataclass(frozen=True, slots=True)
class Asked:
    """One record of the topic; `interaction` is None for bytes that cannot be read."""

    partition: int
    offset: int
    at_ms: int
    key: bytes | None
    value: bytes = field(repr=False)
    interaction: Interaction | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Job:
    """A job as Bedrock knows it."""

    job_id: str
    status: str

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will come of it."""
        return self.status in _ENDED


class Topic(Protocol):
    """support.summarizer.batch; see `KafkaBatchTopic`."""

    generation: int
    assigned: frozenset[int]

    def subscribe(self, next_offsets: Callable[[], Mapping[int, int]]) -> None: ...

    def poll(self, seconds: float) -> list[Asked]: ...

    def commit(self, spans: Iterable[Span]) -> None: ...

    def read(self, span: Span) -> Iterator[Asked]: ...

    def close(self) -> None: ...


class Store(Protocol):
    """Where inputs and outputs are; see `S3Batches`."""

    @property
    def where(self) -> str: ...

    @property
    def output_uri(self) -> str: ...

    def input_uri(self, name: str) -> str: ...

    def names(self) -> list[str]: ...

    def open_names(self) -> list[str]: ...

    def write(self, name: str, data: bytes, asked_by: Mapping[str, str]) -> None: ...

    def asked_by(self, name: str) -> dict[str, str]: ...

    def output(self, job_id: str, name: str) -> bytes: ...

    def mark_done(self, name: str, what: Mapping[str, Any]) -> None: ...


class Jobs(Protocol):
    """Bedrock's jobs; see `BedrockJobs`."""

    def find(self, name: str) -> Job | None: ...

    def start(self, name: str, model_id: str, input_uri: str, output_uri: str) -> None: ...


class Sink(Protocol):
    """Writes what came of it; returns once Kafka has it."""

    async def send(self, answers: Sequence[BatchAnswer]) -> None: ...

    async def give_up(self, asked: Asked, reason: str) -> None: ...


class Collector:
    """Collects what is asked into inputs of jobs.

    Args:
        topic: What is asked.
        store: Where inputs go.
        sink: Where what finds no company goes back.
        asker: Makes the questions; asked anew for every record, as the catalogue may change.
        model_id: Who will be asked.
        price: Of the model.
        limits: When a job is worth starting.
        now_ms: Wall clock.
    """

    name = "collector"

    def __init__(
        self,
        topic: Topic,
        store: Store,
        sink: Sink,
        asker: Callable[[], Asker],
        *,
        model_id: str,
        price: ModelPrice,
        limits: Limits,
        now_ms: Callable[[], int],
    ) -> None:
        self._topic = topic
        self._store = store
        self._sink = sink
        self._asker = asker
        self._model_id = model_id
        self._price = price
        self._limits = limits
        self._now_ms = now_ms
        self._forget()
        self._generation = -1

    async def run(self, stop: asyncio.Event) -> None:
        """See `BackgroundTask`."""
        await asyncio.to_thread(self._topic.subscribe, lambda: next_offsets(self._store.names()))
        try:
            while not stop.is_set():
                await going_on(self.step, "collect", stop, _POLL_SECONDS)
        finally:
            await asyncio.to_thread(self._topic.close)

    async def step(self) -> None:
        """Writes or sends back what is due, then takes in what came.

        In this order: what could not be written is written under the same name before anything is added to it.
        """
        oldest_seconds = (self._now_ms() - self._asked[0].at_ms) / 1000 if self._asked else 0.0
        match next_step(len(self._asked), self._size_bytes, oldest_seconds, self._limits):
            case NextStep.WRITE:
                await self._write()
            case NextStep.SEND_BACK:
                await self._send_back()
        found = await asyncio.to_thread(self._topic.poll, _POLL_SECONDS)
        if self._topic.generation != self._generation:
            # Other partitions: whoever has them now begins where the inputs end.
            self._forget()
            self._generation = self._topic.generation
        for asked in found:
            # All first: what is in a span and not in the input is asked online, so a failure on the way loses nothing.
            self._spans.setdefault(asked.partition, []).append(asked.offset)
        for asked in found:
            await self._take(asked)
        _WAITING.set(len(self._asked))

    async def _take(self, asked: Asked) -> None:
        if asked.interaction is None:
            await self._sink.give_up(asked, "it is no interaction")
            return
        try:
            request = self._asker().question(asked.interaction).request
        except PoisonMessageError:
            # Asked about online, the summarizer itself gives the reason.
            await self._sink.send([unanswered(asked.interaction, from_ms(asked.at_ms), "no question")])
            return
        body = native_body(request, self._model_id, self._price)
        self._asked.append(asked)
        self._lines.append(line_of(record_id(asked.partition, asked.offset), body))
        self._size_bytes += len(self._lines[-1])

    async def _write(self) -> None:
        spans = self._spans_now()
        name = name_of(spans)
        asked_by = {"model": self._model_id, **self._asker().versions.model_dump()}
        await asyncio.to_thread(self._store.write, name, b"".join(self._lines), asked_by)
        log.info("batch.written", name=name, records=len(self._lines), size_bytes=self._size_bytes)
        _COLLECTED.inc(len(self._lines))
        self._forget()
        await asyncio.to_thread(self._topic.commit, spans)

    async def _send_back(self) -> None:
        spans = self._spans_now()
        answers = [unanswered(a.interaction, from_ms(a.at_ms), _TOO_FEW) for a in self._asked if a.interaction]
        await self._sink.send(answers)
        log.info("batch.sent_back", records=len(answers), reason=_TOO_FEW)
        _DELIVERED.labels("sent back").inc(len(answers))
        self._forget()
        await asyncio.to_thread(self._topic.commit, spans)

    def _spans_now(self) -> list[Span]:
        return [Span(partition, offsets[0], offsets[-1]) for partition, offsets in sorted(self._spans.items())]

    def _forget(self) -> None:
        self._asked: list[Asked] = []
        self._lines: list[bytes] = []
        self._size_bytes = 0
        self._spans: dict[int, list[int]] = {}


class JobWatch:
    """Starts a job for every input, and brings the answers of those that ended back.

    Args:
        topic: What was asked, to be read again.
        store: Inputs and outputs.
        jobs: Bedrock's.
        sink: Where answers go.
        poll_seconds: Between two looks.
    """

    name = "jobs"

    def __init__(self, topic: Topic, store: Store, jobs: Jobs, sink: Sink, *, poll_seconds: float) -> None:
        self._topic = topic
        self._store = store
        self._jobs = jobs
        self._sink = sink
        self._poll_seconds = poll_seconds

    async def run(self, stop: asyncio.Event) -> None:
        """See `BackgroundTask`."""
        while not stop.is_set():
            await going_on(self.look, "look", stop, self._poll_seconds)
            await until_stopped(stop, self._poll_seconds)

    async def look(self) -> None:
        """One look at everything that is open here: each is one instance's, by its first partition."""
        names = [name for name in await asyncio.to_thread(self._store.open_names) if spans_of(name)]
        mine = [name for name in names if spans_of(name)[0].partition in self._topic.assigned]
        _OPEN.set(len(mine))
        for name in mine:
            await self._advance(name)

    async def _advance(self, name: str) -> None:
        job = job_name(self._store.where, name)
        found = await asyncio.to_thread(self._jobs.find, job)
        if found is None:
            asked_by = await asyncio.to_thread(self._store.asked_by, name)
            try:
                await asyncio.to_thread(
                    self._jobs.start, job, asked_by["model"], self._store.input_uri(name), self._store.output_uri
                )
            except PoisonMessageError as refused:
                log.error("batch.refused", job=job, reason=str(refused))
                await self._deliver(name, job, "", "refused")
            else:
                log.info("batch.started", job=job, name=name)
        elif found.has_ended:
            await self._deliver(name, job, found.job_id, found.status)

    def _read(self, span: Span) -> list[Asked]:
        return list(self._topic.read(span))

    async def _deliver(self, name: str, job: str, job_id: str, status: str) -> None:
        results = results_of(await asyncio.to_thread(self._store.output, job_id, name)) if job_id else {}
        asked_by = await asyncio.to_thread(self._store.asked_by, name)
        versions = Versions(**{key: asked_by.get(key, "") for key in Versions.model_fields})
        answered = back = 0
        for span in spans_of(name):
            answers = [
                answer_of(
                    asked.interaction, from_ms(asked.at_ms), results.get(record_id(asked.partition, asked.offset)),
                    job=job, ended=status, model_id=asked_by["model"], versions=versions,
                )
                for asked in await asyncio.to_thread(self._read, span)
                if asked.interaction is not None
            ]  # fmt: skip
            await self._sink.send(answers)
            answered += sum(answer.output is not None for answer in answers)
            back += sum(answer.output is None for answer in answers)
        counts = {"status": status, "answered": answered, "sent_back": back}
        await asyncio.to_thread(self._store.mark_done, name, {"job": job, **counts})
        log.info("batch.delivered", job=job, **counts)
        _JOBS.labels(status).inc()
        _DELIVERED.labels("answered").inc(answered)
        _DELIVERED.labels("sent back").inc(back)


async def going_on(step: Callable[[], Any], what: str, stop: asyncio.Event, pause_seconds: float) -> None:
    """Does a step; one that fails for now is done again after a pause."""
    try:
        await step()
    except FatalError:
        raise
    except KeyflowError as error:
        log.warning("batch.retry", step=what, error=type(error).__name__, reason=str(error))
        await until_stopped(stop, pause_seconds)
