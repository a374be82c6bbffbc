"""Requests made from an OpenAPI description by Schemathesis: those that fit it, and those that do not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode


def operations(description: Mapping[str, Any]) -> Iterator[Any]:
    """Every operation of a description."""
    return (found.ok() for found in schemathesis.openapi.from_dict(dict(description)).get_all_operations())


def fuzz(operation: Any, check: Callable[[Case], None], *, examples: int) -> None:
    """Gives so many cases that fit an operation to a check, and as many that do not."""
    bounds = settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    bounds(given(case=operation.as_strategy(generation_mode=GenerationMode.POSITIVE))(check))()
    with suppress(Unsatisfiable):  # where nothing is asked for, nothing can be wrong
        bounds(given(case=operation.as_strategy(generation_mode=GenerationMode.NEGATIVE))(check))()
