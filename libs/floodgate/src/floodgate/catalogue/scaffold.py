"""What a new language or country needs, put where it belongs and marked for a person to write. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import yaml
from keyflow.errors import FatalError

from floodgate.catalogue.checks import MIN_EXAMPLES_PER_LANGUAGE
from floodgate.catalogue.models import Catalogue
from floodgate.catalogue.scaffold_gate import TRIAL_THRESHOLDS, country_gate_of, gate_of
from floodgate.catalogue.source import UNFINISHED
from floodgate.catalogue.yaml_edit import Addition, add_members

_LANGUAGE: Final = re.compile(r"[a-z]{2}")
_COUNTRY: Final = re.compile(r"[A-Z]{2}")
_PHRASES: Final = 3
_HEADER: Final = "catalogue.yaml"


@dataclass(frozen=True, slots=True)
class Scaffold:
    """Files to write, and what to do then.

    Attributes:
        files: New contents by name, of files that are there and of new ones.
        steps: What is left to people, in order.
        gate: Files of the gate, by name relative to the folder of its suites.
    """

    files: Mapping[str, str]
    steps: tuple[str, ...]
    gate: Mapping[str, str] = field(default_factory=dict)

    @property
    def marks(self) -> dict[str, int]:
        """How many marks each file holds."""
        counts = {name: text.count(UNFINISHED) for name, text in self.files.items()}
        return {name: count for name, count in counts.items() if count}


def add_language(
    files: Mapping[str, bytes], catalogue: Catalogue, language: str, suites: str | None = None
) -> Scaffold:
    """Everything that the lint asks of a language, with the words of the default language to go by.

    Args:
        files: The working folder's files.
        catalogue: What they say.
        language: ISO 639-1 code.
        suites: What the gate's file of suites says; None where there is none.

    Raises:
        FatalError: It is no code or is served already, or a file's layout does not let it be added.
    """
    if not _LANGUAGE.fullmatch(language):
        raise FatalError(f"{language!r} is no language: write its ISO 639-1 code, such as da")
    if language in catalogue.languages:
        raise FatalError(f"{language} is served already: `floodgate catalogue lint` says what it lacks")
    texts = {name: body.decode("utf-8-sig") for name, body in files.items()}
    changed = {
        name: add_members(name, texts[name], additions)
        for name, additions in _language_additions(texts, catalogue.default_language, language)
    }
    stubs = _article_stubs(texts, catalogue, language)
    gate = gate_of(catalogue, language, suites) if suites is not None else {}
    return Scaffold({**changed, **stubs}, _language_steps(language, catalogue), gate)


def add_country(files: Mapping[str, bytes], catalogue: Catalogue, country: str, suites: str | None = None) -> Scaffold:
    """A country on trial: its thresholds let nothing be automated until it has passed its gate.

    Args:
        files: The working folder's files.
        catalogue: What they say.
        country: ISO 3166-1 alpha-2 code.
        suites: What the gate's file of suites says; None where there is none.

    Raises:
        FatalError: It is no code or is served already, or the file's layout does not let it be added.
    """
    if not _COUNTRY.fullmatch(country):
        raise FatalError(f"{country!r} is no country: write its ISO 3166-1 alpha-2 code, such as DK")
    if country in catalogue.countries:
        raise FatalError(f"{country} is served already")
    text = files[_HEADER].decode("utf-8-sig")
    additions = [Addition(("countries",), country), _on_trial(text, "country_thresholds", country)]
    gate = country_gate_of(catalogue, country, suites) if suites is not None else {}
    return Scaffold({_HEADER: add_members(_HEADER, text, additions)}, _country_steps(country, catalogue), gate)


def _language_additions(texts: Mapping[str, str], default: str, language: str) -> Iterator[tuple[str, list[Addition]]]:
    yield _HEADER, [Addition(("languages",), language), _on_trial(texts[_HEADER], "language_thresholds", language)]
    for name, text in texts.items():
        data: Any = yaml.safe_load(text) if name.endswith(".yaml") else None
        found: list[Addition] = []
        if name == "paths.yaml":
            found = list(_of_list(data, "paths", "label", default, language))
        elif name.startswith("templates/"):
            found = list(_of_list(data, "templates", "texts", default, language))
        elif name == "urgency.yaml":
            found = [
                Addition(("rules", position, "phrases"), _phrases(rule, default), key=language)
                for position, rule in enumerate(data["rules"])
            ]
        elif name.startswith("categories/"):
            found = list(_of_category(data, default, language))
        if found:
            yield name, found


def _on_trial(header: str, member: str, name: str) -> Addition:
    """Thresholds that hold a language or country back until it has passed its gate."""
    if member in (yaml.safe_load(header) or {}):
        return Addition((member,), dict(TRIAL_THRESHOLDS), key=name)
    return Addition((), {name: dict(TRIAL_THRESHOLDS)}, key=member)


def _of_list(data: Any, member: str, texts: str, default: str, language: str) -> Iterator[Addition]:
    for position, item in enumerate(data[member]):
        yield Addition((member, position, texts), _asked(item[texts].get(default, "")), key=language)


def _of_category(data: Any, default: str, language: str) -> Iterator[Addition]:
    yield Addition(("title",), _asked(data["title"].get(default, "")), key=language)
    count = MIN_EXAMPLES_PER_LANGUAGE
    examples = [
        f"{UNFINISHED} {data['id']}: what a customer writes in {language}, {number} of at least {count}"
        for number in range(1, count + 1)
    ]
    yield Addition(("examples",), examples, key=language)


def _phrases(rule: Any, default: str) -> list[str]:
    known = rule["phrases"].get(default, [])[:_PHRASES]
    return [f"{UNFINISHED} {rule['id']}: as unmistakable as “{phrase}”" for phrase in known] or [_asked(rule["id"])]


def _asked(text: str) -> str:
    return f"{UNFINISHED} {text}"


def _article_stubs(texts: Mapping[str, str], catalogue: Catalogue, language: str) -> dict[str, str]:
    """The articles that every served language has; the others fall back to the default language."""
    everywhere = [
        article
        for article in catalogue.articles
        if article.language == catalogue.default_language
        and all(f"knowledge/{served}/{article.id}.md" in texts for served in catalogue.languages)
    ]
    found: dict[str, str] = {}
    for article in everywhere:
        category = f"category: {article.category}\n" if article.category else ""
        countries = f"countries: [{', '.join(article.countries)}]\n" if article.countries else ""
        found[f"knowledge/{language}/{article.id}.md"] = (
            f'---\ntitle: "{UNFINISHED} {article.title}"\n{category}{countries}'
            f"owner: {article.owner}\nreview_by: {article.review_by.isoformat()}\n---\n\n"
            f"{UNFINISHED} Say in {language} what knowledge/{article.language}/{article.id}.md says.\n"
        )
    return found


def _language_steps(language: str, catalogue: Catalogue) -> tuple[str, ...]:
    return (
        f"Write what {UNFINISHED} asks for; `floodgate catalogue lint` lists the places and refuses the catalogue "
        "until none is left. Do not translate examples word for word: write as customers there do.",
        "Let somebody who speaks it approve the phrases and the replies for urgent cases.",
        "`floodgate workflows check`: every text that a workflow says has to be there.",
        f"Ask the developers whether the services know {language}: yes, no and stop in the agent's vocabulary, dates "
        "and amounts, names and ids in the masking of personal data.",
        f"It is on trial: `language_thresholds` in {_HEADER} hold it back. Write messages in {language} into "
        f"eval/corpora/{language}.jsonl, none of them an example, and run `floodgate eval gate --only {language}/`: "
        f"categories have to come within five points of {catalogue.default_language}. When it passes, renew the "
        "baseline (`--update`) and remove the language's thresholds.",
        "`floodgate catalogue diff`, then `floodgate catalogue publish --reason …`, then `floodgate knowledge sync`.",
    )


def _country_steps(country: str, catalogue: Catalogue) -> tuple[str, ...]:
    bound = sorted({article.id for article in catalogue.articles if article.countries})
    named = f" ({', '.join(bound)} hold only in some)" if bound else ""
    return (
        f"Its customers write in {', '.join(catalogue.languages)}; for another language "
        "`floodgate catalogue add-language`.",
        f"Look through the knowledge for what differs there{named}: `countries: [{country}]` in an article's head.",
        f"Ask the developers whether the masking of personal data knows the national ids of {country}.",
        f"It is on trial: `country_thresholds` in {_HEADER} hold it back. Write messages from {country} into "
        f"eval/corpora/{country}.jsonl, in its languages, and run `floodgate eval gate --only {country}/`. When it "
        "passes, renew the baseline (`--update`) and decide on the country's thresholds, or remove them.",
        "`floodgate catalogue diff`, then `floodgate catalogue publish --reason …`.",
    )
