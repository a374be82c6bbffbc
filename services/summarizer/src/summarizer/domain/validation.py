"""What a feature record must not be, beyond its types. Every refusal tells the model what to do instead."""

from __future__ import annotations

import re
from typing import Final, Protocol

from floodgate.privacy import contains_personal_data, placeholders_in

from summarizer.domain.extraction import SummarizeInteraction
from summarizer.domain.transcript import Transcript

MIN_SUMMARY_CHARS: Final = 15
_SHORT_TRANSCRIPT_CHARS: Final = 60
_UNHAPPY_CSAT: Final = 0.1
_HAPPY_CSAT: Final = 0.9
_NUMBER: Final = re.compile(r"\d(?:[\d.,:\u00a0]*\d)?")
_SEPARATORS: Final = re.compile(r"[.,:\u00a0]")
_BRACKETED: Final = re.compile(
    r"[\[<{](?:name|email|e-mail|phone|iban|card|national_id|redacted)[^\]>}]{0,12}[\]>}]", re.I
)


class LanguageCheck(Protocol):
    """Tells whether a text is in a language."""

    def is_other(self, text: str, language: str) -> bool:
        """True only when the text is surely in another language; short texts never are."""
        ...


def check_features(
    answer: SummarizeInteraction,
    transcript: Transcript,
    *,
    summary_language: str,
    country: str | None,
    languages: LanguageCheck,
) -> None:
    """Refuses an answer that types let through.

    Raises:
        ValueError: What is wrong, in a line that the model is shown. It never quotes the summary.
    """
    problems = [
        *_privacy_problems(answer.summary, summary_language, country),
        *_content_problems(answer.summary, transcript),
        *_contradictions(answer),
    ]
    if languages.is_other(answer.summary, summary_language):
        problems.append(f"summary: is not in the language {summary_language}; write it in {summary_language}")
    if problems:
        raise ValueError("; ".join(problems))


def _privacy_problems(summary: str, language: str, country: str | None) -> list[str]:
    problems = []
    if placeholders_in(summary) or _BRACKETED.search(summary):
        problems.append(
            'summary: contains a placeholder such as <EMAIL_1>; write "the customer" or "the order" instead'
        )
    kinds = contains_personal_data(summary, language=language, country=country)
    if kinds:
        problems.append(f"summary: contains personal data ({', '.join(kinds)}); leave it out")
    return problems


def _content_problems(summary: str, transcript: Transcript) -> list[str]:
    problems = []
    source = transcript.text
    if len(summary) < MIN_SUMMARY_CHARS and len(source) > _SHORT_TRANSCRIPT_CHARS:
        problems.append("summary: is too short to be of use; say what was wanted and how it ended")
    known = {_SEPARATORS.sub("", number) for number in _NUMBER.findall(source)}
    # One digit may be a word of the transcript ("two tickets"); longer numbers must stand there.
    invented = [n for n in _NUMBER.findall(summary) if len(_SEPARATORS.sub("", n)) > 1]
    if any(_SEPARATORS.sub("", number) not in known for number in invented):
        problems.append("summary: contains a number that the transcript does not; use only what it says")
    return problems


def _contradictions(answer: SummarizeInteraction) -> list[str]:
    problems = []
    if answer.sentiment == "positive" and answer.csat_indicator < _UNHAPPY_CSAT:
        problems.append("csat_indicator: contradicts the positive sentiment; make them agree")
    if answer.sentiment == "negative" and answer.csat_indicator > _HAPPY_CSAT:
        problems.append("csat_indicator: contradicts the negative sentiment; make them agree")
    return problems
