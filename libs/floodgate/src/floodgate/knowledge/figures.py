"""What is counted about retrieval; never what was asked."""

from __future__ import annotations

from typing import Final

from floodgate.telemetry import counter

_RETRIEVALS: Final = counter(
    "floodgate_knowledge_retrievals_total",
    "Answers of the retriever, by kind and by outcome: hit, fallback (default language only), no_hit, degraded.",
    ("kind", "language", "outcome"),
)
_MAX_LABEL_LENGTH: Final = 2


def record_outcome(kind: str, language: str, *, found: int, in_language: int) -> None:
    """Count one answer.

    Args:
        kind: "passages" or "examples".
        language: ISO 639-1 code that was asked for.
        found: How many were found.
        in_language: How many of them are in that language.
    """
    outcome = "no_hit" if not found else "hit" if in_language else "fallback"
    _RETRIEVALS.labels(kind, _label(language), outcome).inc()


def record_degraded(kind: str, language: str) -> None:
    """Count one answer that came from the catalogue in memory because the index could not be asked."""
    _RETRIEVALS.labels(kind, _label(language), "degraded").inc()


def _label(language: str) -> str:
    """Only language codes become labels, so that their number stays small."""
    return language if len(language) == _MAX_LABEL_LENGTH and language.isalpha() else "other"
