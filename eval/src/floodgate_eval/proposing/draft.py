"""The draft folder: a catalogue of the proposed categories, with [TODO] wherever a person has to write or decide."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any, Final

import yaml
from floodgate.catalogue import Catalogue, Team
from floodgate.catalogue.checks import MIN_EXAMPLES_PER_LANGUAGE
from floodgate.catalogue.source import UNFINISHED

from floodgate_eval.proposing.proposal import Proposal, Proposed

_REVIEW_AFTER: Final = timedelta(days=90)
_TAKEN_OVER: Final = ("urgency.yaml", "teams.yaml", "templates/")
"""What holds for any company: urgency rules, replies and the teams' file to begin with."""


def draft_files(proposal: Proposal, base: Catalogue, base_files: Mapping[str, bytes], today: date) -> dict[str, str]:
    """The files of the draft, by name.

    Args:
        proposal: What was found.
        base: The catalogue whose urgency rules, replies and teams are taken over.
        base_files: Its files.
        today: The reviews are due three months later.
    """
    languages = list(dict.fromkeys(category.language for category in proposal.categories))
    review_by = today + _REVIEW_AFTER
    files = {
        name: raw.decode("utf-8-sig")
        for name, raw in base_files.items()
        if name in _TAKEN_OVER or name.startswith("templates/")
    }
    files["catalogue.yaml"] = _yaml(_header(base, languages), note=f"{UNFINISHED} name the company, check all of this")
    files["paths.yaml"] = _yaml(_paths(proposal, languages))
    for category in proposal.categories:
        entry = _category(category, languages, base, review_by)
        months = ", ".join(f"{month}: {count}" for month, count in category.months.items())
        note = f"Proposed from {category.size} conversations{f' ({months})' if months else ''}; words: " + ", ".join(
            category.words
        )
        files[f"categories/{category.identifier}.yaml"] = _yaml(entry, note=note)
    return files


def _header(base: Catalogue, languages: list[str]) -> dict[str, Any]:
    return {
        "company": f"{UNFINISHED} the company's name",
        "languages": languages,
        "countries": list(base.countries),
        "default_language": languages[0],
        "max_redirects": base.max_redirects,
        "thresholds": base.thresholds.model_dump(exclude_unset=True),
        "topics": list(base.topics),
        "intents": list(base.intents),
    }


def _paths(proposal: Proposal, languages: list[str]) -> dict[str, Any]:
    """A button per category, and one for the rest."""
    own = [
        {
            "id": category.identifier,
            "category": category.identifier,
            "label": {code: _title(category) for code in languages},
        }
        for category in proposal.categories
    ]
    return {"paths": [*own, {"id": "other", "generic": True, "label": dict.fromkeys(languages, "Other")}]}


def _category(category: Proposed, languages: list[str], base: Catalogue, review_by: date) -> dict[str, Any]:
    examples = {code: _asked(category, code) for code in languages}
    known = {name for name in category.neighbours if name != category.identifier}
    return {
        "id": category.identifier,
        "path": category.identifier,
        "team": _team(category, base).id,
        "automation": "off",
        "confusable_with": [name for name in category.neighbours if name in known],
        "owner": f"{UNFINISHED} who answers for it",
        "review_by": review_by,
        "title": {code: _title(category) for code in languages},
        "examples": examples,
    }


def _asked(category: Proposed, code: str) -> list[str]:
    """Its examples in its own language; in the others a person writes them, or merges another category into it."""
    if code == category.language:
        return list(category.examples) or [f"{UNFINISHED} an example"]
    return [
        f"{UNFINISHED} {category.identifier}: what a customer writes in {code}, {number}"
        for number in range(1, MIN_EXAMPLES_PER_LANGUAGE + 1)
    ]


def _title(category: Proposed) -> str:
    return f"{UNFINISHED} {' '.join(category.words[:3])}"[:40].strip()


def _team(category: Proposed, base: Catalogue) -> Team:
    """The team that got most of it; else the first that somebody watches."""
    by_intercom = {team.intercom_team_id: team for team in base.teams}
    watched = [team for team in base.teams if not team.low_priority] or list(base.teams)
    return by_intercom.get(category.team or "", watched[0])


def _yaml(data: Any, note: str = "") -> str:
    body = yaml.safe_dump(data, allow_unicode=True, sort_keys=False, width=120)
    return f"# {note}\n{body}" if note else body
