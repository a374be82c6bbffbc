"""A store of published versions in memory, which can be made to fail."""

from __future__ import annotations

from collections.abc import Callable

from floodgate.catalogue.blobs import Blob, ConflictError


class MemoryBlobs:
    """See `floodgate.catalogue.blobs.Blobs`. `before` is called with what is about to be done and its name."""

    where = "memory"

    def __init__(self) -> None:
        self.kept: dict[str, Blob] = {}
        self.written: list[str] = []
        self.before: Callable[[str, str], None] = lambda _action, _name: None
        self._count = 0

    def read(self, name: str) -> Blob | None:
        self.before("read", name)
        return self.kept.get(name)

    def write(self, name: str, body: bytes) -> None:
        self.before("write", name)
        self._count += 1
        self.kept[name] = Blob(body, str(self._count))
        self.written.append(name)

    def replace(self, name: str, body: bytes, expected: str | None) -> None:
        self.before("replace", name)
        there = self.kept.get(name)
        if (there.tag if there is not None else None) != expected:
            raise ConflictError(f"{name} was changed meanwhile")
        self.write(name, body)

    def names(self, folder: str) -> list[str]:
        self.before("list", folder)
        return sorted(name for name in self.kept if name.startswith(f"{folder}/"))
