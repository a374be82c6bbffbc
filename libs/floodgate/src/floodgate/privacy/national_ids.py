"""National identification numbers of the served countries, checked by their own check digits where they have them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from stdnum.at import vnr
from stdnum.be import nn
from stdnum.ch import ssn as ahv
from stdnum.cz import rc
from stdnum.de import idnr
from stdnum.es import dni, nie
from stdnum.fr import nir
from stdnum.gb import nhs
from stdnum.ie import pps
from stdnum.nl import bsn
from stdnum.pl import pesel
from stdnum.pt import cc, nif
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
_DOCUMENT_CUES: Final = (
    "passport*", "paspoort*", "passeport*", "pasaporte*", "paszport*", "reisepass*", "passaporto*", "passaporte*",
    "pasu", "passnummer", "passnr", "id card*", "identity card*", "id-kaart*", "identiteitskaart*", "ausweisnummer",
    "personalausweis*", "dowod*", "dowodu", "carta d'identita", "carte d'identite", "cni", "obcansk*", "op",
)  # fmt: skip
_RULES: Final = (
    _rule(rf"\d{{4}}{_GAP}\d{{2}}{_GAP}\d{{3}}|\d{{3}}{_GAP}\d{{3}}{_GAP}\d{{3}}", bsn.is_valid,
          ("bsn", "burgerservice*", "sofi*", "bsn-nummer"), "NL", ("nl",)),
    _rule(rf"[1-478](?:{_GAP}\d){{4}}{_GAP}(?:\d{_GAP}\d|2{_GAP}[ABab])(?:{_GAP}\d){{8}}", nir.is_valid,
          ("nir", "secu", "securite", "insee", "sociale", "vitale"), "FR", ("fr",), certain=True),
    _rule(r"\d{2}\.?\d{3}\.?\d{3}[\- ]?[A-Za-z]", _is_dni, ("dni", "nif", *_ID_CUES), "ES", ("es",), certain=True),
    _rule(r"[XYZxyz][\- ]?\d{7}[\- ]?[A-Za-z]", nie.is_valid, ("nie", *_ID_CUES), "ES", ("es",), certain=True),
    _rule(rf"\d{{6}}{_GAP}\d{{5}}", pesel.is_valid, ("pesel*",), "PL", ("pl",), certain=True),
    _rule(rf"\d{{2}}{_GAP}(?:0[1-9]|[12]\d|3[01])(?:0[1-9]|1[0-2])\d{{2}}{_GAP}[A-Za-z]{_GAP}\d{{3}}", None,
          ("sozialversicherung*", "rentenversicherung*", "sv-nummer", "rvnr", "svnr"), "DE", ("de",)),
    _rule(rf"\d{{4}}{_GAP}\d{{6}}", vnr.is_valid, ("sozialversicherung*", "sv-nummer", "svnr", "vnr"), "AT", ()),
    _rule(r"756\.?\d{4}\.?\d{4}\.?\d{2}", ahv.is_valid, ("ahv*", "avs*"), "CH", ("de", "fr", "it"), certain=True),
    _rule(rf"\d{{8}}{_GAP}\d{_GAP}[A-Z]{{2}}\d", cc.is_valid, ("cidadao", "cc", "bi"), "PT", ("pt",), certain=True),
    _rule(rf"\d{{3}}{_GAP}\d{{3}}{_GAP}\d{{4}}", nhs.is_valid, ("nhs",), "", ()),
    _rule(r"(?!000|666|9\d\d)\d{3}-(?!00)\d{2}-(?!0000)\d{4}", None, ("ssn", "social"), "US", ("en",), certain=True),
    _rule(r"(?=[A-Z0-9 ]{0,4}\d)[A-Z]{1,3} ?\d{6,8}|[A-Z0-9]{2}\d{5,7}[A-Z0-9]{0,2}|\d{9}", None, _DOCUMENT_CUES,
          "", ()),
    _rule(rf"\d{{2}}{_GAP}\d{{3}}{_GAP}\d{{3}}{_GAP}\d{{3}}", idnr.is_valid,
          ("idnr", "steuer*", "identifikationsnummer", "steueridentifikationsnummer", "id-nummer", "tin"),
          "DE", ("de",)),
    _rule(r"[A-Za-z]{3} ?[A-Za-z]{3} ?[0-9L-Vl-v]{2}[A-EHLMPRSTa-ehlmprst][0-9L-Vl-v]{2} ?[A-Za-z]"
          r"[0-9L-Vl-v]{3} ?[A-Za-z]", None, ("codice", "fiscale", "cf"), "IT", ("it",), certain=True),
    _rule(rf"\d{{3}}{_GAP}\d{{3}}{_GAP}\d{{3}}", nif.is_valid, ("nif", "contribuinte", "fiscal"), "PT", ("pt",),
          phone_region="PT"),
    _rule(r"(?:19|20)?\d{6}(?:[\-+]| - )\d{4}", personnummer.is_valid, ("personn*", "pnr", "personummer"), "SE",
          ("sv",), certain=True),
    _rule(r"(?:19|20)?\d{6} ?\d{4}", personnummer.is_valid, ("personn*", "pnr", "personummer"), "SE", ("sv",),
          phone_region="SE"),
    _rule(r"\d{6} ?/ ?\d{3,4}", rc.is_valid, ("rodn*", "rc", "r.c.", "cislo"), "CZ", ("cs",), certain=True),
    _rule(r"\d{9,10}", rc.is_valid, ("rodn*", "rc", "r.c."), "CZ", ("cs",), phone_region="CZ"),
    _rule(r"(?!BG|GB|KN|NK|NT|TN|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d{2} ?\d{2} ?\d{2} ?[A-D]", None,
          ("nino", "ni", "insurance", "national"), "GB", ("en",), certain=True),
    _rule(r"[A-Za-z]{2} ?\d{2} ?\d{2} ?\d{2} ?[A-Da-d]", None, ("nino", "ni", "insurance"), "", ()),
    _rule(r"\d{2}\.?\d{2}\.?\d{2}[\- ]?\d{3}\.?\d{2}", nn.is_valid, ("rijksregister*", "registre", "nn"), "BE",
          ("nl", "fr"), certain=True),
    _rule(r"\d{7}[A-Wa-w][A-Ia-iWw]?", pps.is_valid, ("pps*",), "IE", ("en",), certain=True),
)  # fmt: skip


def find_national_ids(text: str, *, language: str | None, country: str | None) -> Iterator[Span]:
    """Every national id; a mistyped one too where the word before names it."""
    for rule in _RULES:
        for found in rule.pattern.finditer(text):
            start, end = found.span()
            # A check digit outweighs a date's or an order number's shape: Y-1234567-X.
            checked = rule.certain and rule.is_valid is not None
            if not checked and any(a < end and start < b for a, b in harmless_spans(text)):
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
    spoken_here = bool(country and country.upper() == rule.country) or language in rule.languages
    if not spoken_here or says_order(before):
        return False
    return rule.phone_region is None or not is_national_phone(raw, rule.phone_region)
