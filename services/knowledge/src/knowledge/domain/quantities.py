"""Amounts, percentages and spans of time that a sentence states, in ten languages. Pure."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from typing import Final

Quantities = Mapping[str, frozenset[float]]
"""By kind: money by currency, percent, and spans of time in hours."""

_NUMBER: Final = r"(\d{1,3}(?:[ .,\u00a0\u202f]\d{3})+(?:[.,]\d{1,2})?|\d+(?:[.,]\d{1,2})?)"
_HOURS: Final = {
    "hour": 1.0,
    "day": 24.0,
    "week": 168.0,
    "month": 720.0,
    "year": 8760.0,
}
_UNITS: Final = {
    "hour": r"hours?|hrs?|uur|uren|heures?|horas?|godzin\w*|stunden?|ore|ora|timmar|timme|hodin\w*",
    "day": r"(?:working |business )?days?|(?:werk)?dag(?:en)?|jours?|días?|dias?|dni|dzień|dnia|dní|tag(?:en?)?"
    r"|werktage?n?|giorn[oi]|dagars?|dygn|dnů|dny|den",
    "week": r"weeks?|weken|semaines?|semanas?|tygodn\w+|tydzień|wochen?|settiman[ae]|veck(?:or|a)|týdn\w+|týden",
    "month": r"months?|maand(?:en)?|mois|mes(?:es)?|miesi\w+|monaten?|monate?|mes[ei]|månad(?:er)?|měsíc\w*",
    "year": r"years?|jaar|jaren|ans?|années?|años?|anos?|lat|lata|rok(?:u|y)?|jahren?|jahre?|ann[oi]|år|let|roky?",
}
_CURRENCIES: Final = {
    "EUR": r"€|EUR|euros?",
    "GBP": r"£|GBP",
    "USD": r"\$|USD",
    "PLN": r"zł|PLN",
    "CZK": r"Kč|CZK",
    "SEK": r"kr|SEK|kronor",
}
_PERCENT: Final = re.compile(rf"{_NUMBER}\s?(?:%|percent|per cent|procent|pour cent|Prozent|per cento)")
_SPANS: Final = {
    unit: re.compile(rf"{_NUMBER}[\s\u00a0-]+(?:{words})(?!\w)", re.IGNORECASE) for unit, words in _UNITS.items()
}
_MONEY: Final = {
    code: (
        re.compile(rf"(?:{signs})\s?{_NUMBER}", re.IGNORECASE),
        re.compile(rf"{_NUMBER}\s?(?:{signs})(?!\w)", re.IGNORECASE),
    )
    for code, signs in _CURRENCIES.items()
}


def quantities_of(text: str) -> Quantities:
    """What a text states, by kind; empty when it states no number of a known kind."""
    found: dict[str, set[float]] = defaultdict(set)
    for unit, pattern in _SPANS.items():
        found["time"] |= {number(match) * _HOURS[unit] for match in pattern.findall(text)}
    for code, (before, after) in _MONEY.items():
        found[f"money {code}"] |= {number(match) for match in (*before.findall(text), *after.findall(text))}
    found["percent"] |= {number(match) for match in _PERCENT.findall(text)}
    return {kind: frozenset(values) for kind, values in found.items() if values}


def number(written: str) -> float:
    """1,250.00 and 1.250,00 are the same: the last separator is a point when one or two digits follow it."""
    digits = re.sub(r"[ \u00a0\u202f]", "", written)
    match = re.fullmatch(r"(.*?)[.,](\d{1,2})", digits)
    whole, fraction = (match[1], match[2]) if match else (digits, "0")
    return float(f"{re.sub(r'[.,]', '', whole)}.{fraction}")
