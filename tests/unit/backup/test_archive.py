"""What a backup's files say, and what becomes of offsets and schemas in another cluster."""

from __future__ import annotations

import json

import pytest
from floodgate.backup.archive import (
    Archive,
    Bounds,
    Committed,
    Cut,
    Manifest,
    RegisteredSchema,
    Stored,
    TopicCut,
    packed,
    unpacked,
)
from floodgate.backup.registry import put_back, schemas_of
from floodgate.backup.translating import moved
from floodgate.backup.verifying import problems, without_schema
from hypothesis import given
from hypothesis import strategies as st
from keyflow import FatalError
from keyflow.offsets import decode, encode
from support.memory_blobs import MemoryBlobs

LETTERS = TopicCut(config={"cleanup.policy": "delete"}, avro=True, partitions=(Bounds(start=2, end=9),))
STATE = TopicCut(config={"cleanup.policy": "compact"}, avro=False, partitions=(Bounds(start=0, end=4),))


def schema(number: int, subject: str = "letters-value", version: int = 1) -> RegisteredSchema:
    return RegisteredSchema(subject=subject, version=version, id=number, text=json.dumps({"type": f"kind-{number}"}))


def cut(*schemas: RegisteredSchema) -> Cut:
    return Cut(
        id="c1", at_ms=1, topics={"letters": LETTERS, "state": STATE}, groups={}, schemas=schemas or (schema(7),)
    )


def letter(offset: int, schema_id: int = 7) -> Stored:
    return Stored(
        offset,
        1000 + offset,
        b"key",
        b"\0" + schema_id.to_bytes(4, "big") + b"data",
        (("trace", b"t"), ("empty", None)),
    )


def archived(*letters: Stored) -> tuple[Archive, MemoryBlobs, Cut, Manifest]:
    blobs = MemoryBlobs()
    archive, taken = Archive(blobs), cut()
    archive.begin(taken)
    half = len(letters) // 2
    chunks = [archive.write(taken, "letters", 0, part) for part in (letters[:half], letters[half:]) if part]
    return archive, blobs, taken, archive.close(taken, chunks)


def test_a_chunk_gives_back_tombstones_empty_values_and_headers_and_is_the_same_each_time() -> None:
    records = [letter(3), Stored(5, 0, None, None), Stored(6, 2, b"", b"", (("a", b""), ("a", b"2")))]
    assert unpacked(packed(records)) == records
    assert packed(records) == packed(records)


def test_a_whole_backup_has_no_problems_and_compacted_topics_are_copied_first() -> None:
    archive, _, taken, manifest = archived(letter(2), letter(4), letter(8))
    assert problems(archive, taken, manifest) == []
    assert manifest.records == 3
    assert [topic for topic, _, _ in taken.places()] == ["state", "letters"]
    assert archive.chunks(taken, "letters", 0) == list(manifest.chunks)


def test_what_was_changed_since_is_found() -> None:
    archive, blobs, taken, manifest = archived(letter(2), letter(4), letter(8, schema_id=8), letter(3))
    first, second = manifest.of("letters", 0)
    blobs.write(first.name, packed([letter(2)]))
    del blobs.kept[second.name]
    said = problems(archive, taken, manifest)
    assert "SHA-256" in said[0]
    assert "is missing" in said[1]
    blobs.write(second.name, packed([letter(8, schema_id=8), letter(3)]))
    said = problems(archive, taken, manifest)
    assert any("out of order" in one for one in said)


def test_records_that_no_schema_of_the_backup_fits_are_counted_and_no_damage() -> None:
    archive, _, taken, manifest = archived(letter(2), letter(4, schema_id=8), Stored(5, 1, b"key", b"{}"))
    assert problems(archive, taken, manifest) == []
    assert without_schema(archive, taken, manifest) == 2


def test_a_backup_that_is_not_whole_or_not_the_one_that_was_written_is_not_opened() -> None:
    blobs = MemoryBlobs()
    with pytest.raises(FatalError, match="holds no backup"):
        Archive(blobs).opened()
    Archive(blobs).begin(cut())
    with pytest.raises(FatalError, match="not finished"):
        Archive(blobs).opened()
    Archive(blobs).close(cut(), [])
    Archive(blobs).begin(cut(schema(9)))
    with pytest.raises(FatalError, match="SHA-256"):
        Archive(blobs).opened()
    blobs.write("cut.json", b'{"format": 2}')
    with pytest.raises(FatalError):
        Archive(blobs).begun()


def test_an_offset_between_chunks_or_inside_one_counts_the_records_below_it() -> None:
    archive, _, _, manifest = archived(letter(2), letter(4), letter(7), letter(8))
    chunks = manifest.of("letters", 0)
    assert [archive.rank(chunks, offset) for offset in (0, 2, 3, 4, 5, 7, 8, 9, 50)] == [0, 0, 1, 1, 2, 2, 3, 4, 4]


@given(st.sets(st.integers(0, 60)), st.sets(st.integers(0, 60)), st.integers(0, 500))
def test_the_same_records_are_unfinished_after_an_offset_and_its_map_are_translated(
    standing: set[int], unfinished: set[int], base: int
) -> None:
    offsets = sorted(standing)
    low = min(unfinished, default=61)
    finished = [(n, n) for n in range(low, 61) if n not in unfinished]

    position, metadata = moved(low, encode(low, finished), lambda at: sum(one < at for one in offsets), base)

    done = {n for first, last in decode(position, metadata) for n in range(first, last + 1)}
    left = {offset for place, offset in enumerate(offsets) if base + place >= position and base + place not in done}
    assert left == standing & unfinished


def test_what_another_client_wrote_beside_an_offset_is_kept() -> None:
    assert moved(5, "faust", lambda _: 3, 100) == (103, "faust")
    with pytest.raises(ValueError, match="another version"):
        moved(5, "k9:AQ==", lambda _: 3, 100)


class FakeRegistry:
    """Numbers schemas as they come; the same text has one id, though a number is used up for it again."""

    def __init__(self, *there: RegisteredSchema, taken: int = 0) -> None:
        self.there = list(there)
        self.last = max([taken, *(one.id for one in there)])

    def all(self) -> list[RegisteredSchema]:
        return list(self.there)

    def register(self, subject: str, text: str) -> int:
        ids = {one.text: one.id for one in self.there}
        self.last += 1
        number = ids.get(text, self.last)
        version = 1 + sum(one.subject == subject for one in self.there)
        self.there.append(RegisteredSchema(subject=subject, version=version, id=number, text=text))
        return number

    def delete(self, subject: str) -> None:
        self.there = [one for one in self.there if one.subject != subject]


def test_schemas_get_their_ids_back_in_an_empty_registry_and_nothing_else_stays() -> None:
    wanted = [schema(2), schema(5, version=2), schema(5, "copies-value"), schema(9, "others-value")]
    registry = FakeRegistry()
    assert put_back(registry, wanted) == 4
    assert sorted(registry.all(), key=lambda one: (one.id, one.subject)) == sorted(
        wanted, key=lambda one: (one.id, one.subject)
    )
    assert put_back(registry, wanted) == 0


def test_a_registry_that_outlived_the_cluster_is_left_as_it_is() -> None:
    registry = FakeRegistry(schema(2), schema(3))
    assert put_back(registry, [schema(2)]) == 0
    assert put_back(registry, [schema(2), schema(6)]) == 1


def test_a_registry_that_gave_the_ids_to_others_is_refused() -> None:
    with pytest.raises(FatalError, match="never used"):
        put_back(FakeRegistry(RegisteredSchema(subject="x", version=1, id=2, text='"string"')), [schema(2)])
    with pytest.raises(FatalError, match="never used"):
        put_back(FakeRegistry(taken=40), [schema(2)])
    with pytest.raises(FatalError, match="too far"):
        put_back(FakeRegistry(), [schema(1_000_000)])


def test_only_schemas_of_the_topics_are_kept() -> None:
    registry = FakeRegistry(schema(2), schema(3, "elsewhere-value"))
    assert schemas_of(registry, ["letters"]) == (schema(2),)


def test_what_a_group_committed_is_kept_word_for_word() -> None:
    committed = Committed(topic="letters", partition=0, offset=4, metadata="k1:AQE=")
    taken = cut().model_copy(update={"groups": {"g": (committed,)}})
    assert Cut.model_validate_json(taken.model_dump_json()) == taken
