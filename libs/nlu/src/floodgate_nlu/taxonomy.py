"""The categories of a request, joined with what the catalogue knows about them, and the classifier over them."""

import hashlib
import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Final

from floodgate_nlu.catalogue import UNDETERMINED, Catalogue, Category
from floodgate_nlu.intents import IntentModel
from floodgate_nlu.prompting import Element, part, parts
from floodgate_nlu.text import squeeze

NONE: Final = "none"
_MODELS_KEPT: Final = 6
_SEPARATORS: Final = re.compile(r"[_/\-.]+")
_EXAMPLE_SEPARATOR: Final = re.compile(r"\s*[;\n|]\s*")


@dataclass(frozen=True, slots=True)
class Taxonomy:
    """The closed set of categories of one request."""

    categories: Mapping[str, Category]

    def examples(self) -> list[tuple[str, str]]:
        """(text, category) pairs: examples and titles, and the words of the id where there is nothing else.

        They are sorted and distinct, so that a prompt that repeats the catalogue's titles trains no second model.
        """
        pairs: set[tuple[str, str]] = set()
        for category in self.categories.values():
            texts = [*category.examples, *category.titles.values()] or [words_of(category.id)]
            pairs.update((text, category.id) for text in texts)
        return sorted(pairs)

    def path_of(self, category: str) -> str:
        """The path where a category belongs."""
        found = self.categories.get(category)
        return found.path if found else category

    def on_path(self, path: str) -> frozenset[str]:
        """The categories that belong to a path (a path may also be named by its category's id)."""
        return frozenset(c.id for c in self.categories.values() if path in {c.path, c.id})


def words_of(identifier: str) -> str:
    """An identifier as words."""
    return squeeze(_SEPARATORS.sub(" ", identifier))


def read_taxonomy(system: str, closed: Sequence[str], catalogue: Catalogue) -> Taxonomy:
    """Join the ids of the closed set with the prompt's `<category>` lines and the catalogue."""
    listed = {e.attributes["id"]: e for e in parts(system, "category") if e.attributes.get("id")}
    listed = listed or _piped(system)
    ids = [name for name in closed if name != NONE] or list(listed) or list(catalogue.categories)
    categories: dict[str, Category] = {}
    for name in ids:
        known = catalogue.categories.get(name)
        element = listed.get(name)
        pieces = [p for p in _EXAMPLE_SEPARATOR.split(element.text) if p] if element else []
        path = element.attributes.get("path") if element else None
        workflow = element.attributes.get("workflow") if element else None
        categories[name] = Category(
            name,
            path or (known.path if known else name),
            ({UNDETERMINED: pieces[0]} if pieces else {}) | dict(known.titles if known else {}),
            tuple(pieces[1:]) + (known.examples if known else ()),
            workflow or (known.workflow if known else None),
        )
    return Taxonomy(categories)


def _piped(system: str) -> dict[str, Element]:
    """Categories written one per line as `id | path | title; example; …`."""
    listed: dict[str, Element] = {}
    for line in (part(system, "categories") or "").splitlines():
        cells = [cell.strip() for cell in line.split("|", 2)]
        if cells[0]:
            attributes = {"id": cells[0]} | ({"path": cells[1]} if len(cells) > 1 else {})
            listed[cells[0]] = Element(attributes, cells[2] if len(cells) > 2 else "")
    return listed


class ModelCache:
    """Trained classifiers by the content of their examples; each is trained once, the oldest are dropped."""

    def __init__(self) -> None:
        self._models: OrderedDict[str, IntentModel] = OrderedDict()
        self._lock = Lock()

    def get(self, examples: Sequence[tuple[str, str]]) -> IntentModel:
        """The classifier for these examples, trained now if it is new.

        Raises:
            ValueError: There are no examples.
        """
        key = _content_key(examples)
        with self._lock:
            model = self._models.pop(key, None) or IntentModel(examples)
            self._models[key] = model
            while len(self._models) > _MODELS_KEPT:
                self._models.popitem(last=False)
            return model


def _content_key(examples: Sequence[tuple[str, str]]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for text, label in examples:
        digest.update(f"{label}\0{text}\0".encode())
    return digest.hexdigest()
