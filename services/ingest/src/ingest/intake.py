"""Lines of documents to events: good ones to their topics, broken ones to the dead letters, none lost."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from floodgate import __version__
from floodgate.events import Interaction, Message
from keyflow.errors import PoisonMessageError

from ingest.domain.dead_letters import edge_dead_letter
from ingest.domain.errors import DocumentError, document_error
from ingest.domain.identity import ContactPseudonyms
from ingest.domain.lines import MAX_LINE_BYTES, Line, interaction_of, is_interaction, messages_of, parse_line
from ingest.edge import EdgeEvent, EdgeWriter
from ingest.ports import Clock
from ingest.telemetry import LINES

MAX_SHOWN_ERRORS: Final = 20


@dataclass
class Intake:
    """What became of a document so far, or of several.

    Attributes:
        documents: Documents read to their end.
        lines: Lines that were not blank.
        interactions: Finished interactions written.
        conversations: Conversations whose messages were written.
        messages: Messages written.
        dead_letters: Lines that went to the dead letters.
        errors: (line number, reason) of the first of them.
    """

    documents: int = 0
    lines: int = 0
    interactions: int = 0
    conversations: int = 0
    messages: int = 0
    dead_letters: int = 0
    errors: list[tuple[int, str]] = field(default_factory=list)

    def add_error(self, number: int, reason: str) -> None:
        self.dead_letters += 1
        if len(self.errors) < MAX_SHOWN_ERRORS:
            self.errors.append((number, reason))

    def add(self, other: Intake, name: str) -> None:
        """Adds what became of another document; its errors say where they are."""
        self.documents += other.documents
        self.lines += other.lines
        self.interactions += other.interactions
        self.conversations += other.conversations
        self.messages += other.messages
        self.dead_letters += other.dead_letters
        room = MAX_SHOWN_ERRORS - len(self.errors)
        self.errors += [(number, f"{name}: {reason}") for number, reason in other.errors[:room]]


class LineIntake:
    """Turns batches of lines into events.

    Args:
        writer: Where events go.
        pseudonyms: Makes contact ids.
        clock: Wall clock, for lines that name no time.
        source: `s3` or `file`.
        takes_conversations: Whether a line may be a conversation rather than a finished interaction.
    """

    def __init__(
        self,
        writer: EdgeWriter,
        pseudonyms: ContactPseudonyms,
        clock: Clock,
        *,
        source: str,
        takes_conversations: bool,
    ) -> None:
        self._writer = writer
        self._pseudonyms = pseudonyms
        self._clock = clock
        self._source = source
        self._takes_conversations = takes_conversations

    async def take_all(self, batches: AsyncIterator[Sequence[Line]], origin: str) -> Intake:
        """Reads a document to its end; what cannot be read of it is one dead letter.

        Raises:
            RetryableError: Kafka or the source failed; the whole document may be taken again.
        """
        intake = Intake()
        try:
            async for lines in batches:
                await self.take(lines, origin, intake)
        except PoisonMessageError as error:
            await self.give_up(origin, error, intake)
        intake.documents += 1
        return intake

    async def take(self, lines: Sequence[Line], origin: str, intake: Intake) -> None:
        """Writes what a batch of lines holds; returns once Kafka has all of it."""
        events: list[EdgeEvent] = []
        for line in lines:
            events.extend(self._events_of(line, origin, intake))
        if events:
            await self._writer.write(events)

    async def give_up(self, origin: str, error: PoisonMessageError, intake: Intake) -> None:
        """Writes one dead letter for what could not be read at all."""
        await self._writer.write((self._dead_letter(origin, -1, None, error),))
        intake.add_error(-1, str(error))
        LINES.labels(self._source, "unreadable").inc()

    def _events_of(self, line: Line, origin: str, intake: Intake) -> Sequence[EdgeEvent]:
        intake.lines += 1
        try:
            found = self._read(line, origin)
        except DocumentError as error:
            intake.add_error(line.number, str(error))
            LINES.labels(self._source, "dead_letter").inc()
            return (self._dead_letter(origin, line.number, line.data, error),)
        LINES.labels(self._source, "taken").inc()
        if isinstance(found, Interaction):
            intake.interactions += 1
            return (found,)
        intake.conversations += 1
        intake.messages += len(found)
        return found

    def _read(self, line: Line, origin: str) -> Interaction | tuple[Message, ...]:
        if line.is_cut:
            raise document_error("line", f"longer than {MAX_LINE_BYTES} bytes; only its beginning is kept here")
        document = parse_line(line.data)
        if self._takes_conversations and not is_interaction(document):
            return messages_of(document, self._pseudonyms, read_at=self._clock())
        return interaction_of(
            document,
            self._pseudonyms,
            source=self._source,
            origin=f"{origin}:{line.number}",
            read_at=self._clock(),
        )

    def _dead_letter(
        self, origin: str, number: int, value: bytes | None, error: DocumentError | PoisonMessageError
    ) -> EdgeEvent:
        return edge_dead_letter(
            origin=origin,
            position=number,
            value=value,
            reason=str(error),
            error_type=type(error).__name__,
            occurred_at=self._clock(),
            version=__version__,
        )
