"""What the checker's rules look at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from floodgate.catalogue.models import Catalogue, Template

from agent.domain.calls import CallSpec
from agent.domain.expressions import Expressions
from agent.domain.flow import Flow
from agent.domain.model import Workflow


@dataclass(frozen=True, slots=True)
class Subject:
    """A workflow with everything that it has to fit."""

    workflow: Workflow
    catalogue: Catalogue
    expressions: Expressions
    templates: Mapping[str, Template]
    flow: Flow
    calls: Mapping[str, CallSpec]


Faults = Iterator[tuple[Any, ...]]
"""(step or "", message, and where below the step: the keys of the YAML)."""
