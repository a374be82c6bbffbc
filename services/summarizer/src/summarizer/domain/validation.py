"""What a feature record must not be, beyond its types. Every refusal tells the model what to do instead."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final, Protocol

from floodgate.privacy import contains_personal_data, placeholders_in

from summarizer.domain.extraction import SummarizeInteraction
from summarizer.domain.facts import unsupported_facts
from summarizer.domain.transcript import Transcript
from summarizer.domain.vocabulary import said_ending

MIN_SUMMARY_CHARS: Final = 15
MIN_TELLING_CHARS: Final = 40
MIN_TELLING_WORDS: Final = 6
_SHORT_TRANSCRIPT_CHARS: Final = 60
_TELLING_TRANSCRIPT_CHARS: Final = 300
UNHAPPY_CSAT: Final = 0.1
HAPPY_CSAT: Final = 0.9
_MOST_NAMED: Final = 5
_BRACKETED: Final = re.compile(
    r"[\[<{](?:name|email|e-mail|phone|iban|card|national_id|redacted)[^\]>}]{0,12}[\]>}]", re.I
)
_MARKUP: Final = re.compile(r"</?\w+[^>]*>|```|\{\"")


class LanguageCheck(Protocol):
    """Tells whether a text is in a language."""

    def is_other(self, text: str, language: str) -> bool:
        """True only when the text is surely in another language; short texts never are."""
        ...


@dataclass(frozen=True, slots=True)
class Problem:
    """One reason to refuse.

    Attributes:
        kind: privacy, fact, length, language, contradiction or form.
        message: What the model is shown; it holds nothing that the customer wrote.
    """

    kind: str
    message: str


class FeaturesRefusedError(ValueError):
    """An answer that types let through and its content does not."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("; ".join(problem.message for problem in problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Expected:
    """What an answer is held against.

    Attributes:
        known_words: Folded words that need no support in the transcript.
    """

    transcript: Transcript
    summary_language: str
    country: str | None
    languages: LanguageCheck
    known_words: Collection[str] = frozenset()


def check_features(answer: SummarizeInteraction, expected: Expected) -> None:
    """Refuses an answer that types let through.

    Raises:
        FeaturesRefusedError: Everything that is wrong, in a line that the model is shown.
    """
    problems = tuple(problems_of(answer, expected))
    if problems:
        raise FeaturesRefusedError(problems)


def problems_of(answer: SummarizeInteraction, expected: Expected) -> Iterator[Problem]:
    """Everything that is wrong, most serious first."""
    private = tuple(_privacy(answer.summary, expected))
    yield from private
    # What is invented may be quoted, unless it may also be somebody's.
    yield from _facts(answer.summary, expected, quoted=not private)
    yield from _form(answer.summary, expected)
    yield from _contradictions(answer)


def _privacy(summary: str, expected: Expected) -> Iterator[Problem]:
    if placeholders_in(summary) or _BRACKETED.search(summary):
        yield Problem(
            "privacy", 'summary: contains a placeholder such as <EMAIL_1>; write "the customer" or "the order" instead'
        )
    kinds = contains_personal_data(summary, language=expected.summary_language, country=expected.country)
    if not kinds and expected.transcript.withholds(summary):
        kinds = ("name or address",)
    if kinds:
        yield Problem("privacy", f"summary: contains personal data ({', '.join(kinds)}); leave it out")


def _facts(summary: str, expected: Expected, *, quoted: bool) -> Iterator[Problem]:
    invented = unsupported_facts(
        summary, expected.transcript.facts, language=expected.summary_language, known_words=expected.known_words
    )
    if not invented:
        return
    shown = " (" + ", ".join(f'"{fact}"' for fact in invented[:_MOST_NAMED]) + ")" if quoted else ""
    kind = "number" if any(character.isdigit() for character in invented[0]) else "name or date"
    yield Problem("fact", f"summary: contains a {kind} that is not in the transcript{shown}; use only what it says")


def _form(summary: str, expected: Expected) -> Iterator[Problem]:
    source = len(expected.transcript.text)
    is_short = len(summary) < MIN_SUMMARY_CHARS and source > _SHORT_TRANSCRIPT_CHARS
    is_terse = len(summary) < MIN_TELLING_CHARS or len(summary.split()) < MIN_TELLING_WORDS
    if is_short or (is_terse and source > _TELLING_TRANSCRIPT_CHARS):
        yield Problem("length", "summary: is too short to be of use; say what was wanted and how it ended")
    if _MARKUP.search(summary) and not placeholders_in(summary):
        yield Problem("form", "summary: contains markup; write one or two plain sentences")
    language = expected.summary_language
    if expected.languages.is_other(summary, language):
        yield Problem("language", f"summary: is not in the language {language}; write it in {language}")


def _contradictions(answer: SummarizeInteraction) -> Iterator[Problem]:
    if answer.sentiment == "positive" and answer.csat_indicator < UNHAPPY_CSAT:
        yield Problem("contradiction", "csat_indicator: contradicts the positive sentiment; make them agree")
    if answer.sentiment == "negative" and answer.csat_indicator > HAPPY_CSAT:
        yield Problem("contradiction", "csat_indicator: contradicts the negative sentiment; make them agree")
    ending = said_ending(answer.summary)
    # "pending" goes with either: a step may be done, or handed over, while the case itself stays open.
    if ending is not None and answer.resolution_status not in {ending, "pending"}:
        yield Problem(
            "contradiction",
            f"resolution_status: {answer.resolution_status} contradicts the summary, which says {ending}; "
            "make them agree",
        )
