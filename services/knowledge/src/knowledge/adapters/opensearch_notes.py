"""Keeps in OpenSearch, beside what is searched, what became of the runs; the console shows it."""

from __future__ import annotations

from typing import Final

from floodgate.knowledge.errors import opensearch_errors
from floodgate.telemetry import get_logger, one_line
from keyflow.errors import KeyflowError
from opensearchpy import OpenSearch

from knowledge.domain.noted import Notes

_log: Final = get_logger(__name__)
_MAPPING: Final = {
    "settings": {"number_of_shards": 1, "auto_expand_replicas": "0-1"},
    "mappings": {"dynamic": False, "properties": {"at": {"type": "date"}}},
}


class OpenSearchNotes:
    """See `RunNotes`; connects with its first call.

    Args:
        client: OpenSearch's client.
        index: Where the notes are kept.
    """

    def __init__(self, client: OpenSearch, index: str) -> None:
        self._client = client
        self._index = index

    def keep(self, notes: Notes) -> None:
        """See `RunNotes.keep`."""
        try:
            with opensearch_errors("noting what the sync did"):
                if not self._client.indices.exists(index=self._index):
                    self._client.indices.create(index=self._index, body=_MAPPING)
                for name, note in notes.items():
                    self._client.index(index=self._index, id=name, body=note)
        except KeyflowError as error:
            _log.warning("knowledge.not_noted", reason=one_line(error))
