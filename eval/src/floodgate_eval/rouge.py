"""ROUGE-1 and ROUGE-L as F1, best of the references, and what a summary says that its source does not."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import Final

_WORD: Final = re.compile(r"\w+")
_NUMBER: Final = re.compile(r"[A-Za-z]{0,4}[-_]?\d(?:[\d.,:/\-\u00a0]*\d)?")
_NOT_ALNUM: Final = re.compile(r"[^0-9a-z]")
_CAPITALISED: Final = re.compile(r"(?<=[\w,;:] )[A-ZÀ-ÖØ-ÞĀ-Ž][\w'’-]+")
# Who took part: names of roles are no facts.
_ROLES: Final = frozenset({
    "agent", "agente", "client", "cliente", "company", "conseiller", "customer", "handlaggare", "i", "klant",
    "klient", "klientka", "konsultant", "kund", "kunde", "kundin", "medarbetare", "medewerker", "mitarbeiter",
    "operador", "operator", "operatore", "service", "support", "user", "zakaznik",
})  # fmt: skip
# German writes every noun with a capital letter, so a capital says nothing about a name.
_CAPITALS_ARE_ORDINARY: Final = frozenset({"de"})


def rouge_1(summary: str, references: Sequence[str]) -> float:
    """Overlap of words."""
    return max((_overlap(_words(summary), _words(reference)) for reference in references), default=0.0)


def rouge_l(summary: str, references: Sequence[str]) -> float:
    """Longest common subsequence of words."""
    return max((_in_order(_words(summary), _words(reference)) for reference in references), default=0.0)


def unsupported_facts(summary: str, source: str, language: str | None = None) -> tuple[str, ...]:
    """Numbers, codes and names of a summary that stand nowhere in its source."""
    plain = plain_text(source)
    squeezed = _NOT_ALNUM.sub("", plain)
    words = set(_words(source))
    found = [number for number in _NUMBER.findall(summary) if _NOT_ALNUM.sub("", plain_text(number)) not in squeezed]
    if language not in _CAPITALS_ARE_ORDINARY:
        for name in _CAPITALISED.findall(summary):
            spoken = _words(name)
            if not set(spoken) <= words and not set(spoken) <= _ROLES:
                found.append(name)
    return tuple(dict.fromkeys(found))


def _overlap(ours: Sequence[str], theirs: Sequence[str]) -> float:
    common = sum((Counter(ours) & Counter(theirs)).values())
    return _f1(common, len(ours), len(theirs))


def _in_order(ours: Sequence[str], theirs: Sequence[str]) -> float:
    lengths = [0] * (len(theirs) + 1)
    for word in ours:
        before = 0
        for position, other in enumerate(theirs, 1):
            kept = lengths[position]
            lengths[position] = before + 1 if word == other else max(lengths[position], lengths[position - 1])
            before = kept
    return _f1(lengths[-1], len(ours), len(theirs))


def _f1(common: int, ours: int, theirs: int) -> float:
    return 2 * common / (ours + theirs) if common else 0.0


def _words(text: str) -> list[str]:
    return _WORD.findall(plain_text(text))


def plain_text(text: str) -> str:
    """Case and accents taken away."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(char for char in decomposed if not unicodedata.combining(char))
