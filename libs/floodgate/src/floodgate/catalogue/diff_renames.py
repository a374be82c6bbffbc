"""Categories that live on under another name, so that a renaming is told as one. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from floodgate.catalogue.models import Catalogue, Category
from floodgate.catalogue.queries import by_id

_RENAMED_SHARE: Final = 0.5


def renamed(before: Catalogue, after: Catalogue) -> dict[str, str]:
    """The new id of categories that are gone and live on under another name with most of their examples."""
    old, new = by_id(before.categories), by_id(after.categories)
    found: dict[str, str] = {}
    for key in (key for key in old if key not in new):
        texts = example_texts(old[key])
        for candidate in (key for key in new if key not in old and key not in found.values()):
            shared = len(texts & example_texts(new[candidate]))
            if texts and shared / len(texts) >= _RENAMED_SHARE:
                found[key] = candidate
                break
    return found


def with_new_names(catalogue: Catalogue, renamed: Mapping[str, str]) -> Catalogue:
    """The catalogue as it would be had it used the new names all along."""
    if not renamed:
        return catalogue

    def name(category: str | None) -> str | None:
        return renamed.get(category, category) if category is not None else None

    return catalogue.model_copy(
        update={
            "categories": tuple(
                category.model_copy(
                    update={
                        "id": name(category.id),
                        "confusable_with": tuple(name(other) for other in category.confusable_with),
                    }
                )
                for category in catalogue.categories
            ),
            "paths": tuple(path.model_copy(update={"category": name(path.category)}) for path in catalogue.paths),
            "articles": tuple(
                article.model_copy(update={"category": name(article.category)}) for article in catalogue.articles
            ),
            "category_thresholds": {name(key): layer for key, layer in catalogue.category_thresholds.items()},
        }
    )


def example_texts(category: Category) -> set[str]:
    """Its examples, whatever their language."""
    return {text for texts in category.examples.values() for text in texts}
