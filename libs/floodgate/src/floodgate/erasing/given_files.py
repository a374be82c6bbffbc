"""Files that people keep themselves: label files, backfill inputs, exports of features."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from keyflow.errors import FatalError

from floodgate.erasing.lines import by_id, named, without
from floodgate.erasing.planning import Place, Sought

_SUFFIXES: Final = frozenset((".jsonl", ".ndjson", ".gz", ".csv", ".txt", ".parquet"))


class GivenFiles:
    """Files and folders that the caller names.

    Args:
        paths: In a folder every file of lines, and every Parquet file.
    """

    name = "given files"

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths

    def look(self, sought: Sought) -> Sequence[Place]:
        """Every line by file and number."""
        return [Place(f"{path}:{number}", 1) for path in self._files() for number in named(_read(path), sought, by_id)]

    def erase(self, sought: Sought) -> None:
        """Rewrites the files without those lines."""
        for path in self._files():
            data = _read(path)
            if any(named(data, sought, by_id)):
                beside = path.with_name(f".{path.name}.part")
                beside.write_bytes(without(data, sought, by_id))
                beside.replace(path)

    def _files(self) -> Iterator[Path]:
        for path in self._paths:
            if not path.exists():
                raise FatalError(f"{path} is not there: --in takes files and folders")
            inside = sorted(path.rglob("*")) if path.is_dir() else [path]
            yield from (each for each in inside if each.is_file() and (each == path or each.suffix in _SUFFIXES))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise FatalError(f"{path} cannot be read: {error.strerror}") from error
