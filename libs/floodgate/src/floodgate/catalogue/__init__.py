"""The support team's content as code: read, checked as a whole, and asked."""

from floodgate.catalogue.checks import places_of
from floodgate.catalogue.loader import CatalogueReport, inspect_catalogue, load_catalogue
from floodgate.catalogue.models import (
    GENERIC_CATEGORY,
    PERSON_PATH,
    Article,
    Automation,
    Bar,
    Cascade,
    Catalogue,
    Category,
    KnowledgeSource,
    Path,
    SourceKind,
    Team,
    Template,
    Thresholds,
    UrgencyRule,
)
from floodgate.catalogue.problems import CatalogueError, Problem, Severity
from floodgate.catalogue.queries import CatalogueIndex, in_language, template, thresholds_for

__all__ = [
    "GENERIC_CATEGORY",
    "PERSON_PATH",
    "Article",
    "Automation",
    "Bar",
    "Cascade",
    "Catalogue",
    "CatalogueError",
    "CatalogueIndex",
    "CatalogueReport",
    "Category",
    "KnowledgeSource",
    "Path",
    "Problem",
    "Severity",
    "SourceKind",
    "Team",
    "Template",
    "Thresholds",
    "UrgencyRule",
    "in_language",
    "inspect_catalogue",
    "load_catalogue",
    "places_of",
    "template",
    "thresholds_for",
]
