"""A backup as files: `cut.json` says what stood where, chunks hold the records, `manifest.json` closes it.

cut.json                                        offsets, group offsets and schemas of one instant
records/<id>/<topic>/<partition>/<first>.avro   records in Avro container files, which other tools read too
manifest.json                                   every chunk with its SHA-256; written last
"""

from __future__ import annotations

import hashlib
import io
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple, TypeVar

import fastavro
from keyflow.errors import FatalError
from pydantic import BaseModel, ConfigDict, ValidationError

from floodgate.catalogue.blobs import Blobs

M = TypeVar("M", bound=BaseModel)

CUT: Final = "cut.json"
MANIFEST: Final = "manifest.json"
_MARKER: Final = b"floodgate-backup"
_SCHEMA: Final = fastavro.parse_schema(
    {
        "type": "record",
        "name": "KafkaRecord",
        "namespace": "floodgate.backup",
        "fields": [
            {"name": "offset", "type": "long"},
            {"name": "timestamp_ms", "type": "long"},
            {"name": "key", "type": ["null", "bytes"]},
            {"name": "value", "type": ["null", "bytes"]},
            {
                "name": "headers",
                "type": {
                    "type": "array",
                    "items": {
                        "type": "record",
                        "name": "Header",
                        "fields": [{"name": "name", "type": "string"}, {"name": "value", "type": ["null", "bytes"]}],
                    },
                },
            },
        ],
    }
)


class Stored(NamedTuple):
    """A record as it stood in Kafka."""

    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Bounds(_Frozen):
    """Of a partition: its first offset, and the end of what was committed."""

    start: int
    end: int


class TopicCut(_Frozen):
    """A topic.

    Attributes:
        avro: Whether its values begin with a schema's id.
    """

    config: dict[str, str]
    avro: bool
    partitions: tuple[Bounds, ...]

    @property
    def compacted(self) -> bool:
        """Whether the newest record of a key holds for ever."""
        return self.config.get("cleanup.policy") == "compact"


class Committed(_Frozen):
    """What a group has committed for a partition."""

    topic: str
    partition: int
    offset: int
    metadata: str = ""


class RegisteredSchema(_Frozen):
    """A version of a subject."""

    subject: str
    version: int
    id: int
    text: str


class Cut(_Frozen):
    """How things stood at one instant."""

    format: int = 1
    id: str
    at_ms: int
    topics: dict[str, TopicCut]
    groups: dict[str, tuple[Committed, ...]]
    schemas: tuple[RegisteredSchema, ...]

    def places(self) -> Iterator[tuple[str, int, Bounds]]:
        """Every partition; compacted topics first, since cleaning takes away what stood in them."""
        for name, topic in sorted(self.topics.items(), key=lambda item: (not item[1].compacted, item[0])):
            for partition, bounds in enumerate(topic.partitions):
                yield name, partition, bounds


class Chunk(_Frozen):
    """A file of records of one partition; `first` and `last` are offsets."""

    topic: str
    partition: int
    name: str
    sha256: str
    records: int
    first: int
    last: int


class Manifest(_Frozen):
    """Closes a backup."""

    cut_sha256: str
    chunks: tuple[Chunk, ...]

    @property
    def records(self) -> int:
        """How many there are."""
        return sum(chunk.records for chunk in self.chunks)

    def of(self, topic: str, partition: int) -> list[Chunk]:
        """The chunks of a partition, in order."""
        return sorted((c for c in self.chunks if (c.topic, c.partition) == (topic, partition)), key=lambda c: c.first)


def sha256(body: bytes) -> str:
    """The checksum of a file."""
    return hashlib.sha256(body).hexdigest()


def packed(records: Sequence[Stored]) -> bytes:
    """A chunk's bytes."""
    out = io.BytesIO()
    rows = [
        {**each._asdict(), "headers": [{"name": name, "value": value} for name, value in each.headers]}
        for each in records
    ]
    # The marker is random otherwise; so the same records give the same bytes.
    fastavro.writer(out, _SCHEMA, rows, codec="deflate", sync_marker=_MARKER)
    return out.getvalue()


def unpacked(body: bytes) -> list[Stored]:
    """What `packed` wrote.

    Raises:
        ValueError: It is something else.
    """
    found: list[Stored] = []
    for row in fastavro.reader(io.BytesIO(body)):
        fields: Mapping[str, Any] = row  # type: ignore[assignment]
        headers = tuple((header["name"], header["value"]) for header in fields["headers"])
        found.append(Stored(fields["offset"], fields["timestamp_ms"], fields["key"], fields["value"], headers))
    return found


class Archive:
    """A backup in a store.

    Args:
        blobs: The store.
    """

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs
        self.offsets_in = lru_cache(maxsize=8)(self._offsets_in)

    @property
    def where(self) -> str:
        """What people call it."""
        return self._blobs.where

    def begun(self) -> Cut | None:
        """The cut of a backup that is whole, or was begun; None when there is none."""
        blob = self._blobs.read(CUT)
        return None if blob is None else self._parsed(Cut, CUT, blob.body)

    def begin(self, cut: Cut) -> None:
        """Keeps the cut: from here on the backup can be taken up again."""
        self._blobs.write(CUT, _text(cut))

    def close(self, cut: Cut, chunks: Sequence[Chunk]) -> Manifest:
        """Writes the manifest: the backup is whole."""
        manifest = Manifest(cut_sha256=sha256(_text(cut)), chunks=tuple(chunks))
        self._blobs.write(MANIFEST, _text(manifest))
        return manifest

    def is_whole(self) -> bool:
        """Whether there is a backup that was finished."""
        return self._blobs.read(MANIFEST) is not None

    def opened(self) -> tuple[Cut, Manifest]:
        """A whole backup's cut and manifest.

        Raises:
            FatalError: There is none, it was not finished, or the two do not belong together.
        """
        cut, blob = self._blobs.read(CUT), self._blobs.read(MANIFEST)
        if cut is None:
            raise FatalError(f"{self.where} holds no backup")
        if blob is None:
            raise FatalError(f"{self.where}: the backup was not finished: say `floodgate backup create` again")
        manifest = self._parsed(Manifest, MANIFEST, blob.body)
        if sha256(cut.body) != manifest.cut_sha256:
            raise FatalError(f"{self.where}/{CUT} is not the file that was written (SHA-256): take another backup")
        return self._parsed(Cut, CUT, cut.body), manifest

    def write(self, cut: Cut, topic: str, partition: int, records: Sequence[Stored]) -> Chunk:
        """Adds a chunk."""
        name = f"{_folder(cut, topic, partition)}/{records[0].offset:020d}.avro"
        body = packed(records)
        self._blobs.write(name, body)
        return _chunk(topic, partition, name, body, records)

    def chunks(self, cut: Cut, topic: str, partition: int) -> list[Chunk]:
        """What was written of a partition before."""
        found = []
        for name in self._blobs.names(_folder(cut, topic, partition)):
            body = self._body(name)
            found.append(_chunk(topic, partition, name, body, self._unpacked(name, body)))
        return found

    def records(self, chunk: Chunk) -> list[Stored]:
        """A chunk's records.

        Raises:
            FatalError: It is not the file that was written.
        """
        body = self._body(chunk.name)
        if sha256(body) != chunk.sha256:
            raise FatalError(
                f"{self.where}/{chunk.name} is not the file that was written (SHA-256): take another backup"
            )
        return self._unpacked(chunk.name, body)

    def _offsets_in(self, chunk: Chunk) -> list[int]:
        return [record.offset for record in self.records(chunk)]

    def rank(self, chunks: Sequence[Chunk], offset: int) -> int:
        """How many records of a partition's chunks stand below an offset."""
        below = sum(chunk.records for chunk in chunks if chunk.last < offset)
        around = [chunk for chunk in chunks if chunk.first < offset <= chunk.last]
        return below + sum(bisect_left(self.offsets_in(chunk), offset) for chunk in around)

    def _body(self, name: str) -> bytes:
        blob = self._blobs.read(name)
        if blob is None:
            raise FatalError(f"{self.where}/{name} is missing: take another backup")
        return blob.body

    def _unpacked(self, name: str, body: bytes) -> list[Stored]:
        try:
            return unpacked(body)
        except Exception as error:
            # fastavro raises whatever broken bytes lead to.
            raise FatalError(f"{self.where}/{name} is no chunk of records ({type(error).__name__})") from error

    def _parsed(self, kind: type[M], name: str, body: bytes) -> M:
        try:
            return kind.model_validate_json(body)
        except ValidationError as error:
            raise FatalError(f"{self.where}/{name} is not of a version that this program knows") from error


def _chunk(topic: str, partition: int, name: str, body: bytes, records: Sequence[Stored]) -> Chunk:
    return Chunk(
        topic=topic,
        partition=partition,
        name=name,
        sha256=sha256(body),
        records=len(records),
        first=records[0].offset,
        last=records[-1].offset,
    )


def _folder(cut: Cut, topic: str, partition: int) -> str:
    return f"records/{cut.id}/{topic}/{partition}"


def _text(model: BaseModel) -> bytes:
    return model.model_dump_json(indent=1).encode()
