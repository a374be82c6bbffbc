"""The offline store as Parquet files under hourly partitions, for people without SageMaker."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
from keyflow.errors import FatalError

from summarizer.domain.features import EVENT_TIME_FEATURE, feature_definitions
from summarizer.domain.offline import Row, merged, partition_of

_FILE: Final = "features.parquet"
_TYPES: Final = {"String": pa.string(), "Fractional": pa.float64(), "Integral": pa.int64()}
_MOMENT: Final = pa.timestamp("ms", tz="UTC")


def schema() -> pa.Schema:
    """Every feature, then what the offline store adds."""
    fields = [(feature.name, _TYPES[feature.kind]) for feature in feature_definitions()]
    return pa.schema([*fields, ("api_invocation_time", _MOMENT), ("write_time", _MOMENT), ("is_deleted", pa.bool_())])


class ParquetOfflineStore:
    """A folder of hourly partitions with one file each; the same rows written twice change nothing.

    Args:
        root: The folder.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def write(self, rows: Iterable[Row]) -> tuple[int, int]:
        """Adds rows to their partitions; how many there are now, in how many partitions.

        Raises:
            FatalError: The folder cannot be written, or holds something else.
        """
        of_partition: dict[str, list[Row]] = {}
        for row in rows:
            of_partition.setdefault(partition_of(row[EVENT_TIME_FEATURE]), []).append(row)
        total = 0
        for name, new in sorted(of_partition.items()):
            total += self._merge(self._root / name / _FILE, new)
        return total, len(of_partition)

    def rows(self, since: datetime | None = None, until: datetime | None = None) -> Iterator[Row]:
        """The rows of a period (by hour), oldest first.

        Raises:
            FatalError: A file cannot be read.
        """
        for path in sorted(self._root.glob(f"year=*/month=*/day=*/hour=*/{_FILE}")):
            hour = _hour(path)
            if (since is None or hour >= since.replace(minute=0, second=0, microsecond=0)) and (
                until is None or hour < until
            ):
                yield from _read(path)

    def _merge(self, path: Path, new: list[Row]) -> int:
        kept = merged([*(_read(path) if path.is_file() else []), *new])
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            beside = path.with_suffix(".part")
            pq.write_table(pa.Table.from_pylist(kept, schema=schema()), beside)
            beside.replace(path)
        except OSError as error:
            raise FatalError(f"{path}: {error.strerror}; name a folder that may be written") from error
        return len(kept)


def write_table(rows: list[Row], path: Path) -> None:
    """Any rows as one Parquet file.

    Raises:
        FatalError: It cannot be written.
    """
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns: dict[str, list[Any]] = {name: [row.get(name) for row in rows] for name in names}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table(columns), path)
    except OSError as error:
        raise FatalError(f"{path}: {error.strerror}; name a file that may be written") from error


def _read(path: Path) -> list[Row]:
    try:
        # By the file alone: the folders above it would become columns.
        rows: list[Row] = pq.ParquetFile(path).read().to_pylist()
    except (OSError, pa.ArrowException) as error:
        raise FatalError(f"{path}: is no Parquet file of features; remove it and export again") from error
    return rows


def _hour(path: Path) -> datetime:
    parts = {name: int(value) for name, _, value in (p.name.partition("=") for p in path.parents) if value.isdigit()}
    return datetime(parts["year"], parts["month"], parts["day"], parts["hour"], tzinfo=UTC)
