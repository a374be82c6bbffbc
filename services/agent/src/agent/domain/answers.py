"""Which passages bear on a case, and which of their sentences answer a question. Nothing is worded anew."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from floodgate.events import Citation
from floodgate.knowledge.types import Passage

from agent.domain import words
from agent.domain.words import fold

MAX_ANSWER_CHARS: Final = 400
MIN_ANSWER_CHARS: Final = 50
"""A shorter sentence leans on the one before it: "Usually that takes a few minutes." """
MAX_CITATIONS: Final = 2

_STEM_LENGTH: Final = 5
_MIN_WORD_LENGTH: Final = 3
_MIN_COVERAGE: Final = 0.5
"""More than half of what a question is about has to occur: a common word alone supports nothing."""
_MIN_WORDS: Final = 2
_SENTENCE_END: Final = re.compile(r"(?<=[.!?…])\s+")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A passage that was found.

    Attributes:
        subject: Stems of how customers ask for what its article is about.
        on_topic: Whether the article belongs to the category of the case.
    """

    passage: Passage
    subject: frozenset[str]
    on_topic: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """Sentences of one passage, as they stand there."""

    text: str
    citation: Citation


def stems(text: str, language: str) -> frozenset[str]:
    """Beginnings of the words that say what a text is about."""
    empty = words.FUNCTION_WORDS.get(language, frozenset())
    said = (word for word in fold(text).split() if len(word) >= _MIN_WORD_LENGTH and not word.isdigit())
    return frozenset(word[:_STEM_LENGTH] for word in said if word not in empty)


def citation_of(passage: Passage) -> Citation:
    """The passage as the records carry it."""
    return Citation(
        article_id=passage.article_id, chunk_id=passage.chunk_id, title=passage.title, language=passage.language
    )


def bearing_on(query: str, candidates: Sequence[Candidate]) -> tuple[Citation, ...]:
    """At most two articles, best first: of the category of the case; without any, about most of what the query says.

    Scores of a search compare only within one answer, so that they cannot tell a hit from the least bad.
    """
    relevant = [candidate.passage for candidate in candidates if candidate.on_topic]
    relevant = relevant or [candidate.passage for candidate in candidates if _is_about(query, candidate.passage)]
    cited: dict[str, Citation] = {}
    for passage in relevant:
        cited.setdefault(passage.article_id, citation_of(passage))
    return tuple(cited.values())[:MAX_CITATIONS]


def best_answer(question: str, language: str, candidates: Sequence[Candidate]) -> Answer | None:
    """The sentences that support an answer best, at most 400 characters; None when none do.

    A question for a length of time needs sentences that name one; any other needs two of its words. Passages in
    another language than the conversation's answer nothing.
    """
    asked = stems(question, language)
    timed = words.HOW_LONG[language].search(fold(question)) is not None if language in words.HOW_LONG else False
    best: tuple[tuple[bool, float, int, int], Answer] | None = None
    for candidate in candidates:
        if candidate.passage.language != language:
            continue
        for window in _windows(candidate.passage.text):
            grade = _timed(asked, candidate, window) if timed else _plain(asked, candidate, window)
            if grade is None:
                continue
            # What the case is about comes first; of two that say as much the shorter one; of two alike the one that
            # the search put first.
            ranked = (candidate.on_topic, *grade, -len(window))
            if best is None or ranked > best[0]:
                best = ranked, Answer(window, citation_of(candidate.passage))
    return None if best is None else best[1]


def _is_about(query: str, passage: Passage) -> bool:
    asked = stems(query, passage.language)
    shared = asked & stems(f"{passage.title} {passage.text}", passage.language)
    return len(shared) >= _MIN_WORDS and len(shared) > _MIN_COVERAGE * len(asked)


def _timed(asked: frozenset[str], candidate: Candidate, window: str) -> tuple[float, int] | None:
    """How well a window answers "how long"; "how long?" alone asks about the case that is open."""
    language = candidate.passage.language
    strength = _names_time(window, language)
    if not strength or (not asked and not candidate.on_topic):
        return None
    said = asked & stems(window, language)
    if strength == 1 and asked and not said:
        return None  # some time of something else
    known = said | stems(candidate.passage.title, language) | candidate.subject
    coverage = len(asked & known) / len(asked) if asked else 1.0
    return (coverage, strength) if coverage > _MIN_COVERAGE else None


def _plain(asked: frozenset[str], candidate: Candidate, window: str) -> tuple[float, int] | None:
    language = candidate.passage.language
    said = asked & stems(window, language)
    shared = said | (asked & stems(candidate.passage.title, language))
    if not said or len(shared) < _MIN_WORDS or len(shared) <= _MIN_COVERAGE * len(asked):
        return None
    return len(shared) / len(asked), len(said)


def _names_time(text: str, language: str) -> int:
    """2 when a sentence says how long something usually takes, 1 when it names a time, else 0."""
    strength = 0
    for sentence in _sentences(text):
        folded = fold(sentence)
        if words.TIME[language].search(folded):
            strength = max(strength, 2 if words.USUAL[language].search(folded) else 1)
    return strength


def _windows(text: str) -> Iterator[str]:
    """Neighbouring sentences, as many as fit."""
    sentences = _sentences(text)
    for first in range(len(sentences)):
        for last in range(first, len(sentences)):
            window = " ".join(sentences[first : last + 1])
            if len(window) > MAX_ANSWER_CHARS:
                break
            if first == 0 or len(window) >= MIN_ANSWER_CHARS:
                yield window


def _sentences(text: str) -> list[str]:
    """What begins in lower case or with a digit goes on with the sentence before: "12. Dezember"."""
    sentences: list[str] = []
    for piece in _SENTENCE_END.split(" ".join(text.split())):
        if sentences and piece and (piece[0].islower() or piece[0].isdigit()):
            sentences[-1] = f"{sentences[-1]} {piece}"
        elif piece:
            sentences.append(piece)
    return sentences
