"""From the setting that names a store of catalogue versions to the store."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from keyflow.errors import FatalError

from floodgate.catalogue.blobs import Blobs, DirectoryBlobs


def open_blobs(location: str) -> Blobs:
    """The store that a setting names; connects with its first call.

    Args:
        location: `s3://bucket/prefix`, `file:///folder` or a path.

    Raises:
        FatalError: It is none of these.
    """
    parts = urlsplit(location)
    match parts.scheme:
        case "s3" if parts.netloc:
            # Only who publishes to S3 pays for importing its client.
            from floodgate.catalogue.blobs_s3 import S3Blobs  # noqa: PLC0415

            return S3Blobs(parts.netloc, parts.path.strip("/"))
        case "file" if parts.netloc in {"", "localhost"} and parts.path:
            return DirectoryBlobs(Path(unquote(parts.path)))
        case "" if location:
            return DirectoryBlobs(Path(location))
    raise FatalError(
        f"{location!r} names no store for the catalogue: write s3://bucket/prefix, file:///folder or a path"
    )
