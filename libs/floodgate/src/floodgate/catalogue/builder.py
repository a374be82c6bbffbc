"""Turns parsed files into models, one item at a time, so that one broken item hides no other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Final, Generic, TypeVar

from pydantic import BaseModel, Field, ValidationError

from floodgate.catalogue.calibration import FeatureCalibration
from floodgate.catalogue.models import (
    Article,
    Cascade,
    CatalogueModel,
    Category,
    Country,
    KnowledgeSource,
    Language,
    Path,
    Team,
    Template,
    Thresholds,
    UrgencyRule,
)
from floodgate.catalogue.problems import Problem, Severity
from floodgate.catalogue.source import Location, SourceFile, Sources

M = TypeVar("M", bound=BaseModel)

_INHERITED: Final = ("owner", "review_by")
_SETTINGS_FILE: Final = "catalogue.yaml"


@dataclass(frozen=True, slots=True)
class Kind(Generic[M]):
    """A kind of item: what it is called, the model of it and the list in which it stands."""

    name: str
    model: type[M]
    member: str = ""


_TEAM: Final = Kind("team", Team, "teams")
_PATH: Final = Kind("path", Path, "paths")
_URGENCY_RULE: Final = Kind("urgency rule", UrgencyRule, "rules")
_TEMPLATE: Final = Kind("template", Template, "templates")
_SOURCE: Final = Kind("source", KnowledgeSource, "sources")
_CATEGORY: Final = Kind("category", Category)


class Header(CatalogueModel):
    """What `catalogue.yaml` says."""

    company: str
    languages: tuple[Language, ...]
    countries: tuple[Country, ...]
    default_language: Language = "en"
    max_redirects: int = 2
    thresholds: Thresholds = Thresholds()
    category_thresholds: dict[str, Thresholds] = Field(default={})
    country_thresholds: dict[str, Thresholds] = Field(default={})
    cascade: Cascade = Cascade()
    language_thresholds: dict[str, Thresholds] = Field(default={})
    topics: tuple[str, ...]
    intents: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an item was read."""

    file: SourceFile
    location: Location = ()

    def problem(self, message: str, remedy: str, *at: str | int, severity: Severity = Severity.ERROR) -> Problem:
        """A problem with this item, on the line of the member `at`."""
        line = self.file.line((*self.location, *at))
        return Problem(self.file.name, line, message, remedy, severity)


@dataclass(slots=True)
class Built:
    """Every item that could be built, and where each was read.

    `named` also holds the ids of items that could not be built, so that one error is told once and not again
    by everything that refers to the item.
    """

    header: Header | None = None
    header_origin: Origin | None = None
    teams: list[Team] = field(default_factory=list)
    paths: list[Path] = field(default_factory=list)
    categories: list[Category] = field(default_factory=list)
    urgency: list[UrgencyRule] = field(default_factory=list)
    templates: list[Template] = field(default_factory=list)
    articles: list[Article] = field(default_factory=list)
    sources: list[KnowledgeSource] = field(default_factory=list)
    calibration: FeatureCalibration | None = None
    workflows: dict[str, Any] = field(default_factory=dict)
    named: dict[str, set[str]] = field(default_factory=dict)
    origins: dict[tuple[str, str], Origin] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def origin(self, kind: str, key: str) -> Origin:
        """Where an item was read."""
        return self.origins[kind, key]

    def knows(self, kind: str, key: str) -> bool:
        """Whether an item of that id stands somewhere, built or broken."""
        return key in self.named.get(kind, set())


def build(sources: Sources) -> Built:
    """Build every item; what cannot be built becomes a problem."""
    built = Built(problems=list(sources.problems))
    _build_header(sources, built)
    built.teams = _build_list(sources, built, "teams.yaml", _TEAM)
    built.paths = _build_list(sources, built, "paths.yaml", _PATH)
    built.urgency = _build_list(sources, built, "urgency.yaml", _URGENCY_RULE)
    built.categories = _build_categories(sources, built)
    for file in sources.under("templates"):
        built.templates += _items(built, file, _TEMPLATE)
    built.articles = _build_articles(sources, built)
    if "sources.yaml" in sources.files:
        built.sources = _build_list(sources, built, "sources.yaml", _SOURCE)
    calibration = sources.files.get("calibration.yaml")
    if calibration is not None and calibration.readable:
        built.calibration = _validate(
            built, Origin(calibration), "the calibration", calibration.data, FeatureCalibration
        )
    _build_workflows(sources, built)
    return built


def _build_header(sources: Sources, built: Built) -> None:
    file = _required(sources, built, _SETTINGS_FILE)
    if file is not None:
        built.header_origin = Origin(file)
        built.header = _validate(built, built.header_origin, "the catalogue", file.data, Header)


def _required(sources: Sources, built: Built, name: str) -> SourceFile | None:
    file = sources.files.get(name)
    if file is None:
        built.problems.append(Problem(name, None, "is missing", "write it as docs/catalogue.md describes"))
    return file if file is not None and file.readable else None


def _build_list(sources: Sources, built: Built, name: str, kind: Kind[M]) -> list[M]:
    file = _required(sources, built, name)
    return _items(built, file, kind) if file is not None else []


def _items(built: Built, file: SourceFile, kind: Kind[M]) -> list[M]:
    """The items of a file's list; `owner` and `review_by` beside the list hold for all of them."""
    member = kind.member
    entries = file.data.get(member) if isinstance(file.data, Mapping) else None
    if not isinstance(entries, list):
        built.problems.append(Problem(file.name, 1, f"has no list {member!r}", f"write `{member}:` and items"))
        return []
    shared = {name: file.data[name] for name in _INHERITED if name in file.data}
    for name in sorted(set(map(str, file.data)) - {member, *_INHERITED}):
        built.problems.append(Origin(file).problem(f"{name!r} is unknown here", "remove it", name))
    found = [
        _build_item(built, Origin(file, (member, position)), kind, entry, shared)
        for position, entry in enumerate(entries)
    ]
    return [item for item in found if item is not None]


def _build_item(built: Built, origin: Origin, kind: Kind[M], entry: Any, shared: Mapping[str, Any]) -> M | None:
    if not isinstance(entry, Mapping):
        built.problems.append(origin.problem(f"this {kind.name} is not a mapping", "write `id: …` and its members"))
        return None
    accepted = {name: value for name, value in shared.items() if name in kind.model.model_fields}
    key = str(entry.get("id", ""))
    if not _register(built, origin, kind.name, key):
        return None
    return _validate(built, origin, f"{kind.name} {key!r}", {**accepted, **entry}, kind.model)


def _register(built: Built, origin: Origin, kind: str, key: str) -> bool:
    """Note where an id stands; the second of two is refused."""
    first = built.origins.get((kind, key))
    if key and first is not None:
        where = f"{first.file.name}:{first.file.line((*first.location, 'id')) or 1}"
        built.problems.append(
            origin.problem(f"{kind} {key!r} is already in {where}", "rename or remove one of them", "id")
        )
        return False
    built.origins[kind, key] = origin
    built.named.setdefault(kind, set()).add(key)
    return True


def _validate(built: Built, origin: Origin, what: str, data: Any, model: type[M]) -> M | None:
    try:
        return model.model_validate(data)
    except ValidationError as error:
        for detail in error.errors(include_url=False, include_input=False):
            built.problems.append(_explain(origin, what, detail))
        return None


def _explain(origin: Origin, what: str, detail: Any) -> Problem:
    location = tuple(part for part in detail["loc"] if part != "[key]")
    member = ".".join(str(part) for part in location) or "it"
    match detail["type"]:
        case "missing":
            message, remedy = f"{what} has no {member!r}", f"add `{member}:`"
        case "extra_forbidden":
            message, remedy = f"{what} has an unknown member {member!r}", "correct the spelling or remove it"
        case "string_type":
            message, remedy = f"{what}: {member} is not text", "put it in quotes"
        case _:
            message, remedy = f"{what}: {member}: {detail['msg'].lower()}", "correct the value"
    return origin.problem(message, remedy, *location)


def _build_categories(sources: Sources, built: Built) -> list[Category]:
    found: list[Category] = []
    built.named.setdefault("category", set()).update(_unreadable(sources, "categories"))
    for file in sources.under("categories"):
        category = _build_item(built, Origin(file), _CATEGORY, file.data, {})
        _check_name(built, file, "category")
        if category is not None:
            found.append(category)
    if not found and not built.problems:
        built.problems.append(Problem("categories", None, "has no category", "add categories/<id>.yaml"))
    return found


def _check_name(built: Built, file: SourceFile, kind: str) -> None:
    stem = PurePosixPath(file.name).stem
    key = str(file.data.get("id", stem)) if isinstance(file.data, Mapping) else stem
    if key != stem:
        message = f"{kind} {key!r} is in a file of another name"
        built.problems.append(Origin(file).problem(message, f"rename the file to {key}.yaml", "id"))


def _build_articles(sources: Sources, built: Built) -> list[Article]:
    found: list[Article] = []
    for file in sources.under("knowledge"):
        path = PurePosixPath(file.name)
        origin, key = Origin(file), f"{path.parent.name}/{path.stem}"
        if not _register(built, origin, "article", key) or not _is_mapping(built, origin):
            continue
        data = {**file.data, "id": path.stem, "language": path.parent.name, "body": file.body}
        article = _validate(built, origin, f"article {key!r}", data, Article)
        if article is not None:
            found.append(article)
    return found


def _is_mapping(built: Built, origin: Origin) -> bool:
    if isinstance(origin.file.data, Mapping):
        return True
    built.problems.append(origin.problem("holds no members", "write `name: value` lines"))
    return False


def _build_workflows(sources: Sources, built: Built) -> None:
    """Workflows stay raw: the agent gives them meaning and checks them."""
    built.named.setdefault("workflow", set()).update(_unreadable(sources, "workflows"))
    for file in sources.under("workflows"):
        origin, key = Origin(file), PurePosixPath(file.name).stem
        if _register(built, origin, "workflow", key) and _is_mapping(built, origin):
            built.workflows[key] = file.data


def _unreadable(sources: Sources, folder: str) -> Iterable[str]:
    return (
        PurePosixPath(name).stem
        for name, file in sources.files.items()
        if name.startswith(f"{folder}/") and not file.readable
    )
