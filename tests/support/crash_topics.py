"""The topics of the lab."""

from __future__ import annotations

from typing import Final

GROUP: Final = "group"
IN: Final = "in"
FACTS: Final = "facts"
"""A followed topic: its records change the state alone, and what was written before an input is known to it."""
OUT: Final = "out"
DEAD: Final = "dead"
STATE: Final = "state"

REDRIVE: Final = "redrive"
"""Where dead letters come back when keys are parked."""
