"""How a conversation went: its state at the end and what the customer makes of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from floodgate_nlu.patterns import PhraseMatcher
from floodgate_nlu.resources import load_yaml, phrases
from floodgate_nlu.sentiment import NEUTRAL_BAND, is_grateful, mocks, polarity
from floodgate_nlu.summaries import contentful
from floodgate_nlu.text import sentences, tokens

_LOOK_BACK: Final = 2
_MILD: Final = 1.01
_SHORT_ANSWER: Final = 6
_FAINT: Final = 0.4
# Alone it leaves a conversation neutral.
_POLITE: Final = 0.2
_MOCKERY: Final = 2.0
_UNSOLVED: Final = 0.4
_AGENTS: Final = frozenset({"agent", "bot", "system", "assistant", "admin"})
_SPEAKERS: Final = frozenset({"agent", "bot", "assistant", "admin"})
_SOLVED: Final = "solved"
_WAITING: Final = "waiting"
_WORKS: Final = "works"
_UNHAPPY: Final = "unhappy_end"
_REQUEST: Final = "request"
_APOLOGY: Final = "apology"
# Enough to be negative, and mildly so.
_UNMET: Final = 0.8
_EVEN: Final = 0.5
RESOLVED: Final = "resolved"
ESCALATED: Final = "escalated"
PENDING: Final = "pending"
ANSWER_CUES: Final = (_SOLVED, _WAITING, ESCALATED, PENDING)
"""What an agent's words may say of the outcome."""
REPLY_CUES: Final = (_WORKS, _SOLVED, _UNHAPPY)
"""What a customer's may."""
# By sentiment and outcome, before the strength of the feeling.
_SATISFACTION: Final = {
    "positive": {RESOLVED: 0.82, ESCALATED: 0.65, PENDING: 0.65},
    "neutral": {RESOLVED: 0.62, ESCALATED: 0.48, PENDING: 0.48},
    "negative": {RESOLVED: 0.4, ESCALATED: 0.24, PENDING: 0.24},
}


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


def speaks_for_the_company(turn: Turn) -> bool:
    """Whether an agent or a bot says something in it."""
    return turn.role in _SPEAKERS and bool(turn.text.strip())


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
    if found.get(_UNHAPPY):
        return PENDING
    if found.get(_WORKS):
        return RESOLVED
    return PENDING if "?" in turn.text else verdict


def conversation_sentiment(turns: Sequence[Turn], resolution: str, language: str) -> str:
    """The customer's sentiment over the conversation; how it ends counts most."""
    total = mood(turns, resolution, language)
    balance = total / (abs(total) + 1.5)
    return "positive" if balance > NEUTRAL_BAND else "negative" if balance < -NEUTRAL_BAND else "neutral"


def mood(turns: Sequence[Turn], resolution: str, language: str) -> float:
    """The weighted sum of what the customer feels, below 0 for complaint."""
    own = [turn.text for turn in turns if turn.by_customer and turn.text.strip()]
    if not own:
        return 0.0
    felt = [_felt(text, language, first=number == 0) for number, text in enumerate(own)]
    mocking = [mocks(text, language) for text in own]
    if mocking[-1] or (any(mocking) and felt[-1] <= _MILD):
        return -_MOCKERY
    total = 0.5 * sum(felt) + 0.8 * felt[-1]
    if resolution != RESOLVED and total < 0:
        total -= _UNSOLVED
    return total - (_UNMET if _complains_plainly(turns, total, resolution, language) else 0.0)


def _complains_plainly(turns: Sequence[Turn], total: float, resolution: str, language: str) -> bool:
    """Whether a customer without a word of feeling complains: an agent apologises, or what is no wish stays unmet."""
    answers = [turn.text for turn in turns if turn.role in _SPEAKERS]
    if abs(total) > _FAINT or not answers:  # what nobody has answered yet says nothing of how it went
        return False
    if any(_APOLOGY in cues(text, language) for text in answers):
        return True
    own = [turn.text for turn in turns if turn.by_customer and turn.text.strip()]
    asks = any("?" in text for text in own) or _REQUEST in cues(own[0], language)
    return resolution != RESOLVED and not asks


def _felt(text: str, language: str, *, first: bool) -> float:
    """A turn's polarity; that it works now, or a bare "good", is an answer rather than a feeling."""
    found = polarity(text, language)
    if found <= 0 or is_grateful(text, language):
        # A customer who opens with thanks for the help to come, or with one kind word, is polite.
        asks = "?" in text or (found <= _MILD and "!" not in text) or _REQUEST in cues(text, language)
        return min(found, _POLITE) if first and found > 0 and asks else found
    if len(tokens(text)) <= _SHORT_ANSWER and found <= _MILD:
        return 0.0
    return found if found > _MILD or "!" in text else _FAINT * found


def requests(text: str, language: str) -> bool:
    """Whether a text asks for something in so many words ("I would like …")."""
    return _REQUEST in cues(text, language)


def answered(turns: Sequence[Turn]) -> bool:
    """Whether anybody but the customer has said something."""
    return any(map(speaks_for_the_company, turns))


def satisfaction(turns: Sequence[Turn], resolution: str, language: str, shares: Mapping[str, float]) -> float:
    """A satisfaction indicator from 0 to 1: what the customer feels (the share of each sentiment), and the outcome."""
    total = mood(turns, resolution, language)
    expected = sum(share * _SATISFACTION[sentiment][resolution] for sentiment, share in shares.items())
    return round(min(max(expected + 0.1 * _squashed(total), 0.0), 1.0), 4)


def pressure(resolution: str, complains: float) -> float:
    """How soon a matter without a rule of its own had to be dealt with, 0 to 1; an open complaint soonest.

    Args:
        resolution: The state at the end.
        complains: How likely the customer complains.
    """
    return round(0.15 + 0.2 * complains + (0.0 if resolution == RESOLVED and complains < _EVEN else 0.1), 4)


def _squashed(balance: float) -> float:
    return balance / (abs(balance) + 1.5)
