"""The part of the catalogue that trains the local model; read leniently, for a catalogue in the making also works."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

UNDETERMINED: Final = "und"
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class Category:
    """One category: what it is called, where it belongs and how people word it."""

    id: str
    path: str
    titles: Mapping[str, str]
    examples: tuple[str, ...]
    workflow: str | None
    by_language: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All categories, with the hash of what they were read from."""

    categories: Mapping[str, Category]
    content_hash: str


EMPTY: Final = Catalogue({}, "empty")


def load_catalogue(directory: Path | None) -> Catalogue:
    """Read `categories/*.yaml`; a missing directory is an empty catalogue.

    Raises:
        ValueError: A category file is not valid YAML or has no id.
    """
    folder = directory / "categories" if directory is not None else None
    if folder is None or not folder.is_dir():
        return EMPTY
    digest = hashlib.sha256()
    categories: dict[str, Category] = {}
    for path in sorted(folder.glob("*.y*ml")):
        raw = path.read_bytes()
        digest.update(path.name.encode() + b"\0" + raw + b"\0")
        for entry in _entries(path, raw):
            category = _category(path, entry)
            categories[category.id] = category
    return Catalogue(categories, digest.hexdigest())


def _entries(path: Path, raw: bytes) -> list[dict[str, Any]]:
    try:
        loaded = yaml.load(raw, Loader=_LOADER)  # noqa: S506 - the loader is one of PyYAML's two safe ones
    except yaml.YAMLError as error:
        raise ValueError(f"{path} is not valid YAML: {error}; correct the file") from error
    if isinstance(loaded, dict):
        inner = loaded.get("categories")
        return [entry for entry in inner if isinstance(entry, dict)] if isinstance(inner, list) else [loaded]
    return [entry for entry in loaded or [] if isinstance(entry, dict)]


def _category(path: Path, entry: Mapping[str, Any]) -> Category:
    identifier = entry.get("id")
    if not identifier:
        raise ValueError(f"{path} has a category without an id; add `id:`")
    workflow = entry.get("workflow")
    return Category(
        str(identifier),
        str(entry.get("path") or identifier),
        _by_language(entry.get("title")),
        tuple(_texts(entry.get("examples"))),
        str(workflow) if workflow else None,
        _texts_by_language(entry.get("examples")),
    )


def _texts_by_language(value: Any) -> dict[str, tuple[str, ...]]:
    if not isinstance(value, Mapping) or "text" in value:
        return {}
    return {str(language): tuple(_texts(texts)) for language, texts in value.items()}


def _by_language(value: Any) -> dict[str, str]:
    """One text per language; a plain text stands under its language unknown, "und"."""
    if isinstance(value, Mapping):
        return {str(language): str(text) for language, text in value.items()}
    return {UNDETERMINED: str(value)} if value else {}


def _texts(value: Any) -> list[str]:
    """The texts of a string, a list or a mapping by language, in order."""
    if value is None:
        return []
    if isinstance(value, str):
        return [value]
    if isinstance(value, Mapping):
        if "text" in value:
            return _texts(value["text"])
        return [text for key in sorted(value, key=str) for text in _texts(value[key])]
    return [text for item in value for text in _texts(item)]
