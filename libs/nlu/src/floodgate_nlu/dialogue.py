"""How a conversation went: its state at the end and what the customer makes of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from floodgate_nlu.patterns import PhraseMatcher
from floodgate_nlu.resources import load_yaml, phrases
from floodgate_nlu.sentiment import polarity
from floodgate_nlu.summaries import contentful
from floodgate_nlu.text import sentences, tokens

_LOOK_BACK: Final = 2
_AGENTS: Final = frozenset({"agent", "bot", "system", "assistant", "admin"})
_SPEAKERS: Final = frozenset({"agent", "bot", "assistant", "admin"})
_SOLVED: Final = "solved"
_WAITING: Final = "waiting"
_WORKS: Final = "works"
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
    """resolved, escalated or pending: what the agent said last, and what the customer makes of it.

    An agent who has done or answered what was asked has resolved it, unless the customer comes back; a stated time
    ("within five days") leaves a case open only when nothing was done.
    """
    spoken = [turn for turn in turns if turn.text.strip()]
    answers = [turn for turn in spoken if turn.role in _SPEAKERS and contentful(turn.text)]
    answers = answers or [turn for turn in spoken if turn.role in _SPEAKERS]
    if not answers:
        return PENDING
    verdict = _agents_verdict(answers, language)
    last = spoken[-1]
    if last.by_customer and verdict != ESCALATED:
        return _customers_verdict(last, verdict, language)
    return verdict


def _agents_verdict(answers: Sequence[Turn], language: str) -> str:
    last = answers[-1].text
    found = cues(last, language)
    earlier = [cues(turn.text, language) for turn in answers[-_LOOK_BACK - 1 : -1]]
    if found.get(ESCALATED):
        return ESCALATED
    if found.get(_WAITING):
        return RESOLVED if found.get(_SOLVED) and not _waits_at_last(last, language) else PENDING
    if found.get(_SOLVED):
        return RESOLVED
    if any(cue.get(ESCALATED) for cue in earlier):
        return ESCALATED
    done = any(cue.get(_SOLVED) for cue in earlier)
    open_question = sentences(last)[-1].endswith("?") if sentences(last) else False
    if (found.get(PENDING) or open_question) and not done:
        return PENDING
    return RESOLVED


def _waits_at_last(text: str, language: str) -> bool:
    """Whether the last sentence that says something of the outcome says that it is open."""
    telling = [c for c in (cues(s, language) for s in sentences(text)) if c.get(_WAITING) or c.get(_SOLVED)]
    return bool(telling and telling[-1].get(_WAITING) and not telling[-1].get(_SOLVED))


def _customers_verdict(turn: Turn, verdict: str, language: str) -> str:
    found = cues(turn.text, language)
    if found.get("unhappy_end"):
        return PENDING
    if found.get(_WORKS):
        return RESOLVED
    return PENDING if "?" in turn.text else verdict


def satisfaction(turns: Sequence[Turn], resolution: str, language: str) -> float:
    """A satisfaction indicator from 0 to 1: how the customer ends, how that changed, and the outcome."""
    balances = [polarity(turn.text, language) for turn in turns if turn.by_customer]
    first = _squashed(balances[0]) if balances else 0.0
    last = _squashed(sum(balances[-2:])) if balances else 0.0
    outcome = {RESOLVED: 0.25, ESCALATED: -0.1, PENDING: -0.12}[resolution]
    return round(min(max(0.5 + outcome + 0.2 * last + 0.08 * (last - first), 0.0), 1.0), 4)


def _squashed(balance: float) -> float:
    return balance / (abs(balance) + 1.5)
