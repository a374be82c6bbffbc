"""National identification numbers of the served countries, checked by their own check digits where they have them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from stdnum.be import nn
from stdnum.cz import rc
from stdnum.de import idnr
from stdnum.es import dni, nie
from stdnum.fr import nir
from stdnum.ie import pps
from stdnum.nl import bsn
from stdnum.pl import pesel
from stdnum.pt import nif
from stdnum.se import personnummer

from floodgate.privacy.numbers import harmless_spans, is_national_phone
from floodgate.privacy.spans import Kind, Span, cue_pattern, says_order, words_before


@dataclass(frozen=True, slots=True)
class _Rule:
    """How one country writes its number.

    Attributes:
        certain: The shape and check alone suffice; otherwise the country, the language or a word must agree too.
        is_valid: None: the shape is as telling as a check digit.
        phone_region: Where the same digits may be a telephone number, which then needs a word before it.
    """

    pattern: re.Pattern[str]
    is_valid: Callable[[str], bool] | None
    certain: bool
    cue: re.Pattern[str]
    country: str
    languages: tuple[str, ...]
    phone_region: str | None = None


def _rule(
    pattern: str,
    is_valid: Callable[[str], bool] | None,
    cues: tuple[str, ...],
    country: str,
    languages: tuple[str, ...],
    *,
    certain: bool = False,
    phone_region: str | None = None,
) -> _Rule:
    compiled = re.compile(rf"(?<![\w.,\-/+])(?:{pattern})(?![\w/]|[.,\-]\d)")
    return _Rule(compiled, is_valid, certain, cue_pattern(cues), country, languages, phone_region)


def _is_dni(raw: str) -> bool:
    return bool(dni.is_valid(raw.replace(".", "")))


_GAP: Final = r"[ \u00a0.\-]?"
_ID_CUES: Final = ("id", "identit*", "identyfik*", "dowod*", "ausweis*", "personal*")
_RULES: Final = (
    _rule(rf"\d{{4}}{_GAP}\d{{2}}{_GAP}\d{{3}}|\d{{3}}{_GAP}\d{{3}}{_GAP}\d{{3}}", bsn.is_valid,
          ("bsn", "burgerservice*", "sofi*", "bsn-nummer"), "NL", ("nl",)),
    _rule(rf"[1-478]{_GAP}\d{{2}}{_GAP}\d{{2}}{_GAP}(?:\d{{2}}|2[ABab]){_GAP}\d{{3}}{_GAP}\d{{3}}{_GAP}\d{{2}}",
          nir.is_valid, ("nir", "secu", "securite", "insee", "sociale", "vitale"), "FR", ("fr",), certain=True),
    _rule(r"\d{2}\.?\d{3}\.?\d{3}[\- ]?[A-Za-z]", _is_dni, ("dni", "nif", *_ID_CUES), "ES", ("es",), certain=True),
    _rule(r"[XYZxyz][\- ]?\d{7}[\- ]?[A-Za-z]", nie.is_valid, ("nie", *_ID_CUES), "ES", ("es",), certain=True),
    _rule(r"\d{11}", pesel.is_valid, ("pesel*",), "PL", ("pl",), certain=True),
    _rule(rf"\d{{2}}{_GAP}\d{{3}}{_GAP}\d{{3}}{_GAP}\d{{3}}", idnr.is_valid,
          ("idnr", "steuer*", "identifikationsnummer", "steueridentifikationsnummer", "id-nummer", "tin"),
          "DE", ("de",)),
    _rule(r"[A-Za-z]{6}[0-9L-Vl-v]{2}[A-EHLMPRSTa-ehlmprst][0-9L-Vl-v]{2}[A-Za-z][0-9L-Vl-v]{3}[A-Za-z]", None,
          ("codice", "fiscale", "cf"), "IT", ("it",), certain=True),
    _rule(rf"\d{{3}}{_GAP}\d{{3}}{_GAP}\d{{3}}", nif.is_valid, ("nif", "contribuinte", "fiscal"), "PT", ("pt",),
          phone_region="PT"),
    _rule(r"(?:19|20)?\d{6}[\-+]\d{4}", personnummer.is_valid, ("personn*", "pnr", "personummer"), "SE", ("sv",),
          certain=True),
    _rule(r"(?:19|20)?\d{10}", personnummer.is_valid, ("personn*", "pnr", "personummer"), "SE", ("sv",),
          phone_region="SE"),
    _rule(r"\d{6}/\d{3,4}", rc.is_valid, ("rodn*", "rc", "cislo"), "CZ", ("cs",), certain=True),
    _rule(r"\d{9,10}", rc.is_valid, ("rodn*", "rc"), "CZ", ("cs",), phone_region="CZ"),
    _rule(r"(?!BG|GB|KN|NK|NT|TN|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d{2} ?\d{2} ?\d{2} ?[A-D]", None,
          ("nino", "ni", "insurance", "national"), "GB", ("en",), certain=True),
    _rule(r"[a-z]{2} ?\d{2} ?\d{2} ?\d{2} ?[a-d]", None, ("nino", "ni", "insurance"), "", ()),
    _rule(r"\d{2}\.?\d{2}\.?\d{2}[\- ]?\d{3}\.?\d{2}", nn.is_valid, ("rijksregister*", "registre", "nn"), "BE",
          ("nl", "fr"), certain=True),
    _rule(r"\d{7}[A-Wa-w][A-Ia-iWw]?", pps.is_valid, ("pps*",), "IE", ("en",), certain=True),
)  # fmt: skip


def find_national_ids(text: str, *, language: str | None, country: str | None) -> Iterator[Span]:
    """Every national id; a mistyped one too where the word before names it."""
    harmless = harmless_spans(text)
    for rule in _RULES:
        for found in rule.pattern.finditer(text):
            start, end = found.span()
            if any(a < end and start < b for a, b in harmless):
                continue
            if _holds(rule, found[0], words_before(text, start), language, country):
                yield Span(start, end, Kind.NATIONAL_ID)


def _holds(rule: _Rule, raw: str, before: str, language: str | None, country: str | None) -> bool:
    if rule.cue.search(before):
        return True
    if rule.is_valid is not None and not rule.is_valid(raw):
        return False
    if rule.certain:
        return True
    spoken_here = (country or "").upper() == rule.country or (language in rule.languages)
    if not spoken_here or says_order(before):
        return False
    return rule.phone_region is None or not is_national_phone(raw, rule.phone_region)
