"""Versions in a store: immutable, whole or not at all, one of them active."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from floodgate.catalogue.blobs import Blobs, ConflictError, DirectoryBlobs
from floodgate.catalogue.blobs_s3 import S3Blobs
from floodgate.catalogue.location import open_blobs
from floodgate.catalogue.published import HISTORY_LENGTH, NoSuchVersionError, PublishedCatalogue
from floodgate.catalogue.source import is_catalogue_file, read_files, version_of
from keyflow.errors import FatalError, OutageError, RetryableError
from support.memory_blobs import MemoryBlobs

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.fixture(params=["memory", "folder"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Blobs:
    return MemoryBlobs() if request.param == "memory" else DirectoryBlobs(tmp_path / "store")


def publish(published: PublishedCatalogue, files: dict[str, bytes], **changes: Any) -> str:
    given = {"actor": "ann", "reason": "because", "at": NOW, **changes}
    version = published.add(files, **given).version
    published.activate(version, action="publish", **given)
    return version


def test_a_published_version_is_read_back_byte_by_byte(blobs: Blobs, on_disk: Any) -> None:
    published = PublishedCatalogue(blobs)
    files = read_files(on_disk.directory)
    version = publish(published, files)
    pointer = published.pointer()
    assert pointer is not None
    assert (pointer.version, pointer.latest.actor, pointer.latest.previous) == (version, "ann", None)
    assert published.files(version) == files
    assert published.load(version).company == "Anyco"
    assert version == version_of(files)


def test_the_history_says_who_when_why_and_what_was_before(blobs: Blobs, on_disk: Any) -> None:
    published = PublishedCatalogue(blobs)
    first = publish(published, read_files(on_disk.directory))
    on_disk.edit("catalogue.yaml", "Anyco", "Otherco")
    second = publish(published, read_files(on_disk.directory), actor="bob", reason="name", at=NOW + timedelta(hours=1))
    pointer = published.pointer()
    assert pointer is not None
    assert [(entry.version, entry.actor, entry.previous) for entry in pointer.history] == [
        (second, "bob", first),
        (first, "ann", None),
    ]
    assert [manifest.version for manifest in published.manifests()] == [second, first]


def test_what_is_gone_back_to_is_what_the_active_version_replaced(blobs: Blobs, on_disk: Any) -> None:
    published = PublishedCatalogue(blobs)
    versions = []
    for old, new in (("Anyco", "A"), ("company: A", "company: B"), ("company: B", "company: C")):
        on_disk.edit("catalogue.yaml", old, new)
        versions.append(publish(published, read_files(on_disk.directory)))
    for expected in (versions[1], versions[0]):
        pointer = published.pointer()
        assert pointer is not None
        assert published.before(pointer) == expected
        published.activate(expected, action="rollback", actor="ann", reason="", at=NOW)
    pointer = published.pointer()
    assert pointer is not None
    assert published.before(pointer) is None


def test_who_published_meanwhile_is_not_overwritten(on_disk: Any) -> None:
    blobs = MemoryBlobs()
    published = PublishedCatalogue(blobs)
    first = publish(published, read_files(on_disk.directory))
    on_disk.edit("catalogue.yaml", "Anyco", "Otherco")
    files = read_files(on_disk.directory)

    def somebody_else(action: str, _name: str) -> None:
        if action == "replace":
            blobs.before = lambda _action, _name: None
            PublishedCatalogue(blobs).activate(first, action="rollback", actor="bob", reason="", at=NOW)

    blobs.before = somebody_else
    with pytest.raises(ConflictError):
        publish(published, files)
    pointer = published.pointer()
    assert pointer is not None
    assert (pointer.version, pointer.latest.actor) == (first, "bob")


def test_a_publish_that_breaks_off_at_any_write_leaves_the_version_before_whole(on_disk: Any) -> None:
    before = read_files(on_disk.directory)
    on_disk.edit("catalogue.yaml", "Anyco", "Otherco")
    after = read_files(on_disk.directory)
    writes = len(after) + 2
    for broken in range(writes):
        blobs = MemoryBlobs()
        published = PublishedCatalogue(blobs)
        first = publish(published, before)
        begun = len(blobs.written)

        def fail(action: str, _name: str, *, blobs: MemoryBlobs = blobs, limit: int = begun + broken) -> None:
            if action == "write" and len(blobs.written) >= limit:
                raise OutageError("the store is gone")

        blobs.before = fail
        with pytest.raises(OutageError):
            publish(published, after)
        blobs.before = lambda _action, _name: None
        pointer = published.pointer()
        assert pointer is not None
        assert pointer.version == first
        assert published.files(first) == before
        second = publish(published, after)
        assert published.files(second) == after


def test_a_version_whose_files_were_changed_or_lost_is_refused_and_mended_by_publishing_it_again(on_disk: Any) -> None:
    blobs = MemoryBlobs()
    published = PublishedCatalogue(blobs)
    files = read_files(on_disk.directory)
    version = publish(published, files)
    for spoil in (
        lambda: blobs.write(f"versions/{version}/teams.yaml", b"teams: []\n"),
        lambda: blobs.kept.pop(f"versions/{version}/teams.yaml"),
    ):
        spoil()
        with pytest.raises(NoSuchVersionError, match="do not give its name"):
            published.load(version)
        published.add(files, actor="ann", reason="", at=NOW)
        assert published.files(version) == files


def test_a_version_without_a_manifest_is_not_there(on_disk: Any) -> None:
    blobs = MemoryBlobs()
    published = PublishedCatalogue(blobs)
    version = publish(published, read_files(on_disk.directory))
    del blobs.kept[f"versions/{version}/manifest.json"]
    assert published.manifests() == []
    with pytest.raises(NoSuchVersionError, match="holds no version"):
        published.files(version)


@pytest.mark.parametrize("version", ["../../../etc", "0", "", "zzzzzzzzzzzz"])
def test_a_name_that_is_no_version_finds_nothing(version: str) -> None:
    with pytest.raises(NoSuchVersionError):
        PublishedCatalogue(MemoryBlobs()).files(version)


def test_the_beginning_of_a_version_names_it(on_disk: Any) -> None:
    published = PublishedCatalogue(MemoryBlobs())
    version = publish(published, read_files(on_disk.directory))
    assert published.resolve(version[:4]) == version
    with pytest.raises(NoSuchVersionError, match="no version begins"):
        published.resolve("xyz")


def test_the_record_stays_small_however_often_it_changes(on_disk: Any) -> None:
    published = PublishedCatalogue(MemoryBlobs())
    version = publish(published, read_files(on_disk.directory))
    for _ in range(HISTORY_LENGTH + 5):
        published.activate(version, action="rollback", actor="ann", reason="", at=NOW)
    pointer = published.pointer()
    assert pointer is not None
    assert len(pointer.history) == HISTORY_LENGTH


@pytest.mark.parametrize("body", [b"", b"{}", b'{"version": "741f2fe9b0c0", "history": []}', b"[1]"])
def test_a_record_that_names_no_version_is_told_with_its_place(body: bytes) -> None:
    blobs = MemoryBlobs()
    blobs.write("current.json", body)
    with pytest.raises(FatalError, match=r"memory/current\.json"):
        PublishedCatalogue(blobs).pointer()


@pytest.mark.parametrize(
    ("name", "belongs"),
    [
        ("catalogue.yaml", True),
        ("categories/a.yaml", True),
        ("knowledge/en/a.md", True),
        ("knowledge/a.md", False),
        ("x/categories/a.yaml", False),
        ("../categories/a.yaml", False),
        ("categories/../../a.yaml", False),
        ("/categories/a.yaml", False),
        ("categories/.a.yaml", False),
        ("manifest.json", False),
    ],
)
def test_only_files_of_the_layout_belong_to_a_version(name: str, belongs: bool) -> None:
    assert is_catalogue_file(name) is belongs


@pytest.mark.parametrize("location", ["http://example.org/x", "s3://", "", "file://elsewhere/x"])
def test_a_setting_that_names_no_store_is_refused(location: str) -> None:
    with pytest.raises(FatalError, match="names no store"):
        open_blobs(location)


def test_a_setting_names_a_folder_or_a_bucket(tmp_path: Path) -> None:
    assert open_blobs(f"file://{tmp_path}/a%20b").where == f"{tmp_path}/a b"
    assert open_blobs(str(tmp_path)).where == str(tmp_path)
    assert open_blobs("s3://bucket/catalogue/").where == "s3://bucket/catalogue"


class TestS3:
    @pytest.fixture
    def client(self) -> Any:
        return boto3.client("s3", region_name="eu-west-1", aws_access_key_id="test", aws_secret_access_key="test")

    @pytest.fixture
    def stub(self, client: Any) -> Any:
        with Stubber(client) as stub:
            yield stub
            stub.assert_no_pending_responses()

    @pytest.fixture
    def blobs(self, client: Any) -> S3Blobs:
        return S3Blobs("bucket", "catalogue", lambda: client)

    def test_a_first_record_is_written_only_where_there_is_none(self, blobs: S3Blobs, stub: Any) -> None:
        expected = {"Bucket": "bucket", "Key": "catalogue/current.json", "Body": b"{}", "IfNoneMatch": "*"}
        stub.add_response("put_object", {}, {**expected, "ContentType": "application/json"})
        blobs.replace("current.json", b"{}", None)

    def test_a_record_is_replaced_only_where_it_is_the_one_that_was_read(self, blobs: S3Blobs, stub: Any) -> None:
        expected = {"Bucket": "bucket", "Key": "catalogue/current.json", "Body": b"{}", "IfMatch": '"tag"'}
        stub.add_response("put_object", {}, {**expected, "ContentType": "application/json"})
        blobs.replace("current.json", b"{}", '"tag"')

    @pytest.mark.parametrize(("code", "status"), [("PreconditionFailed", 412), ("ConditionalRequestConflict", 409)])
    def test_another_one_there_is_a_conflict(self, blobs: S3Blobs, stub: Any, code: str, status: int) -> None:
        stub.add_client_error("put_object", code, http_status_code=status)
        with pytest.raises(ConflictError, match="changed meanwhile"):
            blobs.replace("current.json", b"{}", '"tag"')

    def test_a_store_without_conditional_writes_is_asked_just_before(self, blobs: S3Blobs, stub: Any) -> None:
        stub.add_client_error("put_object", "NotImplemented", http_status_code=501)
        stub.add_client_error("get_object", "NoSuchKey", http_status_code=404)
        stub.add_response("put_object", {})
        blobs.replace("current.json", b"{}", None)

    def test_what_is_not_there_is_none(self, blobs: S3Blobs, stub: Any) -> None:
        stub.add_client_error("get_object", "NoSuchKey", http_status_code=404)
        assert blobs.read("current.json") is None

    @pytest.mark.parametrize(
        ("code", "error", "words"),
        [
            ("NoSuchBucket", FatalError, "no such bucket"),
            ("AccessDenied", FatalError, "access refused"),
            ("SlowDown", RetryableError, "refused for now"),
        ],
    )
    def test_errors_name_the_place_and_what_to_do(
        self, blobs: S3Blobs, stub: Any, code: str, error: type[Exception], words: str
    ) -> None:
        stub.add_client_error("get_object", code)
        with pytest.raises(error, match=words) as raised:
            blobs.read("current.json")
        assert "s3://bucket/catalogue/current.json" in str(raised.value)

    def test_names_are_relative_to_the_prefix(self, blobs: S3Blobs, stub: Any) -> None:
        stub.add_response(
            "list_objects_v2",
            {"Contents": [{"Key": "catalogue/versions/b"}, {"Key": "catalogue/versions/a"}]},
            {"Bucket": "bucket", "Prefix": "catalogue/versions/"},
        )
        assert blobs.names("versions") == ["versions/a", "versions/b"]
