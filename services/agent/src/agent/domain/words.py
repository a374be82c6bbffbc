"""Closed vocabularies in the ten served languages: yes, no, stop, a person please, ordinals, questions."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from importlib import resources
from typing import Any, Final

import yaml

_STROKES: Final = str.maketrans({"ł": "l", "ø": "o", "æ": "ae", "đ": "d"})
_APOSTROPHES: Final = str.maketrans("", "", "'’`´")
_NOT_A_WORD: Final = re.compile(r"[^\w]+", re.UNICODE)


def fold(text: str) -> str:
    """Lower case, no accents, words apart by one space: what the vocabularies are matched against."""
    bare = "".join(
        part for part in unicodedata.normalize("NFKD", text.translate(_APOSTROPHES)) if not unicodedata.combining(part)
    )
    return _NOT_A_WORD.sub(" ", bare.casefold().translate(_STROKES)).strip()


def _read() -> dict[str, Any]:
    text = resources.files("agent.domain").joinpath("vocabulary.yaml").read_text(encoding="utf-8")
    content: dict[str, Any] = yaml.safe_load(text)
    return content


def _phrases(by_language: Mapping[str, list[str]]) -> Mapping[str, frozenset[str]]:
    return {language: frozenset(phrases) for language, phrases in by_language.items()}


def _patterns(by_language: Mapping[str, Iterable[str]]) -> Mapping[str, re.Pattern[str]]:
    return {language: re.compile(rf"\b({'|'.join(patterns)})\b") for language, patterns in by_language.items()}


_VOCABULARY: Final = _read()

YES: Final = _phrases(_VOCABULARY["yes_phrases"])
NO: Final = _phrases(_VOCABULARY["no_phrases"])
STOP: Final = _phrases(_VOCABULARY["stop_phrases"])
CANCEL: Final = _phrases(_VOCABULARY["cancel_phrases"])
LAST: Final = _phrases(_VOCABULARY["last"])
AMBIGUOUS: Final = _phrases(_VOCABULARY["ambiguous"])
FILLERS: Final = frozenset(_VOCABULARY["fillers"])
PERSON: Final = _patterns(_VOCABULARY["person_patterns"])
REPEAT: Final = _patterns(_VOCABULARY["repeat_patterns"])
CORRECT: Final = _patterns(_VOCABULARY["correct_patterns"])
OTHER: Final = _patterns(_VOCABULARY["other_patterns"])
QUESTION: Final = _phrases(_VOCABULARY["question_words"])
HOW_LONG: Final = _patterns(_VOCABULARY["how_long_patterns"])
TIME: Final = _patterns(_VOCABULARY["time_patterns"])
USUAL: Final = _patterns(_VOCABULARY["usual_patterns"])
FUNCTION_WORDS: Final = _phrases(_VOCABULARY["function_words"])
ORDINALS: Final[Mapping[str, tuple[frozenset[str], ...]]] = {
    language: tuple(frozenset(forms) for forms in positions) for language, positions in _VOCABULARY["ordinals"].items()
}
