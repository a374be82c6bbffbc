"""Dead letters: look at them, and send them back to the one service that failed."""

from floodgate.deadletters.decisions import Decision, LedgerEntry, decide
from floodgate.deadletters.reading import Letters
from floodgate.deadletters.redrive import Redriven, Redriver

__all__ = ["Decision", "LedgerEntry", "Letters", "Redriven", "Redriver", "decide"]
