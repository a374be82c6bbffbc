"""The engine's redrive for the desk: what `floodgate dlq` does, for a person who is named."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from floodgate.deadletters import Decision, Letters, Redriven, Redriver, decide
from floodgate.deadletters.correcting import corrected_value
from floodgate.deadletters.masking import decoded
from floodgate.events import DeadLetter
from floodgate.events.serde import AvroSerde
from floodgate.settings import KafkaSettings
from keyflow.errors import FatalError

_REHEARSAL_SECONDS: Final = 120.0


class DeadLetterDesk:
    """Everything that can be done with letters. Blocking calls; give them to a thread.

    Args:
        settings: Where Kafka is.
        serde: Decodes and encodes.
    """

    def __init__(self, settings: KafkaSettings, serde: AvroSerde) -> None:
        self._settings = settings
        self._serde = serde

    def letters(self, wanted: Collection[str]) -> list[DeadLetter]:
        """The letters of these ids, the oldest first.

        Raises:
            FatalError: Kafka does not answer.
        """
        names = set(wanted)
        return [letter for letter in Letters(self._settings, self._serde).all() if str(letter.event_id) in names]

    def destination(self, letter: DeadLetter) -> Decision:
        """Where it would go, and why not; what was done before is not asked here."""
        return decide(letter, {})

    def payload(self, letter: DeadLetter) -> Any:
        """The payload as JSON types; None of what cannot be read."""
        return decoded(letter, self._serde)

    def corrected(self, letter: DeadLetter, text: str) -> bytes:
        """The bytes that would go back.

        Raises:
            FatalError: The text does not fit; says where.
        """
        return corrected_value(letter, text.encode(), self._serde)

    def redrive(
        self, letters: Sequence[DeadLetter], *, actor: str, reason: str, corrected: bytes | None = None
    ) -> Redriven:
        """Sends letters back, each at most once.

        Raises:
            FatalError: Kafka refuses, or another redrive runs.
        """
        return self._redriver(actor).redrive(letters, reason=reason, corrected=corrected)

    def discard(self, letters: Sequence[DeadLetter], *, actor: str, reason: str) -> Redriven:
        """Gives letters up.

        Raises:
            FatalError: Kafka refuses, or another redrive runs.
        """
        return self._redriver(actor).discard(letters, reason=reason)

    async def rehearse(self, letter_id: str, corrected: str) -> tuple[dict[str, Any] | None, str]:
        """What today's code would make of it, masked; or why that cannot be said.

        A process of its own: a service's models and prompts do not stay in the console.
        """
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-m", "floodgate.cli.main", "dlq", "rehearse", letter_id]
            if corrected:
                path = Path(folder) / "corrected.json"
                await asyncio.to_thread(path.write_text, corrected, encoding="utf-8")
                command += ["--value", str(path)]
            return await _run(command)

    def _redriver(self, actor: str) -> Redriver:
        letters = Letters(self._settings, self._serde)
        return Redriver(self._settings, self._serde, letters, now=lambda: datetime.now(UTC), actor=actor)


async def _run(command: Sequence[str]) -> tuple[dict[str, Any] | None, str]:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=dict(os.environ)
    )
    try:
        out, errors = await asyncio.wait_for(process.communicate(), _REHEARSAL_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()
        return None, f"The rehearsal took longer than {_REHEARSAL_SECONDS:.0f} s and was stopped."
    try:
        facts: dict[str, Any] = json.loads(out)
    except ValueError:
        return None, last_line(errors.decode(errors="replace"))
    return facts, ""


def last_line(text: str) -> str:
    """What a command said at the end, without its name."""
    lines = [line.strip() for line in text.splitlines() if line.strip().startswith("floodgate:")]
    return lines[-1].removeprefix("floodgate:").strip() if lines else "The rehearsal ended without a result."


def one(found: Sequence[DeadLetter]) -> DeadLetter:
    """The one letter.

    Raises:
        FatalError: It is gone.
    """
    if len(found) != 1:
        raise FatalError("the letter is gone: letters are kept for 90 days")
    return found[0]
