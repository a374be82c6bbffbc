"""What a new language has to pass before it is served fully: rows to measure it by, and the gate's suite. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from floodgate.catalogue.models import Catalogue
from floodgate.catalogue.source import UNFINISHED
from floodgate.catalogue.yaml_edit import Addition, add_members

SUITES: Final = "suites.yaml"
ROWS_PER_CATEGORY: Final = 3
LEAST_ACCURACY: Final = 0.8
TRIAL_THRESHOLDS: Final[Mapping[str, float]] = {
    "min_confidence": 0.6, "redirect_confidence": 0.8, "automate_confidence": 1.0,
}  # fmt: skip
"""What a language on trial is held to: sent on and answered only where the model is sure, nothing automated."""


def gate_of(catalogue: Catalogue, language: str, suites: str) -> dict[str, str]:
    """The files of the gate, by name relative to the folder of the suites.

    Args:
        catalogue: Its categories have to be told apart.
        language: ISO 639-1 code.
        suites: What the file of suites says now.

    Raises:
        FatalError: The file is laid out in a way that this cannot extend.
    """
    rows = f"corpora/{language}.jsonl"
    suite: dict[str, Any] = {"task": "intent", "test": [rows], "at_least": {"accuracy": LEAST_ACCURACY}}
    return {
        SUITES: add_members(SUITES, suites, [Addition(("suites",), suite, key=f"{language}/intent")]),
        rows: "".join(
            json.dumps(
                {"text": f"{UNFINISHED} as a customer writes it, in none of the examples", "intent": category.id,
                 "lang": language},
                ensure_ascii=False,
            )
            + "\n"
            for category in catalogue.categories
            for _ in range(ROWS_PER_CATEGORY)
        ),
    }  # fmt: skip
