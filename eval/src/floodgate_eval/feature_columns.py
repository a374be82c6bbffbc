"""One labelled interaction beside the feature record that was made of it, and the taxonomy of a labelled file."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import replace
from typing import Final

from floodgate.events import Summary, Turn, TurnRole
from floodgate.privacy import contains_personal_data, placeholders_in
from summarizer.domain.transcript import transcript_of
from summarizer.domain.validation import MIN_TELLING_CHARS, MIN_TELLING_WORDS

from floodgate_eval.catalogues import Measured
from floodgate_eval.rouge import plain_text, rouge_1, rouge_l, unsupported_facts
from floodgate_eval.rows import FeaturesRow, Labels
from floodgate_eval.template import template_summary

NO_ANSWER: Final = "no answer"
_WHOLE: Final = 10**9
_NUMBER: Final = re.compile(r"\d(?:[\d.,:/-]*\d)?")
_NOT_ALNUM: Final = re.compile(r"[\W_]")
_WORD: Final = re.compile(r"\w+")
_STEM_CHARS: Final = 5
_LEAST_WORD_CHARS: Final = 4
# A fact is in a summary when its numbers are, and this share of its longer words (by their beginnings).
_COVERED_WORDS: Final = 0.6
_UNKNOWN: Final = float("nan")


def with_taxonomy(measured: Measured, labels: Iterable[Labels]) -> Measured:
    """The same catalogue, its topics and intents those of the labels; the own ones where none are labelled."""
    labels = list(labels)
    topics = tuple(sorted({label.primary_topic for label in labels if label.primary_topic}))
    intents = tuple(sorted({label.intent for label in labels if label.intent}))
    own = measured.catalogue
    changed = own.model_copy(update={"topics": topics or own.topics, "intents": intents or own.intents})
    return replace(measured, catalogue=changed)


def feature_columns(row: FeaturesRow, record: Summary | None) -> Mapping[str, Hashable]:
    """What the figures are made of; a record that never came is wrong in everything."""
    labels = row.labels
    said = record.summary if record else ""
    topic = record.primary_topic if record else NO_ANSWER
    # A summary in a language that nobody wrote a reference in cannot be compared.
    references = (*row.reference_summaries_en, *row.reference_summary_local)
    template = template_summary(row.turns, row.group)
    return {
        "valid": record is not None,
        "truth": labels.primary_topic or "",
        "predicted": topic,
        "sentiment_truth": labels.sentiment or "",
        "sentiment": record.sentiment.value if record else NO_ANSWER,
        "intent_truth": labels.intent or "",
        "intent": record.intent if record else NO_ANSWER,
        "resolution_truth": labels.resolution_status or "",
        "resolution": record.resolution_status.value if record else NO_ANSWER,
        "urgency_error": _error(record.urgency_score if record else None, labels.urgency),
        "csat_error": _error(record.csat_indicator if record else None, labels.csat),
        "rouge1": rouge_1(said, references) if references else _UNKNOWN,
        "rougeL": rouge_l(said, references) if references else _UNKNOWN,
        "rouge1_template": rouge_1(template, references) if references else _UNKNOWN,
        "rougeL_template": rouge_l(template, references) if references else _UNKNOWN,
        "facts": len(row.key_facts),
        "facts_covered": sum(is_covered(fact, said) for fact in row.key_facts),
        "unsupported": len(unsupported_facts(said, row.words, record.language if record else None)),
        "personal": _has_personal_data(row, said, record.language if record else None),
        "language_truth": row.group,
        "language": record.language if record else NO_ANSWER,
        "too_short": record is not None and is_too_short(said),
    }


def is_covered(fact: str, summary: str) -> bool:
    """Whether a summary states a fact: all its numbers, and most of its words by their beginnings."""
    squeezed = _NOT_ALNUM.sub("", plain_text(summary))
    if _NOT_ALNUM.sub("", plain_text(fact)) in squeezed:
        return True
    if any(_NOT_ALNUM.sub("", number) not in squeezed for number in _NUMBER.findall(fact)):
        return False
    stems = {word[:_STEM_CHARS] for word in _WORD.findall(plain_text(summary))}
    words = [w for w in _WORD.findall(plain_text(fact)) if len(w) >= _LEAST_WORD_CHARS and not w[0].isdigit()]
    found = sum(word[:_STEM_CHARS] in stems for word in words)
    return found >= _COVERED_WORDS * len(words) and bool(words or _NUMBER.search(fact))


def is_too_short(summary: str) -> bool:
    """Whether a summary says too little to be of use."""
    return len(summary) < MIN_TELLING_CHARS or len(summary.split()) < MIN_TELLING_WORDS


def _error(said: float | None, meant: float | None) -> float:
    if meant is None:
        return _UNKNOWN
    return max(meant, 1.0 - meant) if said is None else abs(said - meant)


def _has_personal_data(row: FeaturesRow, summary: str, language: str | None) -> bool:
    """By the pattern, by a placeholder, or because it repeats what was masked in the conversation."""
    if placeholders_in(summary) or contains_personal_data(summary, language=language, country=row.country):
        return True
    turns = tuple(Turn(role=TurnRole(turn.role), text=turn.text) for turn in row.turns)
    whole = transcript_of(turns, language=language or row.group, country=row.country, max_chars=_WHOLE)
    return whole.withholds(summary)
