"""How a conversation went: its state at the end and what the customer makes of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from floodgate_nlu.patterns import PhraseMatcher
from floodgate_nlu.resources import load_yaml, phrases
from floodgate_nlu.sentiment import polarity
from floodgate_nlu.text import sentences, tokens

_CLOSING_TURNS: Final = 4
_AGENTS: Final = frozenset({"agent", "bot", "system", "assistant", "admin"})
RESOLVED: Final = "resolved"
ESCALATED: Final = "escalated"
PENDING: Final = "pending"


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of a conversation."""

    role: str
    text: str

    @property
    def by_customer(self) -> bool:
        """Whether the customer said it."""
        return self.role not in _AGENTS


@cache
def _matcher(language: str) -> PhraseMatcher[str]:
    data = load_yaml("dialogue.yaml")
    return PhraseMatcher(
        [
            (phrase, label)
            for label, languages in data.items()
            for code in sorted({language, "en"} & set(languages))
            for phrase in phrases(languages[code])
        ]
    )


def cues(text: str, language: str) -> dict[str, int]:
    """How many sentences of a text say that a case is solved, escalated, pending or ends badly."""
    counts: dict[str, int] = {}
    for sentence in sentences(text):
        for label in {match.label for match in _matcher(language).find(tokens(sentence))}:
            counts[label] = counts.get(label, 0) + 1
    return counts


def resolution_of(turns: Sequence[Turn], language: str) -> str:
    """resolved, escalated or pending, from the closing turns; later turns weigh more."""
    closing = [turn for turn in turns if turn.text.strip()][-_CLOSING_TURNS:]
    scores = {RESOLVED: 0.0, ESCALATED: 0.0, PENDING: 0.2}
    for position, turn in enumerate(closing):
        weight = 1.0 + 0.5 * position
        _add_cues(scores, turn, weight, language)
    for turn in turns[: -len(closing)] if closing else ():
        if not turn.by_customer and cues(turn.text, language).get(ESCALATED):
            scores[ESCALATED] += 0.6
    if closing and closing[-1].by_customer and "?" in closing[-1].text:
        scores[PENDING] += 1.0
    if not any(not turn.by_customer for turn in turns):
        scores[PENDING] += 2.0
    return max((ESCALATED, PENDING, RESOLVED), key=lambda label: scores[label])


def _add_cues(scores: dict[str, float], turn: Turn, weight: float, language: str) -> None:
    found = cues(turn.text, language)
    if turn.by_customer:
        unhappy = bool(found.get("unhappy_end"))
        scores[RESOLVED] += weight * (1.2 if found.get("solved") and not unhappy else 0.0)
        scores[PENDING] += weight * (0.5 if unhappy or found.get("pending") else 0.0)
        return
    scores[RESOLVED] += weight * (1.0 if found.get("solved") else 0.0)
    scores[ESCALATED] += weight * (2.2 if found.get("escalated") else 0.0)
    scores[PENDING] += weight * (0.9 if found.get("pending") else 0.0)


def satisfaction(turns: Sequence[Turn], resolution: str, language: str) -> float:
    """A satisfaction indicator from 0 to 1: how the customer ends, how that changed, and the outcome."""
    balances = [polarity(turn.text, language) for turn in turns if turn.by_customer]
    first = _squashed(balances[0]) if balances else 0.0
    last = _squashed(sum(balances[-2:])) if balances else 0.0
    outcome = {RESOLVED: 0.25, ESCALATED: -0.1, PENDING: -0.12}[resolution]
    return round(min(max(0.5 + outcome + 0.2 * last + 0.08 * (last - first), 0.0), 1.0), 4)


def _squashed(balance: float) -> float:
    return balance / (abs(balance) + 1.5)
