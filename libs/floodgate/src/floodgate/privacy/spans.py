"""Where something stands in a text, what kind it is, and the words before it that say what a number means."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final

_CUE_WINDOW_CHARS: Final = 48
_LIST_BEFORE: Final = re.compile(
    r"(?:(?<![\w\-])\d[\d\-]{2,20}[ ,;/&]{1,3}(?:(?:and|or|en|of|et|ou|y|o|i|lub|und|oder|e|och|eller|a|nebo|"
    r"oraz) )?)+$"
)
# A stop after a short word is one of "tel." or "cell." more often than the end of a sentence.
_CLAUSE_END: Final = re.compile(r"\d{3,}|[!?\n]|(?<=\w{5})\.\s")


class Kind(StrEnum):
    """Kinds of personal data; the value is the stem of the placeholder."""

    EMAIL = "EMAIL"
    IBAN = "IBAN"
    CARD = "CARD"
    NATIONAL_ID = "NATIONAL_ID"
    PHONE = "PHONE"
    NAME = "NAME"


@dataclass(frozen=True, slots=True)
class Span:
    """Half-open range of characters with its kind."""

    start: int
    end: int
    kind: Kind

    def overlaps(self, other: Span) -> bool:
        return self.start < other.end and other.start < self.end


def overlaps_any(span: Span, taken: Iterable[Span]) -> bool:
    """Whether one of the taken spans shares a character with this one."""
    return any(span.overlaps(other) for other in taken)


@lru_cache(maxsize=256)
def fold(text: str) -> str:
    """Lower case without accents, of the same length as the input where each letter has one base letter."""
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFD", text.replace("ł", "l").replace("Ł", "l"))
    return "".join(c for c in decomposed if not unicodedata.combining(c)).lower()


def words_before(text: str, start: int) -> str:
    """The folded words that stand shortly before a position, up to the end of the sentence or an earlier number.

    They tell what a number is: "order 612345678" and "call 612345678" are not the same thing.
    """
    window = fold(text[max(0, start - _CUE_WINDOW_CHARS) : start])
    # "orders 48213, 48214 and 48215": what is said of the first number holds for the list.
    return _CLAUSE_END.split(_LIST_BEFORE.sub("", window))[-1]


def cue_pattern(words: Sequence[str]) -> re.Pattern[str]:
    """A pattern for folded cue words; `*` at the end of a word stands for any ending."""
    parts = sorted(
        (re.escape(word.rstrip("*")) + (r"\w*" if word.endswith("*") else "") for word in words),
        key=len,
        reverse=True,
    )
    return re.compile(r"(?<!\w)(?:" + "|".join(parts) + r")(?!\w)")


ORDER_CUE: Final = cue_pattern(
    (
        "order*", "bestel*", "commande*", "pedido*", "zamowieni*", "bestell*", "auftrag*", "ordine*", "encomenda*",
        "objednav*", "booking*", "boeking*", "reserv*", "rezerw*", "rezerv*", "buchung*", "prenotazion*", "bokning*",
        "ticket*", "kaart*nummer", "bilet*", "billet*", "entrada*", "bigliett*", "biljett*", "vstupenk*", "bilhete*",
        "invoice*", "factu*", "faktur*", "rechnung*", "fattur*", "fatura*", "ref", "reference*", "referen*",
        "tracking*", "transaction*", "transac*", "transakc*", "voucher*", "code", "kod", "codigo", "serial*",
        "barcode*", "case", "dossier*", "zaak*", "vorgang*", "ean", "sku", "imei", "product*", "artikel*",
        "customer*", "client*", "klient*", "klant*", "kunden*", "kund", "kundnummer*", "zakaznick*", "member*", "isbn",
        "lidnummer*", "mitglied*", "socio", "zasilk*", "sendung*", "paket*", "parcel*", "shipment*", "colis", "envio",
        "spedizion*", "przesylk*", "zending*", "seguimiento", "seat*", "stoel*", "siege*", "place", "places",
        "asiento*", "miejsc*", "platz*", "posti", "posto", "lugar*", "plats*", "misto", "mista", "gtin", "serie*",
        "build*", "version*",
    )
)  # fmt: skip
PHONE_CUE: Final = cue_pattern(
    (
        "tel", "telef*", "phone*", "mobile*", "mobiel*", "cell*", "call*", "whatsapp*", "sms", "gsm",
        "bel", "bellen", "appel*", "portable*", "movil*", "llamar", "llamame", "llameme", "komork*",
        "zadzwo*", "handy*", "anrufen", "ruf*", "erreich*", "chiam*", "telemovel*", "ligar", "contact*",
        "ring*", "mobil*", "telefon*", "zavol*", "volat", "reach", "bereik*", "joign*", "kontakt*",
    )
)  # fmt: skip


def says_phone(before: str) -> bool:
    """Whether the last telling word before a number speaks of a telephone."""
    return _last(PHONE_CUE, before) > _last(ORDER_CUE, before)


def says_order(before: str) -> bool:
    """Whether the last telling word before a number speaks of an order, a ticket or the like."""
    return _last(ORDER_CUE, before) > _last(PHONE_CUE, before)


def _last(cue: re.Pattern[str], before: str) -> int:
    return max((found.end() for found in cue.finditer(before)), default=-1)
