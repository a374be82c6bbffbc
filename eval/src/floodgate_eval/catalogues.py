"""The catalogue that a run is measured with: the team's own, or a temporary one made of examples alone."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

from floodgate.catalogue import Catalogue, Category, Team, Template, Thresholds, load_catalogue
from floodgate.catalogue import Path as ButtonPath

from floodgate_eval.rows import OUT_OF_SCOPE, IntentRow

OTHER_PATH: Final = "other"
_RESERVED: Final = frozenset({"none", "person", OTHER_PATH})
_OWNED: Final[dict[str, Any]] = {"owner": "evaluation", "review_by": date(2099, 1, 1)}
_NOT_PLAIN: Final = re.compile(r"[^a-z0-9]+")
_MAX_ID_CHARS: Final = 56
_ENGLISH: Final = "en"


@dataclass(frozen=True, slots=True)
class Measured:
    """A catalogue and the labels of the corpora that its ids stand for.

    Attributes:
        ids: Category id by label.
        temporary: Made of examples: the local model has to be shown it.
        without_examples: Labels of which only the name is known.
    """

    catalogue: Catalogue
    ids: Mapping[str, str]
    temporary: bool
    without_examples: tuple[str, ...] = ()

    def label_of(self, category: str | None) -> str:
        """The label of a category id; `oos` for none."""
        return self._labels.get(category or "", OUT_OF_SCOPE)

    def path_of(self, label: str | None) -> str:
        """The path that stands for a chosen category; "unknown" without one."""
        if label is None:
            return "unknown"
        known = self.ids.get(label)
        if known is None:
            return OTHER_PATH if label.strip().lower() == OTHER_PATH else label
        return next(c.path for c in self.catalogue.categories if c.id == known)

    @property
    def _labels(self) -> dict[str, str]:
        return {identifier: label for label, identifier in self.ids.items()}


def own_catalogue(directory: Path) -> Measured:
    """The catalogue of a directory; labels are its category ids.

    Raises:
        CatalogueError: It cannot be used.
    """
    catalogue = load_catalogue(directory)
    return Measured(catalogue, {category.id: category.id for category in catalogue.categories}, temporary=False)


def temporary_catalogue(
    examples: Sequence[IntentRow], labels: Iterable[str] = (), *, base: Catalogue | None = None
) -> Measured:
    """A catalogue of examples: one category and one path per label, and nothing else about a brand.

    Args:
        examples: Rows labelled "oos" are left out: no brand has examples of what it does not do.
        labels: Further labels, of which only the name is known.
        base: Where urgency rules, languages and templates come from, which hold for any brand.
    """
    texts: dict[str, dict[str, dict[str, None]]] = {}
    for row in examples:
        if row.intent != OUT_OF_SCOPE:
            language = _language(row.lang, base)
            texts.setdefault(row.intent, {}).setdefault(language, {})[row.text] = None
    bare = tuple(dict.fromkeys(label for label in labels if label not in texts and label != OUT_OF_SCOPE))
    texts.update({label: {} for label in bare if label.strip().lower() != OTHER_PATH})
    ids = _ids(sorted(texts))
    default = base.default_language if base is not None else _ENGLISH
    categories = tuple(_category(label, ids[label], texts[label], default) for label in sorted(texts))
    paths = tuple(ButtonPath(id=c.path, label=c.title, category=c.id) for c in categories)
    catalogue = Catalogue(
        version=_version(categories),
        company="the company",
        languages=base.languages if base is not None else (_ENGLISH,),
        countries=base.countries if base is not None else (),
        default_language=default,
        thresholds=base.thresholds if base is not None else Thresholds(),
        paths=(*paths, ButtonPath(id=OTHER_PATH, label={default: "Other"}, generic=True)),
        categories=categories,
        urgency=base.urgency if base is not None else (),
        teams=base.teams if base is not None else _teams(),
        templates=base.templates if base is not None else _templates(default),
        articles=(),
        topics=base.topics if base is not None else ("other",),
        intents=base.intents if base is not None else ("other",),
    )
    return Measured(catalogue, ids, temporary=True, without_examples=bare)


def write_for_local_model(catalogue: Catalogue, directory: Path) -> None:
    """Writes what the local Bedrock server reads of a catalogue: categories with examples, and urgency rules.

    JSON is YAML too, and is written much faster.
    """
    folder = directory / "categories"
    folder.mkdir(parents=True, exist_ok=True)
    for category in catalogue.categories:
        entry = category.model_dump(mode="json", exclude_none=True)
        (folder / f"{category.id.replace('/', '__')}.yaml").write_text(
            json.dumps(entry, ensure_ascii=False), encoding="utf-8"
        )
    rules = [rule.model_dump(mode="json") for rule in catalogue.urgency]
    (directory / "urgency.yaml").write_text(json.dumps({"rules": rules}, ensure_ascii=False), encoding="utf-8")


def _language(lang: str | None, base: Catalogue | None) -> str:
    """The language whose examples a text joins; that of an unserved one is the default, so that it is found."""
    if base is None:
        return _ENGLISH
    return lang if lang in base.languages and lang is not None else base.default_language


def _ids(labels: Sequence[str]) -> dict[str, str]:
    ids: dict[str, str] = {}
    taken = set(_RESERVED)
    for label in labels:
        plain = _NOT_PLAIN.sub("_", label.lower()).strip("_")[:_MAX_ID_CHARS] or "label"
        plain = plain if plain[0].isalpha() else f"c_{plain}"
        number, identifier = 1, plain
        while identifier in taken:
            number += 1
            identifier = f"{plain}_{number}"
        taken.add(identifier)
        ids[label] = identifier
    return ids


def _category(label: str, identifier: str, texts: Mapping[str, Mapping[str, None]], default: str) -> Category:
    return Category(
        id=identifier,
        title={default: " ".join(re.split(r"[_/\-.\s]+", label)).strip() or identifier},
        path=identifier,
        team="general",
        examples={language: tuple(sorted(kept)) for language, kept in sorted(texts.items())},
        **_OWNED,
    )


def _version(categories: Sequence[Category]) -> str:
    digest = hashlib.sha256()
    for category in categories:
        digest.update(category.model_dump_json().encode())
    return digest.hexdigest()[:12]


def _teams() -> tuple[Team, ...]:
    return (
        Team(id="general", title="General", intercom_team_id="0", **_OWNED),
        Team(id="low_priority", title="Low priority", intercom_team_id="1", low_priority=True, **_OWNED),
    )


def _templates(default: str) -> tuple[Template, ...]:
    texts = {"redirect": "It seems to be about {path_label}.", "redirect_none_of_these": "None of these / a person"}
    return tuple(Template(id=name, texts={default: text}, **_OWNED) for name, text in texts.items())
