"""How far a ruling may go: the mode of its category, and where Floodgate only looks on. Pure."""

from __future__ import annotations

from dataclasses import replace

from floodgate.catalogue import Automation, CatalogueIndex, Category
from floodgate.events import Decision
from floodgate.modes import Modes

from firewall.domain.ruling import Ruling
from firewall.domain.teams import default_team


def mode_of(category: Category | None) -> Automation:
    """How far a category of an index with its limits may be automated."""
    if category is None or category.never_automate or category.workflow is None:
        return Automation.OFF
    return category.automation


def within(ruling: Ruling, index: CatalogueIndex, modes: Modes) -> Ruling:
    """The ruling with its mode; where Floodgate only observes, the user hears nothing and a colleague has the case."""
    category = index.categories.get(ruling.category or "")
    ruling = replace(ruling, mode="" if category is None or category.workflow is None else mode_of(category).value)
    if not modes.observes(ruling.category) or ruling.decision is Decision.PASS:
        return ruling
    observed = ruling.decision.value
    if ruling.decision is Decision.ESCALATE:
        # An emergency stays one: colleagues get it at once, the user only hears from them.
        return replace(ruling, template=None, observed=observed)
    team = ruling.team or (category.team if category else default_team(index))
    if ruling.decision is Decision.QUARANTINE:
        team = category.team if category else default_team(index)
    return replace(
        ruling,
        decision=Decision.PASS,
        explanation=f"{ruling.explanation.removesuffix('.')}; Floodgate only observes here, so it goes to {team}.",
        reason_code=None,
        template=None,
        offered_paths=(),
        team=team,
        observed=observed,
    )
