"""What a person wrote and reviewers made an example: in the catalogue's folder it goes, published versions are told.

An example holds what a customer wrote with personal data masked. It is told by its text, as far as topics still have
it or the caller gives it; nothing in the catalogue says whose words they were.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml
from keyflow.errors import FatalError

from floodgate.catalogue.loader import inspect_catalogue
from floodgate.catalogue.location import open_blobs
from floodgate.catalogue.published import PublishedCatalogue
from floodgate.erasing.planning import Place, Sought
from floodgate.privacy.redaction import PLACEHOLDER
from floodgate.settings import CatalogueSettings

_CATEGORIES: Final = "categories"
_SHORTEST: Final = 20
"""Characters: "where is my order" is everybody's."""


@dataclass(frozen=True, slots=True)
class _Example:
    text: str
    first: int
    """Line, from 0."""
    after: int


class CatalogueExamples:
    """The working catalogue and its published versions.

    Args:
        settings: Where they are.
    """

    name = "the catalogue's examples"

    def __init__(self, settings: CatalogueSettings) -> None:
        self._settings = settings

    def look(self, sought: Sought) -> Sequence[Place]:
        """Every example by file and line, and every published version that holds one."""
        return [*self._in_folder(sought), *self._in_versions(sought)]

    def erase(self, sought: Sought) -> None:
        """Takes the examples out of the folder's files; undone where the catalogue would not be valid.

        Raises:
            FatalError: A category would have too few examples left, say; nothing is changed then.
        """
        before: dict[Path, str] = {}
        for path in self._files():
            text = path.read_text("utf-8")
            theirs = list(_theirs(text, sought))
            if theirs:
                before[path] = text
                path.write_text(without(text, theirs), "utf-8")
        errors = inspect_catalogue(self._settings.dir).errors if before else ()
        if errors:
            for path, text in before.items():
                path.write_text(text, "utf-8")
            raise FatalError(
                f"the catalogue would not be valid without this person's examples: {errors[0]}: write others in their "
                "place by hand, then give the command again"
            )

    def _files(self) -> list[Path]:
        return sorted((self._settings.dir / _CATEGORIES).glob("*.yaml"))

    def _in_folder(self, sought: Sought) -> Iterator[Place]:
        for path in self._files():
            for example in _theirs(path.read_text("utf-8"), sought):
                yield Place(f"{path}:{example.first + 1}", 1, None, "an example")

    def _in_versions(self, sought: Sought) -> Iterator[Place]:
        if not self._settings.store:
            return
        published = PublishedCatalogue(open_blobs(self._settings.store))
        for manifest in published.manifests():
            files = published.files(manifest.version)
            texts = [body.decode("utf-8") for name, body in files.items() if name.startswith(f"{_CATEGORIES}/")]
            count = sum(len(list(_theirs(text, sought))) for text in texts)
            if count:
                remedy = "`floodgate catalogue publish` the folder, then remove this version from the store"
                yield Place(f"{published.where}: version {manifest.version}", count, None, remedy)


def without(text: str, examples: Iterable[_Example]) -> str:
    """The file without these examples; every other line as it was."""
    gone = {number for example in examples for number in range(example.first, example.after)}
    return "".join(line for number, line in enumerate(text.splitlines(keepends=True)) if number not in gone)


def is_theirs(example: str, sought: Sought) -> bool:
    """Whether an example is something that the person wrote, placeholders standing for whatever was masked."""
    folded = _folded(example)
    if sought.needles.within(example.encode()):
        return True
    if len(PLACEHOLDER.sub("", example)) < _SHORTEST:
        return False
    parts = [re.escape(part) for part in re.split(r"<[a-z_]+_\d+>", folded)]
    pattern = re.compile(".{1,200}?".join(parts), re.DOTALL)
    return any(pattern.fullmatch(_folded(text)) for text in sought.texts)


def _theirs(text: str, sought: Sought) -> Iterator[_Example]:
    for example in _examples(yaml.compose(text, Loader=yaml.SafeLoader)):
        if is_theirs(example.text, sought):
            yield example


def _examples(root: Any) -> Iterator[_Example]:
    for language in getattr(_member(root, "examples"), "value", ()):
        for node in language[1].value:
            mark = node.end_mark
            yield _Example(node.value, node.start_mark.line, mark.line + (1 if mark.column else 0))


def _member(node: Any, name: str) -> Any:
    pairs = node.value if isinstance(node, yaml.MappingNode) else ()
    return next((value for key, value in pairs if key.value == name), None)


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())
