"""Documents of a folder."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from floodgate.catalogue import KnowledgeSource

from knowledge.adapters.file_documents import file_document, readable
from knowledge.domain.documents import Document, Refused, allowed
from knowledge.ports_sources import SourceError


class DirectorySource:
    """See `Reader`: files under `location`, links out of it left alone."""

    def read(self, source: KnowledgeSource) -> Iterator[Document | Refused]:
        """See `Reader.read`."""
        root = Path(source.location)
        if not root.is_dir():
            raise SourceError(f"{root} is no folder: correct `location` in sources.yaml")
        inside = root.resolve()
        for path in sorted(root.rglob("*")):
            name = path.relative_to(root).as_posix()
            if path.is_file() and not any(part.startswith(".") for part in Path(name).parts):
                yield self._one(source, path, name, inside)

    def _one(self, source: KnowledgeSource, path: Path, name: str, inside: Path) -> Document | Refused:
        if not path.resolve().is_relative_to(inside):
            return Refused(key=name, reason="a link out of the folder")
        if not allowed(source, name):
            return Refused(key=name, reason="not on the list")
        if not readable(name):
            return Refused(key=name, reason="not a text, Markdown or HTML file")
        state = path.stat()
        if state.st_size > source.max_document_bytes:
            return Refused(key=name, reason="too large")
        return file_document(name, path.read_bytes(), datetime.fromtimestamp(state.st_mtime, UTC))
