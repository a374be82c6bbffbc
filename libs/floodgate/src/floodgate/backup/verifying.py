"""Whether a backup is what was written, and whether its records can be read with the schemas in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from keyflow.errors import FatalError

from floodgate.backup.archive import Archive, Chunk, Cut, Manifest, Stored

_HEAD_BYTES: Final = 5


def problems(archive: Archive, cut: Cut, manifest: Manifest, tell: Callable[[str], None] = lambda _: None) -> list[str]:
    """Everything that is wrong; empty when nothing is."""
    found: list[str] = []
    for topic, partition, bounds in cut.places():
        position = bounds.start
        for chunk in manifest.of(topic, partition):
            try:
                records = archive.records(chunk)
            except FatalError as error:
                found.append(str(error))
                continue
            found += _wrong(chunk, records, position, bounds.end)
            position = chunk.last + 1
    tell(f"{len(manifest.chunks)} files read")
    return found


def _wrong(chunk: Chunk, records: Sequence[Stored], position: int, end: int) -> list[str]:
    offsets = [record.offset for record in records]
    if len(offsets) != chunk.records or (offsets[0], offsets[-1]) != (chunk.first, chunk.last):
        return [f"{chunk.name}: not the records that the manifest names"]
    if offsets != sorted(set(offsets)) or offsets[0] < position or offsets[-1] >= end:
        return [f"{chunk.name}: offsets are out of order"]
    return []


def without_schema(archive: Archive, cut: Cut, manifest: Manifest) -> int:
    """How many records of Avro topics name a schema that is not in the backup, or none.

    Such a record could not be read before either: it is some service's dead letter. Many of them mean that a subject
    was deleted.
    """
    ids = {schema.id for schema in cut.schemas}
    values = (
        record.value
        for chunk in manifest.chunks
        if cut.topics[chunk.topic].avro
        for record in archive.records(chunk)
        if record.value is not None
    )
    return sum(value[:1] != b"\0" or int.from_bytes(value[1:_HEAD_BYTES], "big") not in ids for value in values)
