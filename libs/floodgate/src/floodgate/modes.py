"""How far automation may go: what the catalogue allows, and the limit that an operator sets while services run.

A limit lowers and never raises: to let a category do more is a change of the catalogue, with its review and its
checks. `floodgate.mode_switch` has the limits of a running process, and sets them. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from floodgate.catalogue.models import Automation, Catalogue, Category
from floodgate.events import AvroModel, ModeChange, SwitchMode

EVERYTHING: Final = "*"
LEVELS: Final = (Automation.OFF, Automation.SHADOW, Automation.PROPOSE, Automation.ON)
SETTABLE: Final = (SwitchMode.OBSERVE, SwitchMode.OFF, SwitchMode.SHADOW, SwitchMode.PROPOSE, SwitchMode.ON)
_MOST: Final[Mapping[SwitchMode, Automation]] = {
    # Who only observes may compute what would be done: that has no effect.
    SwitchMode.OBSERVE: Automation.SHADOW,
    SwitchMode.OFF: Automation.OFF,
    SwitchMode.SHADOW: Automation.SHADOW,
    SwitchMode.PROPOSE: Automation.PROPOSE,
    SwitchMode.ON: Automation.ON,
    # A word of a newer version: whatever it means, it limits.
    SwitchMode.UNKNOWN: Automation.OFF,
}


@dataclass(frozen=True, slots=True)
class Modes:
    """The limits that are set now.

    Attributes:
        changes: The newest change by target.
    """

    changes: Mapping[str, ModeChange] = field(default_factory=dict)

    def limits(self, category: str | None) -> list[ModeChange]:
        """What limits a category: for everything, and its own."""
        found = (self.changes.get(EVERYTHING), self.changes.get(category or EVERYTHING))
        return [change for change in found if change is not None and change.mode is not SwitchMode.ON]

    def automation(self, category: Category | None) -> Automation:
        """How far a category may be automated now."""
        if category is None or category.never_automate:
            return Automation.OFF
        allowed = [category.automation, *(_MOST[change.mode] for change in self.limits(category.id))]
        return min(allowed, key=LEVELS.index)

    def observes(self, category: str | None) -> bool:
        """Whether nothing is to be said to users: Floodgate only looks on."""
        return any(change.mode is SwitchMode.OBSERVE for change in self.limits(category))

    def over(self, catalogue: Catalogue) -> Catalogue:
        """The catalogue with the limits put on its categories."""
        if not self.changes:
            return catalogue
        limited = tuple(c.model_copy(update={"automation": self.automation(c)}) for c in catalogue.categories)
        return catalogue.model_copy(update={"categories": limited})

    def after(self, changes: Iterable[AvroModel]) -> Modes:
        """The limits after further changes."""
        found = {change.target: change for change in changes if isinstance(change, ModeChange)}
        return replace(self, changes={**self.changes, **found}) if found else self
