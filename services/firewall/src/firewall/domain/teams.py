"""Which human queue a case without a category goes to."""

from __future__ import annotations

from typing import Final

from floodgate.catalogue import CatalogueIndex

DEFAULT_TEAM: Final = "general"


def default_team(index: CatalogueIndex) -> str | None:
    """The team "general", or the first one of a catalogue without it."""
    if DEFAULT_TEAM in index.teams:
        return DEFAULT_TEAM
    return next(iter(index.teams), None)


def team_of_path(path: str, index: CatalogueIndex) -> str | None:
    """The team of the category that belongs to a path; the default team for generic and unknown paths."""
    category = index.category_for_path(path)
    return category.team if category is not None else default_team(index)


def low_priority_team(index: CatalogueIndex) -> str | None:
    """Where quarantined conversations wait."""
    return next((team.id for team in index.catalogue.teams if team.low_priority), default_team(index))
