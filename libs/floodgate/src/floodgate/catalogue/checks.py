"""What must hold between the parts of a catalogue. Each check is pure and yields every problem it finds."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import date
from string import Formatter
from typing import Final

from floodgate.catalogue.builder import Built, Header, Origin
from floodgate.catalogue.checks_ambiguity import check_ambiguity, check_richness
from floodgate.catalogue.checks_sources import check_sources
from floodgate.catalogue.models import (
    GENERIC_CATEGORY,
    PERSON_PATH,
    Automation,
    Category,
    Owned,
    Path,
    Template,
)
from floodgate.catalogue.problems import Problem, Severity
from floodgate.catalogue.queries import is_on_trial

MAX_EXAMPLE_LENGTH: Final = 200
MIN_EXAMPLES_PER_LANGUAGE: Final = 5
MAX_ARTICLE_WORDS: Final = 260
_WARNING: Final = Severity.WARNING


def places_of(text: str) -> frozenset[str]:
    """The {places} of a template's text.

    Raises:
        ValueError: A brace is not closed or not doubled.
    """
    return frozenset(name for _, name, _, _ in Formatter().parse(text) if name is not None)


def check(built: Built, today: date) -> list[Problem]:
    """Every problem between the parts; none when the header could not be read."""
    header = built.header
    if header is None:
        return []
    found = [problem for rule in _RULES for problem in rule(built, header)]
    return found + list(_check_review_dates(built, today))


def _missing(languages: Collection[str], served: Collection[str]) -> str:
    return ", ".join(sorted(set(served) - set(languages)))


def _check_header(built: Built, header: Header) -> Iterator[Problem]:
    origin = built.header_origin
    if origin is None:
        return
    if header.default_language not in header.languages:
        message = f"the default language {header.default_language!r} is not served"
        yield origin.problem(message, "add it to languages or choose another", "default_language")
    for member, values in (
        ("languages", header.languages),
        ("countries", header.countries),
        ("topics", header.topics),
        ("intents", header.intents),
    ):
        for position, value in enumerate(values):
            if value in values[:position]:
                yield origin.problem(f"{value!r} stands twice in {member}", "remove one of them", member, position)
    for language in header.cascade.certainty:
        if language not in header.languages:
            message = f"the cascade is switched on for {language!r}, which is not served"
            yield origin.problem(message, "add the language or remove it", "cascade", "certainty", language)
    yield from _check_layers(built, header, origin)


def _check_layers(built: Built, header: Header, origin: Origin) -> Iterator[Problem]:
    """Thresholds of what is not there; and languages on trial, so that nobody forgets them."""
    for member, kind, names in (
        ("category_thresholds", "category", set(built.named.get("category", ()))),
        ("country_thresholds", "country", set(header.countries)),
        ("language_thresholds", "language", set(header.languages)),
    ):
        for name in getattr(header, member):
            if name not in names:
                known = kind == "category"
                reason = "is unknown" if known else "is not served"
                remedy = "correct its id or remove it" if known else "add it to catalogue.yaml or remove it"
                yield origin.problem(f"{kind} {name!r} has thresholds but {reason}", remedy, member, name)
    for name in header.language_thresholds:
        if name in header.languages:
            remedy = f"when `floodgate eval gate --only {name}/` passes, remove its thresholds"
            message = f"language {name!r} is on trial: it has thresholds of its own"
            yield origin.problem(message, remedy, "language_thresholds", name, severity=_WARNING)
    for name, thresholds in header.country_thresholds.items():
        if name in header.countries and is_on_trial(thresholds):
            remedy = f"when `floodgate eval gate --only {name}/` passes, decide on its thresholds or remove them"
            message = f"country {name!r} is on trial: nothing is automated there"
            yield origin.problem(message, remedy, "country_thresholds", name, severity=_WARNING)


def _check_paths(built: Built, header: Header) -> Iterator[Problem]:
    for path in built.paths:
        yield from _check_path(built, path)
        lacking = _missing(path.label, header.languages)
        if lacking:
            origin = built.origin("path", path.id)
            yield origin.problem(f"path {path.id!r} has no label in {lacking}", "add the labels", "label")
    if not any(path.generic for path in built.paths):
        yield Problem(
            "paths.yaml", 1, 'no path is generic: users whose case fits nowhere need one, such as "Other"',
            "add a path with `generic: true`", _WARNING,
        )  # fmt: skip


def _check_path(built: Built, path: Path) -> Iterator[Problem]:
    origin = built.origin("path", path.id)
    if path.id == PERSON_PATH:
        yield origin.problem(f"{PERSON_PATH!r} is kept for the button to a person", "give the path another id", "id")
    if path.generic and path.category is not None:
        yield origin.problem(
            f"path {path.id!r} is generic and yet belongs to category {path.category!r}",
            "remove `category` or `generic`",
            "category",
        )
    if not path.generic and path.category is None:
        yield origin.problem(f"path {path.id!r} belongs to no category", "add `category:` or `generic: true`")
    if path.category is not None and not built.knows("category", path.category):
        yield origin.problem(
            f"path {path.id!r} names the unknown category {path.category!r}",
            "correct the id or add categories/<id>.yaml",
            "category",
        )


def _check_category_links(built: Built, header: Header) -> Iterator[Problem]:
    paths = {path.id: path for path in built.paths}
    for category in built.categories:
        origin, what = built.origin("category", category.id), f"category {category.id!r}"
        if category.id == GENERIC_CATEGORY:
            yield origin.problem(f"{GENERIC_CATEGORY!r} is kept for no category", "give it another id", "id")
        if not built.knows("path", category.path):
            remedy = "correct it or add it to paths.yaml"
            yield origin.problem(f"{what} names the unknown path {category.path!r}", remedy, "path")
        path = paths.get(category.path)
        if path is not None and path.category != category.id:
            belongs = "is generic" if path.generic else f"belongs to {path.category!r}"
            remedy = "make the path's `category` and the category's `path` agree"
            yield origin.problem(f"{what} names path {path.id!r}, which {belongs}", remedy, "path")
        if not built.knows("team", category.team):
            remedy = "correct it or add it to teams.yaml"
            yield origin.problem(f"{what} names the unknown team {category.team!r}", remedy, "team")
        for position, other in enumerate(category.confusable_with):
            if other == category.id or not built.knows("category", other):
                reason = "itself" if other == category.id else f"the unknown category {other!r}"
                remedy = "correct the id or remove it"
                yield origin.problem(f"{what} is confusable with {reason}", remedy, "confusable_with", position)


def _check_automation(built: Built, header: Header) -> Iterator[Problem]:
    for category in built.categories:
        origin, what = built.origin("category", category.id), f"category {category.id!r}"
        if category.never_automate and category.automation is not Automation.OFF:
            message = f"{what} is marked never_automate and has automation {category.automation.value}"
            yield origin.problem(message, "set `automation: off` or remove never_automate", "automation")
        if category.automation is not Automation.OFF and category.workflow is None:
            message = f"{what} has automation {category.automation.value} and no workflow"
            yield origin.problem(message, "name a workflow or set `automation: off`", "automation")
        if category.workflow is not None and not built.knows("workflow", category.workflow):
            message = f"{what} names the unknown workflow {category.workflow!r}"
            yield origin.problem(message, "correct it or add workflows/<id>.yaml", "workflow")


def _check_category_texts(built: Built, header: Header) -> Iterator[Problem]:
    for category in built.categories:
        origin, what = built.origin("category", category.id), f"category {category.id!r}"
        lacking = _missing(category.title, header.languages)
        if lacking:
            yield origin.problem(f"{what} has no title in {lacking}", "add the titles", "title")
        filled = [language for language, texts in category.examples.items() if texts]
        lacking = _missing(filled, header.languages)
        if lacking:
            remedy = f"add at least {MIN_EXAMPLES_PER_LANGUAGE} per language"
            yield origin.problem(f"{what} has no examples in {lacking}", remedy, "examples")
        for language in sorted(set(category.examples) - set(header.languages)):
            remedy = "add the language to catalogue.yaml or remove them"
            yield origin.problem(
                f"{what} has examples in {language}, which is not served", remedy, "examples", language
            )
        yield from _check_examples(built, category)


def _check_examples(built: Built, category: Category) -> Iterator[Problem]:
    origin, what = built.origin("category", category.id), f"category {category.id!r}"
    for language, texts in category.examples.items():
        if 0 < len(texts) < MIN_EXAMPLES_PER_LANGUAGE:
            message = f"{what} has only {len(texts)} examples in {language}"
            remedy = f"add up to {MIN_EXAMPLES_PER_LANGUAGE} or more"
            yield origin.problem(message, remedy, "examples", language, severity=_WARNING)
        for position, text in enumerate(texts):
            at = ("examples", language, position)
            if not text.strip():
                yield origin.problem(f"{what} has an empty example", "write it or remove it", *at)
            if len(text) > MAX_EXAMPLE_LENGTH:
                message = f"{what} has an example of {len(text)} characters"
                remedy = f"shorten it to {MAX_EXAMPLE_LENGTH}: short ones serve the model better"
                yield origin.problem(message, remedy, *at)


def _check_repeated_examples(built: Built, header: Header) -> Iterator[Problem]:
    """The same words in two categories teach nothing but confusion; twice in one they only cost."""
    seen: dict[str, tuple[str, int | None]] = {}
    for category in built.categories:
        origin = built.origin("category", category.id)
        for language, texts in category.examples.items():
            for position, text in enumerate(texts):
                key = _normalised(text)
                line = origin.file.line(("examples", language, position))
                first_category, first_line = seen.setdefault(key, (category.id, line))
                if (first_category, first_line) == (category.id, line):
                    continue
                same = first_category == category.id
                message = f"this example also stands in category {first_category!r}, line {first_line}"
                remedy = "remove one" if same else "keep it where it belongs, or make it say which is meant"
                severity = _WARNING if same else Severity.ERROR
                yield origin.problem(message, remedy, "examples", language, position, severity=severity)


def _normalised(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join("".join(char if char.isalnum() else " " for char in folded).split())


def _check_urgency(built: Built, header: Header) -> Iterator[Problem]:
    for rule in built.urgency:
        origin, what = built.origin("urgency rule", rule.id), f"urgency rule {rule.id!r}"
        if not built.knows("team", rule.team):
            remedy = "correct it or add it to teams.yaml"
            yield origin.problem(f"{what} names the unknown team {rule.team!r}", remedy, "team")
        if rule.reply is not None and not built.knows("template", rule.reply):
            remedy = "correct it or add it under templates/"
            yield origin.problem(f"{what} names the unknown template {rule.reply!r}", remedy, "reply")
        lacking = _missing([key for key, phrases in rule.phrases.items() if phrases], header.languages)
        if lacking:
            yield origin.problem(f"{what} has no phrases in {lacking}", "add some", "phrases")


def _check_templates(built: Built, header: Header) -> Iterator[Problem]:
    for item in built.templates:
        origin = built.origin("template", item.id)
        lacking = _missing(item.texts, header.languages)
        if lacking:
            message = f"template {item.id!r} has no text in {lacking}"
            yield origin.problem(message, "add the texts", "texts")
        yield from _check_places(built, item, header.default_language)


def _check_places(built: Built, item: Template, default_language: str) -> Iterator[Problem]:
    origin = built.origin("template", item.id)
    places: dict[str, frozenset[str]] = {}
    for language, text in item.texts.items():
        try:
            places[language] = places_of(text)
        except ValueError as error:
            message = f"template {item.id!r} in {language} has a brace of its own: {error}"
            yield origin.problem(message, "close the place, or write {{ and }} for braces", "texts", language)
    if not places:
        return
    expected = places.get(default_language, next(iter(places.values())))
    for language, found in places.items():
        if found != expected:
            message = (
                f"template {item.id!r} in {language} has the places {_listed(found)}, "
                f"but {_listed(expected)} in {default_language}"
            )
            yield origin.problem(message, "use the same places in every language", "texts", language)


def _listed(places: Collection[str]) -> str:
    return ", ".join(f"{{{name}}}" for name in sorted(places)) or "none"


def _check_articles(built: Built, header: Header) -> Iterator[Problem]:
    by_default = {article.id for article in built.articles if article.language == header.default_language}
    for article in built.articles:
        origin = built.origin("article", f"{article.language}/{article.id}")
        if article.language not in header.languages:
            remedy = "move it under a served language"
            yield origin.problem(f"its language {article.language!r} is not served", remedy)
        if article.category is not None and not built.knows("category", article.category):
            message = f"it names the unknown category {article.category!r}"
            yield origin.problem(message, "correct the id or remove it", "category")
        for country in article.countries:
            if country not in header.countries:
                remedy = "correct it or add it to catalogue.yaml"
                yield origin.problem(f"it names the unserved country {country!r}", remedy, "countries")
        if not article.body:
            yield origin.problem("it has no text", "write it below the front matter")
        words = len(article.body.split())
        if words > MAX_ARTICLE_WORDS:
            message = f"it has {words} words"
            remedy = f"split it: up to {MAX_ARTICLE_WORDS} words are found and used better"
            yield origin.problem(message, remedy, severity=_WARNING)
        if article.id not in by_default:
            message = f"it has no version in {header.default_language}, to which other languages fall back"
            remedy = f"add knowledge/{header.default_language}/{article.id}.md"
            yield origin.problem(message, remedy, severity=_WARNING)


def _check_review_dates(built: Built, today: date) -> Iterator[Problem]:
    for kind, key, item in _owned(built):
        if item.review_by < today:
            message = f"{kind} {key!r} was to be reviewed by {item.review_by.isoformat()}"
            remedy = f"let {item.owner} look at it and set a new date"
            origin = built.origin(kind, key)
            yield origin.problem(message, remedy, "review_by", severity=_WARNING)


def _owned(built: Built) -> Iterator[tuple[str, str, Owned]]:
    groups: Mapping[str, Collection[Owned]] = {
        "team": built.teams,
        "category": built.categories,
        "urgency rule": built.urgency,
        "template": built.templates,
        "source": built.sources,
    }
    for kind, items in groups.items():
        for item in items:
            yield kind, getattr(item, "id"), item  # noqa: B009 - every owned item has an id, of its own type
    for article in built.articles:
        yield "article", f"{article.language}/{article.id}", article


_RULES: Final[tuple[Callable[[Built, Header], Iterator[Problem]], ...]] = (
    _check_header,
    _check_paths,
    _check_category_links,
    _check_automation,
    _check_category_texts,
    _check_repeated_examples,
    _check_urgency,
    _check_templates,
    _check_articles,
    check_sources,
    check_richness,
    check_ambiguity,
)
