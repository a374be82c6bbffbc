"""E-mail addresses, IBANs, payment cards and telephone numbers; and what looks like them but is not."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final

import phonenumbers
from stdnum import iban as stdnum_iban
from stdnum import luhn

from floodgate.privacy.spans import Kind, Span, cue_pattern, overlaps_any, says_order, says_phone, words_before

# Bounded repeats and look-behinds keep every pattern linear on hostile input.
_EMAIL: Final = re.compile(
    r"(?<![\w.%+\-])[\w.%+\-'’]{1,64}(?:@ ?| @ )[\w\-]{1,63}(?:\.[\w\-]{1,63}){0,5}\.[^\W\d_]{2,24}(?![\w@])"
)
_SPELLED_EMAIL: Final = re.compile(
    r"(?<![\w.%+\-])[\w.%+\-]{1,64}\s?[\[(]\s?(?:at|ät|arroba|chiocciola|arobase|malpa|małpa|zavinac|zavináč)\s?[\])]\s?"
    r"[\w\-]{1,63}(?:\s?[\[(]\s?(?:dot|punt|point|punto|punkt|ponto|tecka|tečka|kropka)\s?[\])]\s?[\w\-]{1,63}|\.[\w\-]{1,63}){1,4}",
    re.IGNORECASE,
)
# "anna at example dot org": both words, or it is no address.
_SPOKEN_EMAIL: Final = re.compile(
    r"(?<![\w.%+\-])[\w.%+\-]{2,64} (?:at|apenstaartje|arobase|arroba|małpa|malpa|klammeraffe|chiocciola|snabel-a|"
    r"zavináč|zavinac) [\w\-]{2,63}"
    r"(?: (?:dot|punt|point|punto|punkt|ponto|kropka|tečka|tecka) [^\W\d_]{2,24}){1,3}(?!\w)",
    re.IGNORECASE,
)
_IBAN_HEAD: Final = re.compile(r"(?<![A-Za-z0-9])(?:[A-Za-z]{2}|[A-Z]{2} )\d{2}(?=[ \-.]?[A-Za-z0-9])")
# Bank and branch may have letters, at the front; what follows are digits, of which the last ones are a check in some.
_IBAN_SHAPE: Final = re.compile(r"[A-Z]{2}\d{2}[A-Z]{0,4}\d{9,}[A-Z0-9]{0,3}")
# A Polish account as Poles write it, without the country.
_POLISH_ACCOUNT: Final = re.compile(r"(?<![\w])\d{2}(?:[ \-\u00a0]?\d{4}){6}(?!\w)")
_IBAN_LENGTHS: Final = {
    "AD": 24, "AT": 20, "BE": 16, "BG": 22, "CH": 21, "CY": 28, "CZ": 24, "DE": 22, "DK": 18, "EE": 20, "ES": 24,
    "FI": 18, "FR": 27, "GB": 22, "GR": 27, "HR": 21, "HU": 28, "IE": 22, "IS": 26, "IT": 27, "LI": 21, "LT": 20,
    "LU": 20, "LV": 21, "MC": 27, "MT": 31, "NL": 18, "NO": 15, "PL": 28, "PT": 25, "RO": 24, "SE": 24, "SI": 19,
    "SK": 24, "SM": 27, "TR": 26, "UA": 29,
}  # fmt: skip
_IBAN_SEPARATORS: Final = " -.\u00a0"
_IBAN_CUE: Final = cue_pattern(
    ("iban", "rekening*", "bank*", "konto*", "kont*", "compte*", "rib", "cuenta*", "conto", "conta", "rachun*", "uct*",
     "ucet", "account")
)  # fmt: skip
_CARD: Final = re.compile(r"(?<![\w])(?<!\d[ \-.])\d(?:[ \-\u00a0.]?\d){12,18}(?!\w)")
# First digits of an issuer with the lengths that it issues.
_CARD_ISSUER: Final = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})|5[1-5]\d{14}|2[2-7]\d{14}|3[47]\d{13}|"
    r"(?:30|3[689])\d{12,17}|35\d{14,17}|(?:50|5[6-8])\d{10,17}|6\d{11,18}"
)
_CARD_CUE: Final = cue_pattern(
    ("card*", "kaart*", "creditcard*", "carte*", "tarjeta*", "kart*", "karte*", "kreditkart*", "carta*", "cartao*",
     "kort*", "visa", "mastercard", "maestro", "amex", "diners", "cb", "cc")
)  # fmt: skip
_PHONE: Final = re.compile(
    r"(?<![\w@#+])(?<!\d[.,\-/])(?:\+[ \u00a0]?)?\(?\+?\d(?:[ \u00a0.\-/()\u2011\u2013]{0,3}\d){6,19}(?![\w@])"
)
_GROUPED: Final = re.compile(r"\d{2,4}(?:([ .\-])\d{2,4})(?:\1\d{2,4}){1,4}")
_GROUP: Final = re.compile(r"\(?\+?\d+\)?")
_NORTH_AMERICAN: Final = re.compile(r"(?<![\w\-])(?:\+?1[ .\-])?\(?[2-9]\d{2}\)?[ .\-]\d{3}[.\-]\d{4}(?![\w\-])")
_MIN_DIGITS: Final = 7
_MAX_DIGITS: Final = 15
_REGIONS_OF_LANGUAGE: Final = {
    "nl": ("NL", "BE"), "fr": ("FR", "BE"), "es": ("ES",), "pl": ("PL",), "en": ("GB", "IE"),
    "de": ("DE", "AT", "CH"), "it": ("IT",), "pt": ("PT",), "sv": ("SE",), "cs": ("CZ",),
}  # fmt: skip
_ALL_REGIONS: Final = tuple(dict.fromkeys(r for regions in _REGIONS_OF_LANGUAGE.values() for r in regions))
_HARMLESS: Final = (
    re.compile(r"(?<![\d.\-/])\d{4}[\-./](?:0?[1-9]|1[0-2])[\-./](?:0?[1-9]|[12]\d|3[01])(?![\d\-/])"),
    re.compile(
        r"(?<![\d.\-/])(?:0?[1-9]|[12]\d|3[01])(?P<s>[\-./])\s?(?:0?[1-9]|1[0-2])(?P=s)\s?(?:19|20)\d\d(?![\d])"
    ),
    re.compile(r"(?<![\d.\-/])(?:0?[1-9]|[12]\d|3[01])([\-./])(?:0?[1-9]|1[0-2])\1\d\d(?![ .\-/]?\d(?!\d?[:h]\d))"),
    re.compile(r"(?<![\d.\-/])(?:0?[1-9]|[12]\d|3[01])[./\-](?:0?[1-9]|1[0-2])\.? (?:19|20)\d\d(?!\d)"),
    re.compile(r"(?<![\w:])(?:[01]?\d|2[0-3])[:h.](?:[0-5]\d)(?:[:.][0-5]\d)?(?=\s*(?:h|uur|uhr|u\b|am|pm))", re.I),
    re.compile(r"(?:[€$£]|EUR|USD|GBP|PLN|SEK|CZK|zł|kr|Kč)\s?\d[\d.,\u00a0]*", re.I),
    re.compile(
        r"(?<![\d.,])\d[\d.,\u00a0]{0,14}\s?(?:[€$£%]|EUR\b|euro|USD\b|GBP\b|PLN\b|SEK\b|CZK\b|zł|kr\b|Kč)", re.I
    ),
    re.compile(r"(?<!\w)[A-Z]{1,5}[\-_/]\d[\dA-Z\-]{2,}(?!\w)"),
    # American dates, seasons and years in pairs, round thousands, IPv4 addresses.
    re.compile(r"(?<![\d.\-/])(?:0?[1-9]|1[0-2])/(?:0?[1-9]|[12]\d|3[01])/(?:19|20)\d\d(?!\d)"),
    re.compile(r"(?<![\d.\-/])(?:19|20)\d\d\s?[/–\-]\s?(?:19|20)\d\d(?![\d\-/])"),
    re.compile(r"(?<![\d.,])\d{1,3}(?:[.,]\d{3})?(?:[.,]000)+(?!\d)"),
    re.compile(r"(?<![\d.])(?!\d\d\.\d\d\.\d\d\.\d\d(?!\d))(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?:25[0-5]|2[0-4]\d|1?\d?\d)){3}(?![\d.])"),
    re.compile(r"(?:https?://|www\.)\S{1,500}"),
    re.compile(r"(?<![\d\-+])\d{5}-\d{4}(?![\d\-])"),  # a post code of the United States
    re.compile(r"(?<![\d\-])97[89][ \-]\d{1,5}[ \-]\d{1,7}[ \-]\d{1,7}[ \-][\dXx](?![\d\-])"),
)  # fmt: skip


@lru_cache(maxsize=1)
def harmless_spans(text: str) -> tuple[tuple[int, int], ...]:
    """Dates, times, prices, order numbers and web addresses: never personal data, however many digits they have.

    Costs more than all that looks for numbers, so ask only once something was found; the last answer is kept.
    """
    return tuple(found.span() for pattern in _HARMLESS for found in pattern.finditer(text))


def find_emails(text: str) -> Iterator[Span]:
    """Addresses as written, and as people spell them to fool robots: name [at] example [dot] org."""
    if "@" in text:
        for found in _EMAIL.finditer(text):
            start = found.start() + len(found[0]) - len(found[0].lstrip(".'’-"))
            yield Span(start, found.end(), Kind.EMAIL)
    if "(" in text or "[" in text:
        for found in _SPELLED_EMAIL.finditer(text):
            yield Span(found.start(), found.end(), Kind.EMAIL)
    for found in _SPOKEN_EMAIL.finditer(text):
        yield Span(found.start(), found.end(), Kind.EMAIL)


def find_ibans(text: str) -> Iterator[Span]:
    """IBANs in any spacing; a wrong check digit still counts where the shape is one's and no word says otherwise."""
    for head in _IBAN_HEAD.finditer(text):
        length = _IBAN_LENGTHS.get(head[0][:2].upper())
        end = _end_after(text, head.start(), length) if length else None
        if end is None:
            continue
        compact = _compact(text[head.start() : end])
        if stdnum_iban.is_valid(compact, check_country=False) or _looks_like_iban(text, head, compact):
            yield Span(head.start(), end, Kind.IBAN)
    for found in _POLISH_ACCOUNT.finditer(text):
        certain = stdnum_iban.is_valid("PL" + _compact(found[0]), check_country=False)
        if certain or _IBAN_CUE.search(words_before(text, found.start())):
            yield Span(found.start(), found.end(), Kind.IBAN)


def _compact(text: str) -> str:
    return "".join(c for c in text if c.isalnum()).upper()


def _looks_like_iban(text: str, head: re.Match[str], compact: str) -> bool:
    """A mistyped one: a country's letters, its length and its shape."""
    if not _IBAN_SHAPE.fullmatch(compact):
        return False
    before = words_before(text, head.start())
    if _IBAN_CUE.search(before):
        return True
    spaced = head[0][2].isspace()
    return head[0][:2].isupper() and (not spaced or compact[4:8].isalpha()) and not says_order(before)


def _end_after(text: str, start: int, length: int) -> int | None:
    """Where `length` letters and digits end, single separators in between allowed; None when they do not."""
    count, position, separated = 0, start, True
    while position < len(text):
        char = text[position]
        if char.isascii() and char.isalnum():
            count, separated = count + 1, False
            if count == length:
                after = text[position + 1 : position + 2]
                return None if after.isalnum() else position + 1
        elif char in _IBAN_SEPARATORS and not separated:
            separated = True
        else:
            return None
        position += 1
    return None


def find_cards(text: str) -> Iterator[Span]:
    """Payment cards: an issuer's first digits and Luhn, or the word before says card and four groups of four."""
    for found in _CARD.finditer(text):
        digits = "".join(c for c in found[0] if c.isdigit())
        if not _CARD_ISSUER.fullmatch(digits) or len(set(digits)) == 1:
            continue
        before = words_before(text, found.start())
        if luhn.is_valid(digits):
            if len(digits) >= 15 or _CARD_CUE.search(before) or (len(digits) == 14 and not says_order(before)):
                yield Span(found.start(), found.end(), Kind.CARD)
        elif len(digits) in {15, 16} and _CARD_CUE.search(before):
            yield Span(found.start(), found.end(), Kind.CARD)


def find_phones(text: str, *, language: str | None, country: str | None, taken: Sequence[Span]) -> Iterator[Span]:
    """Telephone numbers: international, national with a trunk 0, and national without one where it is spoken."""
    for found in _PHONE.finditer(text):
        position = found.start()
        groups = [(found.start() + g.start(), found.start() + g.end()) for g in _GROUP.finditer(found[0])]
        for first, (start, _) in enumerate(groups):
            if start < position:
                continue
            for last in range(len(groups) - 1, first - 1, -1):
                span = Span(start, groups[last][1], Kind.PHONE)
                if overlaps_any(span, taken) or any(a < span.end and span.start < b for a, b in harmless_spans(text)):
                    continue
                if _is_phone(text, span, language, country):
                    yield span
                    position = span.end
                    break
    # Last, as a European number may end like one of these.
    for found in _NORTH_AMERICAN.finditer(text):
        span = Span(found.start(), found.end(), Kind.PHONE)
        if not overlaps_any(span, taken):
            yield span


def _is_phone(text: str, span: Span, language: str | None, country: str | None) -> bool:
    raw = text[span.start : span.end]
    digits = sum(c.isdigit() for c in raw)
    if not _MIN_DIGITS <= digits <= _MAX_DIGITS:
        return False
    lead = raw.lstrip("( ")
    if lead.startswith("+"):
        return _possible(lead, None)
    before = words_before(text, span.start)
    regions = _regions(language, country)
    if lead.startswith("00"):
        return digits >= 10 and _possible("+" + lead[2:], None)
    if lead.startswith("0"):
        return _is_trunk_number(raw, digits, before, regions)
    return not says_order(before) and _is_bare_number(raw, digits, before, regions)


def _is_bare_number(raw: str, digits: int, before: str, regions: Sequence[str]) -> bool:
    """Numbers with nothing in front that says telephone."""
    # Eight digits in one piece are more often a number of something, or a day: 20260917.
    if digits >= (8 if not raw.isdigit() else 9) and any(_valid(raw, region) for region in regions):
        return True
    if _prefixed(raw, digits) and (says_phone(before) or _GROUPED.fullmatch(raw)):
        return True
    # In few words the language is a guess: a word for telephone, or a telephone's grouping, makes up for it.
    if says_phone(before):
        return (digits >= 8 and any(_possible(raw, region) for region in regions)) or _valid_anywhere(raw)
    return digits >= 9 and _GROUPED.fullmatch(raw) is not None and _valid_anywhere(raw)


def _is_trunk_number(raw: str, digits: int, before: str, regions: Sequence[str]) -> bool:
    """National numbers with their leading 0: any served region counts, for people write from abroad."""
    cue = says_phone(before)
    # Who writes an order's number in groups, with a 0 in front, that is in use somewhere as a telephone's?
    plausible = cue or not raw.isdigit() or not says_order(before)
    if digits == 8 and any(_valid(raw, region) for region in regions):
        return plausible
    if digits >= 9 and any(_valid(raw, region) for region in dict.fromkeys((*regions, *_ALL_REGIONS))):
        return plausible
    return cue and any(_possible(raw, region) for region in regions)


def _valid_anywhere(raw: str) -> bool:
    return any(_valid(raw, region) for region in _ALL_REGIONS)


def _prefixed(raw: str, digits: int) -> bool:
    """A country's code without its plus sign, as people type it into chats: 31612345678."""
    return digits >= 11 and _valid("+" + "".join(c for c in raw if c.isdigit()), None)


def is_national_phone(raw: str, region: str) -> bool:
    """Whether a number without any prefix is a telephone number in use in the region."""
    return _valid(raw, region)


def _regions(language: str | None, country: str | None) -> tuple[str, ...]:
    spoken = _REGIONS_OF_LANGUAGE.get(language or "", ())
    known = ((country.upper(),) if country else ()) + spoken
    return tuple(dict.fromkeys(known)) or _ALL_REGIONS


def _parse(raw: str, region: str | None) -> phonenumbers.PhoneNumber | None:
    try:
        return phonenumbers.parse(raw, region)
    except phonenumbers.NumberParseException:
        return None


def _valid(raw: str, region: str | None) -> bool:
    number = _parse(raw, region)
    return number is not None and phonenumbers.is_valid_number(number)


def _possible(raw: str, region: str | None) -> bool:
    number = _parse(raw, region)
    return number is not None and phonenumbers.is_possible_number(number)
