"""What a new language or country has to pass before it is served fully: rows, and the gate's suite. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from floodgate.catalogue.models import Catalogue
from floodgate.catalogue.source import UNFINISHED
from floodgate.catalogue.yaml_edit import Addition, add_members

SUITES: Final = "suites.yaml"
ROWS_PER_CATEGORY: Final = 3
LEAST_ACCURACY: Final = 0.8
LEAST_MATCH_ACCURACY: Final = 0.9
TRIAL_THRESHOLDS: Final[Mapping[str, float]] = {
    "min_confidence": 0.6, "redirect_confidence": 0.8, "automate_confidence": 1.0,
}  # fmt: skip
"""What is on trial is held to this: sent on and answered only where the model is sure, nothing automated."""


def gate_of(catalogue: Catalogue, language: str, suites: str) -> dict[str, str]:
    """The files of the gate, by name relative to the folder of the suites.

    Args:
        catalogue: Its categories have to be told apart.
        language: ISO 639-1 code.
        suites: What the file of suites says now.

    Raises:
        FatalError: The file is laid out in a way that this cannot extend.
    """
    rows = [
        {
            "text": f"{UNFINISHED} as a customer writes it, in none of the examples",
            "intent": category.id,
            "lang": language,
        }
        for category in catalogue.categories
        for _ in range(ROWS_PER_CATEGORY)
    ]  # fmt: skip
    suite = {"task": "intent", "at_least": {"accuracy": LEAST_ACCURACY}}
    return _gate(language, "intent", suite, rows, suites)


def country_gate_of(catalogue: Catalogue, country: str, suites: str) -> dict[str, str]:
    """The files of a country's gate: on which paths its customers' words belong and on which they do not.

    Raises:
        FatalError: The file is laid out in a way that this cannot extend.
    """
    rows = [
        {"text": f"{UNFINISHED} as a customer in {country} writes it: {what} on this path", "country": country,
         "chosen_category": category.id, "match": match, "lang": catalogue.default_language}
        for category in catalogue.categories
        for match, what in ((True, "belongs"), (False, "does not belong"))
    ]  # fmt: skip
    return _gate(country, "match", {"task": "match", "at_least": {"accuracy": LEAST_MATCH_ACCURACY}}, rows, suites)


def _gate(
    name: str, task: str, suite: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], suites: str
) -> dict[str, str]:
    file = f"corpora/{name}.jsonl"
    added = Addition(("suites",), {**suite, "test": [file]}, key=f"{name}/{task}")
    return {
        SUITES: add_members(SUITES, suites, [added]),
        file: "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows),
    }
