"""The store's promises on a server that speaks S3's protocol: a record is only replaced by who has seen it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import boto3
import pytest
from floodgate.catalogue.blobs import ConflictError
from floodgate.catalogue.blobs_s3 import S3Blobs
from floodgate.catalogue.published import PublishedCatalogue
from floodgate.catalogue.source import read_files
from floodgate_local.state import repository_root
from keyflow.errors import FatalError

pytestmark = pytest.mark.integration


@pytest.fixture
def blobs(stack_env: dict[str, str]) -> Iterator[S3Blobs]:
    bucket, prefix = stack_env["FLOODGATE_S3_BUCKET"], f"test-{uuid.uuid4().hex[:8]}"
    yield S3Blobs(bucket, prefix)
    boto3.resource("s3").Bucket(bucket).objects.filter(Prefix=f"{prefix}/").delete()


def test_a_record_is_replaced_only_by_who_has_seen_it(blobs: S3Blobs) -> None:
    assert blobs.read("current.json") is None
    blobs.replace("current.json", b"1", None)
    with pytest.raises(ConflictError):
        blobs.replace("current.json", b"other", None)
    seen = blobs.read("current.json")
    assert seen is not None
    blobs.replace("current.json", b"2", seen.tag)
    with pytest.raises(ConflictError):
        blobs.replace("current.json", b"other", seen.tag)
    last = blobs.read("current.json")
    assert last is not None
    assert last.body == b"2"


def test_our_own_catalogue_is_read_back_and_many_who_activate_at_once_all_leave_a_trace(blobs: S3Blobs) -> None:
    files = read_files(repository_root() / "catalogue")
    version = PublishedCatalogue(blobs).add(files, actor="ann", reason="", at=datetime.now(UTC)).version
    assert PublishedCatalogue(blobs).files(version) == files
    [manifest] = PublishedCatalogue(blobs).manifests()
    assert manifest.version == version

    def activate(actor: int) -> int:
        """How often somebody else was first."""
        for conflicts in range(100):
            try:
                PublishedCatalogue(blobs).activate(
                    version, action="publish", actor=str(actor), reason="", at=datetime.now(UTC)
                )
            except ConflictError:
                continue
            return conflicts
        raise AssertionError("never first")

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(activate, range(8)))
    pointer = PublishedCatalogue(blobs).pointer()
    assert pointer is not None
    assert sorted(entry.actor for entry in pointer.history) == [str(actor) for actor in range(8)]


def test_a_bucket_that_is_not_there_is_told(stack_env: dict[str, str]) -> None:
    with pytest.raises(FatalError, match="no such bucket"):
        S3Blobs("no-such-bucket-here", "catalogue").read("current.json")
