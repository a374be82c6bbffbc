"""The version that is live and the one that may come: catalogue, thresholds, prompt, model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from floodgate.catalogue import Catalogue, CatalogueIndex, Thresholds, load_catalogue
from floodgate.catalogue.location import open_blobs
from floodgate.catalogue.models import Automation
from floodgate.catalogue.opening import open_catalogue
from floodgate.catalogue.published import PublishedCatalogue
from floodgate.settings import CatalogueSettings, load
from keyflow import FatalError
from pydantic import ValidationError

_AUTOMATION: Final = "automation"
_MAX_REDIRECTS: Final = "max_redirects"
_NAMES: Final = tuple(Thresholds.model_fields)
_REMEDY: Final = (
    f"write {_NAMES[0]}=0.5, CATEGORY.{_NAMES[3]}=0.8, COUNTRY.{_NAMES[1]}=0.7, CATEGORY.{_AUTOMATION}=shadow or "
    f"{_MAX_REDIRECTS}=1; thresholds are {', '.join(_NAMES)}"
)


@dataclass(frozen=True, slots=True)
class Version:
    """Everything that a decision may change with.

    Attributes:
        directory: Folder of the catalogue, where there is one: the local model reads it.
        model_id: None: the configured one.
        prompt: Text of the prompt's file, in place of the service's own.
        changes: What makes it another one than the live version, in words.
    """

    catalogue: Catalogue
    directory: Path | None = None
    model_id: str | None = None
    prompt: str | None = None
    changes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Changes:
    """What somebody wants to try.

    Attributes:
        catalogue: Folder or published version.
        settings: `name=value`.
        prompt: A file, or the name of one among the service's prompts.
    """

    catalogue: str | None = None
    settings: Sequence[str] = ()
    model_id: str | None = None
    prompt: str | None = None
    prompts: Path | None = field(default=None, compare=False)


def live_version(default_dir: Path) -> Version:
    """The version that services run now: the active published one or, without a store, the folder's.

    Raises:
        KeyflowError: There is none that can be used.
    """
    settings = load(CatalogueSettings)
    if settings.store:
        return Version(open_catalogue(settings).catalogue)
    return Version(load_catalogue(default_dir), default_dir)


def candidate(live: Version, wanted: Changes) -> Version:
    """The live version with what somebody wants to try.

    Raises:
        FatalError: A catalogue, setting or prompt is not there or cannot be used; or nothing is to be tried.
    """
    catalogue, directory, said = live.catalogue, live.directory, []
    if wanted.catalogue is not None:
        catalogue, directory = _catalogue(wanted.catalogue)
        said.append(f"catalogue {live.catalogue.version} -> {catalogue.version}")
    for setting in wanted.settings:
        catalogue = with_setting(catalogue, setting)
        said.append(setting)
    prompt = None
    if wanted.prompt is not None:
        prompt = _prompt(wanted.prompt, wanted.prompts)
        said.append(f"prompt {wanted.prompt}")
    if wanted.model_id is not None:
        said.append(f"model {wanted.model_id}")
    if not said:
        raise FatalError("nothing is to be tried: say --catalogue, --set, --prompt or --model")
    return Version(catalogue, directory, wanted.model_id, prompt, tuple(said))


def with_setting(catalogue: Catalogue, setting: str) -> Catalogue:
    """The catalogue with one `[CATEGORY.|COUNTRY.]name=value` changed.

    Raises:
        FatalError: It names nothing that can be set, or the value does not fit.
    """
    name, equals, value = setting.partition("=")
    scope, _, member = name.strip().rpartition(".")
    if not equals:
        raise FatalError(f"--set {setting}: has no value; {_REMEDY}")
    if not scope and member == _MAX_REDIRECTS:
        return _with(catalogue, setting, {_MAX_REDIRECTS: value.strip()})
    if member == _AUTOMATION:
        return _with_automation(catalogue, scope, value.strip(), setting)
    if member not in _NAMES:
        raise FatalError(f"--set {setting}: nothing is called {member!r}; {_REMEDY}")
    if not scope:
        return _with(catalogue, setting, {"thresholds": _thresholds(catalogue.thresholds, member, value, setting)})
    if scope in CatalogueIndex(catalogue).categories:
        layer, known = "category_thresholds", catalogue.category_thresholds
    elif scope in catalogue.countries:
        layer, known = "country_thresholds", catalogue.country_thresholds
    else:
        raise FatalError(f"--set {setting}: {scope!r} is no category and no country of the catalogue; {_REMEDY}")
    changed = _thresholds(known.get(scope, Thresholds()), member, value, setting)
    return _with(catalogue, setting, {layer: {**known, scope: changed}})


def _thresholds(known: Thresholds, member: str, value: str, setting: str) -> Thresholds:
    stated = known.model_dump(include=known.model_fields_set)
    try:
        return Thresholds.model_validate({**stated, member: value.strip()})
    except ValidationError as error:
        raise FatalError(f"--set {setting}: {error.errors()[0]['msg']}; {_REMEDY}") from error


def _with_automation(catalogue: Catalogue, category: str, value: str, setting: str) -> Catalogue:
    if category not in CatalogueIndex(catalogue).categories or value not in set(Automation):
        raise FatalError(f"--set {setting}: no such category or automation ({', '.join(Automation)}); {_REMEDY}")
    changed = tuple(
        one.model_copy(update={_AUTOMATION: Automation(value)}) if one.id == category else one
        for one in catalogue.categories
    )
    return _with(catalogue, setting, {"categories": changed})


def _with(catalogue: Catalogue, setting: str, update: Mapping[str, Any]) -> Catalogue:
    try:
        named = {"version": f"{catalogue.version.partition('+')[0]}+{setting}"}
        # Validated as it would be from a file: a value beyond its bounds is refused.
        return Catalogue.model_validate({**dict(catalogue), **update, **named})
    except ValidationError as error:
        raise FatalError(f"--set {setting}: {error.errors()[0]['msg']}; {_REMEDY}") from error


def _catalogue(named: str) -> tuple[Catalogue, Path | None]:
    folder = Path(named)
    if folder.is_dir():
        return load_catalogue(folder), folder
    store = load(CatalogueSettings).store
    if not store:
        raise FatalError(
            f"--catalogue {named}: is no folder, and FLOODGATE_CATALOGUE_STORE names no store of published versions"
        )
    published = PublishedCatalogue(open_blobs(store))
    return published.load(published.resolve(named)), None


def _prompt(named: str, own: Path | None) -> str:
    found = next((path for path in (Path(named), *([own / named] if own else [])) if path.is_file()), None)
    if found is None:
        others = ", ".join(sorted(path.name for path in own.glob("*.md"))) if own else ""
        raise FatalError(f"--prompt {named}: is no file, nor one of the service's prompts ({others})")
    try:
        return found.read_text(encoding="utf-8").replace("\r\n", "\n")
    except (OSError, UnicodeDecodeError) as error:
        raise FatalError(f"--prompt {named}: cannot be read as UTF-8") from error
