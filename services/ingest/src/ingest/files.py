"""Files of conversations or finished interactions, read at a rate, with progress."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import BinaryIO, Final

from keyflow.errors import FatalError

from ingest.adapters.s3_objects import LineReader, open_text
from ingest.domain.lines import Line

_MAX_CHUNK_LINES: Final = 200
Progress = Callable[[int], None]
"""Called with the bytes read so far."""


class FileBatches:
    """The lines of a file in batches, no faster than asked.

    Args:
        path: JSON Lines, gzip or plain.
        lines_per_second: Upper bound; None: as fast as Kafka takes them.
        progress: Told how far the reading has come.
    """

    def __init__(self, path: Path, lines_per_second: float | None, progress: Progress) -> None:
        self._path = path
        self._lines_per_second = lines_per_second
        self._progress = progress

    async def batches(self) -> AsyncIterator[Sequence[Line]]:
        """The lines.

        Raises:
            FatalError: The file cannot be opened.
            UnreadableObjectError: The rest of it cannot be unpacked.
        """
        began = asyncio.get_running_loop().time()
        sent = 0
        with self._open() as file:
            reader = LineReader(open_text(file))
            while lines := await asyncio.to_thread(reader.batch):
                for start in range(0, len(lines), self._chunk_lines()):
                    chunk = lines[start : start + self._chunk_lines()]
                    yield chunk
                    sent += len(chunk)
                    await self._pace(began, sent)
                self._progress(file.tell())

    def _chunk_lines(self) -> int:
        if self._lines_per_second is None:
            return _MAX_CHUNK_LINES
        # Ten steps a second make an even flow.
        return max(1, min(_MAX_CHUNK_LINES, int(self._lines_per_second / 10)))

    async def _pace(self, began: float, sent: int) -> None:
        if self._lines_per_second is not None:
            due = began + sent / self._lines_per_second
            await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))

    def _open(self) -> BinaryIO:
        try:
            return self._path.open("rb")
        except OSError as error:
            raise FatalError(f"{self._path}: {error.strerror}") from error
