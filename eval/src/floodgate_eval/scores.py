"""One number per question from a verdict, for figures that need a threshold of their own.

The answer holds a category with a confidence, and yes or no elsewhere. Where a model gives a probability besides
(fields named below), that is taken; the prompt's schema need not have them.
"""

from __future__ import annotations

from typing import Final

from floodgate_eval.rows import OUT_OF_SCOPE
from floodgate_eval.screening import Screened

_HALF: Final = 0.5


def in_scope(screened: Screened) -> float:
    """How surely some category fits: a stated category by its confidence, none below all of them."""
    given = _given(screened, "in_scope_probability")
    if given is not None:
        return given
    confidence = screened.verdict.confidence
    if screened.category != OUT_OF_SCOPE:
        return _HALF + _HALF * confidence
    # "none" may come with the confidence of the best category (low) or of there being none (high).
    return _HALF * min(confidence, 1.0 - confidence)


def mismatch(screened: Screened) -> float:
    """How surely the text does not belong to the chosen path."""
    given = _given(screened, "belongs_probability")
    if given is not None:
        return 1.0 - given
    answer, confidence = screened.answer, screened.verdict.confidence
    if answer is None:
        return float(screened.caught_mismatch)
    if screened.verdict.matches_chosen_path:
        return _HALF * (1.0 - confidence)
    if screened.category == OUT_OF_SCOPE:
        return _HALF + _HALF * (1.0 - confidence) if not answer.belongs_to_chosen_path else _HALF
    # Elsewhere by category; a model that yet says "belongs" contradicts itself and is in the middle.
    return _HALF + _HALF * confidence if not answer.belongs_to_chosen_path else _HALF


def injection(screened: Screened) -> float:
    """How surely it gives orders to the system."""
    given = _given(screened, "misuse_probability")
    if given is not None and screened.answer is not None:
        return given if screened.answer.misuse in {"injection", "none"} else 1.0 - given
    return float(screened.caught_injection)


def urgency(screened: Screened) -> float:
    """The verdict's urgency; a rule's words make it one."""
    return max(screened.verdict.urgency, float(screened.verdict.urgent))


def _given(screened: Screened, name: str) -> float | None:
    """What the model said itself; a field that it left out has only its default."""
    if screened.answer is None or name not in screened.answer.model_fields_set:
        return None
    value = getattr(screened.answer, name)
    return float(value) if isinstance(value, (int, float)) else None
