"""Where ingest finds a person outside of Kafka, for `floodgate erase`: the objects that were dropped into S3."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Final

from floodgate.erasing.planning import Sought
from floodgate.erasing.s3_lines import S3Lines
from floodgate.erasing.stores import Store
from floodgate.settings import load

from ingest.domain.errors import DocumentError
from ingest.domain.identity import CUSTOMER_NAMESPACE
from ingest.domain.lines import FILE_CHANNEL, ContactInput, parse_line
from ingest.settings import IngestSettings

_ERASED: Final = "erased/"
"""Where rewritten drops go: below the drops' own prefix a new object would be read and counted again."""


def stores() -> list[Store]:
    """The drops; none where no bucket is named.

    Raises:
        FatalError: A setting is wrong.
    """
    bucket, prefix = os.environ.get("FLOODGATE_S3_BUCKET", ""), load(IngestSettings).s3_prefix
    if not bucket:
        return []
    moved: Callable[[str], str] = partial(_beside, prefix)
    return [
        S3Lines("dropped objects", f"s3://{bucket}/{prefix}", names=names_contact, moved=moved),
        S3Lines("dropped objects, rewritten", f"s3://{bucket}/{_ERASED}", names=names_contact),
    ]


def names_contact(line: bytes, sought: Sought) -> bool:
    """Whether a line has the person as its contact, or one of their ids anywhere."""
    if sought.needles.within(line):
        return True
    try:
        document = parse_line(line)
        contact = ContactInput.model_validate(document["contact"])
    except (DocumentError, KeyError, ValueError):
        return False
    channels = {str(document.get("channel") or "s3"), FILE_CHANNEL}
    ids = {(CUSTOMER_NAMESPACE, contact.external_id), *((channel, contact.id) for channel in channels)}
    return bool(ids & sought.person.outside)


def _beside(prefix: str, key: str) -> str:
    return _ERASED + key.removeprefix(prefix)
