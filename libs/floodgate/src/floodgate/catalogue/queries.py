"""Questions that services ask a catalogue; all pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Protocol, TypeVar

from floodgate.catalogue.models import (
    Article,
    Automation,
    Catalogue,
    Category,
    Path,
    Team,
    Template,
    Thresholds,
    UrgencyRule,
)


class _Identified(Protocol):
    @property
    def id(self) -> str: ...


T = TypeVar("T", bound=_Identified)


def by_id(items: Iterable[T]) -> dict[str, T]:
    """The items by their id, in order."""
    return {item.id: item for item in items}


def in_language(texts: Mapping[str, str], language: str | None, default_language: str) -> str:
    """The text in a language, or in the default language.

    Raises:
        KeyError: Neither is there, which a checked catalogue rules out for served texts.
    """
    return texts[language] if language is not None and language in texts else texts[default_language]


def is_on_trial(thresholds: Thresholds | None) -> bool:
    """Whether the thresholds of a country let nothing be automated."""
    return (
        thresholds is not None
        and "automate_confidence" in thresholds.model_fields_set
        and (thresholds.automate_confidence >= 1.0)
    )


def thresholds_for(
    catalogue: Catalogue, category: str | None, country: str | None = None, language: str | None = None
) -> Thresholds:
    """The thresholds that hold: what a language sets wins over the category, that over the country, that over all."""
    of_country = catalogue.country_thresholds.get(country or "")
    layers = (
        catalogue.thresholds,
        of_country,
        catalogue.category_thresholds.get(category or ""),
        # What is on trial, a country or a language, is held back whatever a category says.
        of_country if is_on_trial(of_country) else None,
        catalogue.language_thresholds.get(language or ""),
    )
    merged: dict[str, float] = {}
    for layer in layers:
        if layer is not None:
            merged |= {name: getattr(layer, name) for name in layer.model_fields_set}
    return Thresholds(**merged)


def template(catalogue: Catalogue, template_id: str, language: str | None) -> str:
    """The text of a template in a language, or in the default language; {places} are not yet filled.

    Raises:
        KeyError: There is no such template.
    """
    return CatalogueIndex(catalogue).template(template_id, language)


class CatalogueIndex:
    """A catalogue by id, made once per version.

    Args:
        catalogue: The catalogue that it answers for.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue

    @cached_property
    def categories(self) -> dict[str, Category]:
        """Categories by id."""
        return by_id(self.catalogue.categories)

    @cached_property
    def paths(self) -> dict[str, Path]:
        """Paths by id."""
        return by_id(self.catalogue.paths)

    @cached_property
    def teams(self) -> dict[str, Team]:
        """Teams by id."""
        return by_id(self.catalogue.teams)

    @cached_property
    def templates(self) -> dict[str, Template]:
        """Templates by id."""
        return by_id(self.catalogue.templates)

    @cached_property
    def urgency_rules(self) -> dict[str, UrgencyRule]:
        """Urgency rules by id."""
        return by_id(self.catalogue.urgency)

    @cached_property
    def articles(self) -> dict[str, dict[str, Article]]:
        """Articles by id, then by language."""
        found: dict[str, dict[str, Article]] = {}
        for article in self.catalogue.articles:
            found.setdefault(article.id, {})[article.language] = article
        return found

    def language(self, language: str | None) -> str:
        """The language when it is served, else the default language."""
        served = language is not None and language in self.catalogue.languages
        return language if served and language is not None else self.catalogue.default_language

    def template(self, template_id: str, language: str | None) -> str:
        """The text of a template in a language, or in the default language.

        Raises:
            KeyError: There is no such template.
        """
        texts = self.templates[template_id].texts
        return in_language(texts, language, self.catalogue.default_language)

    def path_label(self, path_id: str, language: str | None) -> str:
        """What the button of a path says.

        Raises:
            KeyError: There is no such path.
        """
        return in_language(self.paths[path_id].label, language, self.catalogue.default_language)

    def title(self, category_id: str, language: str | None) -> str:
        """The title of a category.

        Raises:
            KeyError: There is no such category.
        """
        return in_language(self.categories[category_id].title, language, self.catalogue.default_language)

    def paths_for(self, category_id: str) -> Sequence[Path]:
        """The paths where a category belongs: its own first, then others that name it."""
        category = self.categories.get(category_id)
        own = category.path if category is not None else None
        found = [path for path in self.catalogue.paths if path.id == own or path.category == category_id]
        return sorted(found, key=lambda path: path.id != own)

    def category_for_path(self, path_id: str | None) -> Category | None:
        """The category that belongs to a path; None for a generic, an unknown and no path."""
        path = self.paths.get(path_id or "")
        return self.categories.get(path.category) if path is not None and path.category else None

    def is_generic(self, path_id: str | None) -> bool:
        """Whether a path is one like "Other"."""
        path = self.paths.get(path_id or "")
        return path is not None and path.generic

    def belongs(self, category_id: str, path_id: str) -> bool:
        """Whether a category belongs to a path."""
        return any(path.id == path_id for path in self.paths_for(category_id))

    def workflow_for(self, category_id: str, *, automation: Automation = Automation.ON) -> str | None:
        """The workflow of a category whose automation is at that level; None when it may not run."""
        category = self.categories.get(category_id)
        if category is None or category.never_automate or category.automation is not automation:
            return None
        return category.workflow

    def thresholds_for(
        self, category: str | None, country: str | None = None, language: str | None = None
    ) -> Thresholds:
        """See `thresholds_for`."""
        return thresholds_for(self.catalogue, category, country, language)

    def examples(self, language: str | None = None) -> list[tuple[Category, str, str]]:
        """(category, language, text) of every example, or of those in one language."""
        return [
            (category, spoken, text)
            for category in self.catalogue.categories
            for spoken, texts in category.examples.items()
            if language is None or spoken == language
            for text in texts
        ]
