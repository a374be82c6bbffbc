"""What came of one record, as the records to write: outputs, state, dead letters. Knows no Kafka client."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, Generic, TypeVar

from keyflow.config import DEAD_LETTER_ROOM_BYTES
from keyflow.errors import FatalError, PoisonMessageError, RetryableError
from keyflow.forgetting import asks_to_forget
from keyflow.parking import PARKED, Parked, Turn, joined, number_in, released, reopened, turn, with_number
from keyflow.table import Entry, Table, encode_entry
from keyflow.types import KEEP, Emit, FailedRecord, Outcome, Processor, Record
from keyflow.work import FRAME_BYTES, Finished, Item, Write, size_of

log = logging.getLogger(__name__)
S = TypeVar("S")


@dataclass(slots=True)
class Attempts:
    """How a record was tried.

    Attributes:
        decided: Its first outcome, which carries an effect, is delivered: offset and number are used up.
    """

    count: int = 0
    fallback: bool = False
    resumed: bool = False
    decided: bool = False
    error_class: str = "poison"


FIRST_ATTEMPT: Final = Attempts(1)
"""Of nearly all records: read only."""

# Made for every record: in this way in less than half of the time.
_new: Final = tuple.__new__


class Outcomes(Generic[S]):
    """Makes what is committed of an item: encoded and measured, so that nothing of it can fail any more."""

    def __init__(self, processor: Processor[S], max_message_bytes: int, clock_ms: Callable[[], int]) -> None:
        self._processor = processor
        self._max_message_bytes = max_message_bytes
        self._clock_ms = clock_ms

    def finished(self, item: Item, outcome: Outcome[S], table: Table[S] | None, attempts: Attempts) -> Finished:
        """The outcome of a record or effect; the table has the new state from then on.

        Raises:
            PoisonMessageError: An output or the state cannot be encoded, or is too large.
        """
        writes = [self._write(emit) for emit in outcome.events]
        if table is not None:
            parked = before = table.parked(item.key)
            if parked is not None and not attempts.decided and self._number(item) is not None:
                parked = released(parked)
            if outcome.state is not KEEP or outcome.effect is not None or attempts.resumed or parked != before:
                self._write_state(item, outcome, table, writes, parked)
        return Finished(
            item,
            # The decision finishes the record: from then on its effect is in the changelog, and goes on from there.
            None if attempts.decided else item.offset,
            writes,
            outcome.effect,
            "fallback" if attempts.fallback else "outcome",
            max(attempts.count, 1),
        )

    def held(self, item: Item, table: Table[S]) -> Finished | None:
        """What becomes of a record whose turn it is not, its key being parked; None when it is to be handled.

        A request to forget the key is done here too: it is in the order of the key's records, and no handler's matter.
        """
        if item.key and item.source_topic == self._processor.redrive_topic and asks_to_forget(item.headers):
            return self._forgotten(item, table)
        number = self._number(item)
        if not item.key or (number is None and item.raw_value is None):
            return None  # poison of its own, and nothing of it could ever come back
        parked = table.parked(item.key)
        match turn(parked, number):
            case Turn.NOW if item.raw_value is not None:
                return None
            case Turn.NOW:
                # A number without a record: an operator gave the record up.
                finished = self.finished(item, Outcome(), table, Attempts())
                finished.kind = "given_up"
                return finished
            case Turn.PAST:
                log.warning("keyflow.released_before processor=%s topic=%s partition=%d offset=%s number=%s",
                            self._processor.name, item.topic, item.assignment.partition, item.offset,
                            number)  # fmt: skip
                return Finished(item, item.offset, [], kind="released_before")
        expected = "" if parked is None else f"; number {parked.next} is released next"
        reason = PoisonMessageError(f"its key is parked{expected}")
        return self.dead_letter(item, None, reason, table, Attempts(error_class=PARKED))

    def _forgotten(self, item: Item, table: Table[S]) -> Finished:
        """The key's tombstone, committed with the request's offset. An effect under way had its result before this."""
        table.put(item.key, Entry(None, None, self._clock_ms()))
        write = Write(table.changelog, item.key.encode(), None, (), item.assignment.partition)
        return Finished(item, item.offset, [write], kind="forgotten")

    def dead_letter(
        self, item: Item, record: Record | None, error: PoisonMessageError, table: Table[S] | None, attempts: Attempts
    ) -> Finished:
        """The dead letter of a record, with what the processor adds to it.

        Raises:
            FatalError: It cannot be written: the process stops, because nothing is dropped.
        """
        number, parked = self._numbered(item, table, attempts)
        failed = self._failed(item, error, attempts, number)
        try:
            letter = self._unchecked(self._processor.dead_letter(failed))
            if letter.size_bytes > self._max_message_bytes + DEAD_LETTER_ROOM_BYTES:
                letter = self._unchecked(self._processor.dead_letter(replace(failed, raw_output=None)))
            more = self._on_poison(item, failed, record, table)
            writes = [letter, *self._what_fits(more.events)]
            if table is not None and item.key:
                moved = parked != table.parked(item.key)
                if moved or attempts.resumed or item.effect is not None or more.state is not KEEP:
                    writes.append(self._state_beside_letter(item, more, table, parked))
        except FatalError:
            raise
        except Exception as second:
            place = f"{failed.topic}/{failed.partition}/{failed.offset}"
            raise FatalError(f"the dead letter of {place} cannot be written: {where(second)}") from second
        kind = PARKED if failed.error_class == PARKED else "dead_letter"
        offset = None if attempts.decided else item.offset
        return Finished(item, offset, writes, kind=kind, attempts=failed.attempts)

    # Dead letters

    def _failed(self, item: Item, error: PoisonMessageError, attempts: Attempts, number: int | None) -> FailedRecord:
        waits = attempts.error_class == PARKED
        failed = item.as_failed()
        failed = replace(
            failed,
            headers=with_number(failed.headers, number),
            error_class=attempts.error_class,
            error_type=type(error.__cause__ or error).__name__,
            reason=error.reason,
            attempts=0 if waits else max(attempts.count, 1),
            raw_output=error.raw_output,
        )
        log.log(logging.WARNING if waits else logging.ERROR,
                "keyflow.dead_letter processor=%s topic=%s partition=%d offset=%d class=%s number=%s reason=%s",
                self._processor.name, failed.topic, failed.partition, failed.offset, failed.error_class, number,
                failed.reason)  # fmt: skip
        return failed

    def _on_poison(self, item: Item, failed: FailedRecord, record: Record | None, table: Table[S] | None) -> Outcome[S]:
        function = self._processor.on_poison
        if function is None or failed.error_class == PARKED:
            return Outcome()
        outcome = function(failed, record, state_of(table, item.key))
        if outcome.effect is not None:
            raise FatalError(
                f"{self._processor.name}: on_poison decided the effect {outcome.effect.kind!r}, which a dead letter "
                "cannot have: return events and state alone"
            )
        return outcome

    def _what_fits(self, emits: Sequence[Emit]) -> Iterator[Write]:
        """Outputs beside a dead letter. What made the record poison may break these too: the letter goes all the same.

        Stopping instead would meet the same record again after every start.
        """
        for emit in emits:
            try:
                yield self._write(emit)
            except PoisonMessageError as error:
                log.error("keyflow.poison_left_out processor=%s topic=%s reason=%s",
                          self._processor.name, emit.topic, error.reason)  # fmt: skip

    def _state_beside_letter(self, item: Item, more: Outcome[S], table: Table[S], parked: Parked | None) -> Write:
        """The key's state after a dead letter; the one before, when what on_poison decided cannot be written."""
        try:
            entry, write = self._entry(item, more, table, parked)
        except PoisonMessageError as error:
            log.error("keyflow.poison_left_out processor=%s topic=%s reason=%s",
                      self._processor.name, table.changelog, error.reason)  # fmt: skip
            entry, write = self._entry(item, Outcome(), table, parked)
        table.put(item.key, entry)
        return write

    def _number(self, item: Item) -> int | None:
        return number_in(item.headers) if item.source_topic == self._processor.redrive_topic else None

    def _numbered(self, item: Item, table: Table[S] | None, attempts: Attempts) -> tuple[int | None, Parked | None]:
        """The number that a dead letter carries, if any, and what is known of its key from then on."""
        if table is None or not item.key:
            return None, None
        parked, number = table.parked(item.key), self._number(item)
        if parked is None and not self._processor.parking:
            return None, None
        if attempts.decided or item.effect is not None:
            parked = reopened(parked)
            return parked.next, parked
        if parked is not None and number is not None:
            return number, parked
        if item.raw_value is None:
            return None, parked  # an input without a value has no turn to wait for
        parked = joined(parked)
        return parked.last, parked

    # Encoding

    def _write(self, emit: Emit) -> Write:
        topic, headers = emit.topic, emit.headers
        try:
            value = None if emit.value is None else self._processor.encode(topic, emit.value)
        except (FatalError, RetryableError):
            raise
        except Exception as error:
            raise PoisonMessageError(f"output for {topic} breaks its schema: {type(error).__name__}") from error
        return self._checked(_new(Write, (topic, emit.key.encode(), value, headers, -1)), "output for")

    def _write_state(
        self, item: Item, outcome: Outcome[S], table: Table[S], writes: list[Write], parked: Parked | None
    ) -> None:
        entry, write = self._entry(item, outcome, table, parked)
        writes.append(write)
        # Nothing of the outcome can fail any more: the key's next record may see it.
        table.put(item.key, entry)

    def _entry(self, item: Item, outcome: Outcome[S], table: Table[S], parked: Parked | None) -> tuple[Entry, Write]:
        spec = self._processor.state
        assert spec is not None
        state = outcome.state
        try:
            data = table.raw(item.key) if state is KEEP else None if state is None else spec.encode(state)
            entry = Entry(data, outcome.effect, self._clock_ms(), parked)
            value = encode_entry(entry)
        except Exception as error:
            raise PoisonMessageError(f"the state cannot be encoded: {type(error).__name__}") from error
        write = _new(Write, (spec.changelog, item.key.encode(), value, (), item.assignment.partition))
        # What was small enough before stays so: the numbers of a parked key have room of their own.
        kept = state is KEEP and outcome.effect is None
        return entry, write if kept else self._checked(write, "state in")

    def _checked(self, write: Write, what: str) -> Write:
        topic, key, value, headers, _ = write
        size = FRAME_BYTES + len(key or b"") + len(value or b"") + (size_of(headers) if headers else 0)
        if size > self._max_message_bytes:
            raise PoisonMessageError(
                f"{what} {topic} has {size} bytes, more than the {self._max_message_bytes} allowed"
            )
        return write

    def _unchecked(self, emit: Emit) -> Write:
        # Whatever could be read can be written: topics of dead letters take larger records than others.
        return Write(emit.topic, emit.key.encode(), self._processor.encode(emit.topic, emit.value), emit.headers)


def state_of(table: Table[S] | None, key: str) -> S | None:
    """A fresh copy of a key's state.

    Raises:
        FatalError: It was written by another version, which this one cannot read.
    """
    try:
        return None if table is None else table.get(key)
    except Exception as error:
        changelog = "" if table is None else table.changelog
        raise FatalError(f"{changelog}: a state cannot be decoded: {where(error)}") from error


def where(error: Exception) -> str:
    """Names the type and the place; the message may hold customer text and stays out."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {frames[-1].filename.rsplit('/', 1)[-1]}:{frames[-1].lineno}" if frames else ""
    return f"unexpected {type(error).__name__}{place}"
