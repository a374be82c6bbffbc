"""Amounts and days as people write them in the served languages."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from agent.domain.expressions import ExpressionError

_SYMBOLS: Final[Mapping[str, str]] = {"EUR": "€", "GBP": "£"}

MONTHS: Final[Mapping[str, tuple[str, ...]]] = {
    language: tuple(names.split())
    for language, names in {
        "nl": "januari februari maart april mei juni juli augustus september oktober november december",
        "fr": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
        "es": "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
        "pl": "stycznia lutego marca kwietnia maja czerwca lipca sierpnia września października listopada grudnia",
        "en": "January February March April May June July August September October November December",
        "de": "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
        "it": "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
        "pt": "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro",
        "sv": "januari februari mars april maj juni juli augusti september oktober november december",
        "cs": "ledna února března dubna května června července srpna září října listopadu prosince",
    }.items()
}
_DAY_FORMS: Final[Mapping[str, str]] = {
    "es": "{day} de {month} de {year}",
    "pt": "{day} de {month} de {year}",
    "de": "{day}. {month} {year}",
    "cs": "{day}. {month} {year}",
}


def money(cents: Any, currency: str, language: str) -> str:
    """Whole cents as an amount: €89.50 in English, € 89,50 in Dutch, 89,50 € elsewhere.

    Raises:
        ExpressionError: Not a whole number of cents.
    """
    if not isinstance(cents, int) or isinstance(cents, bool):
        raise ExpressionError("an amount has to be whole cents")
    units, rest = divmod(abs(cents), 100)
    sign, symbol = ("-" if cents < 0 else ""), _SYMBOLS.get(currency, currency)
    if language == "en":
        return f"{sign}{symbol}{units:,}.{rest:02d}"
    number = f"{sign}{units:,}".replace(",", "." if language in {"nl", "de", "it", "es", "pt"} else "\u00a0")
    return f"{symbol}\u00a0{number},{rest:02d}" if language == "nl" else f"{number},{rest:02d}\u00a0{symbol}"


def day(moment: Any, language: str) -> str:
    """An RFC 3339 moment as a day, in UTC: 12 December 2026.

    Raises:
        ExpressionError: Not a moment.
    """
    try:
        parsed = datetime.fromisoformat(moment)
    except (TypeError, ValueError) as error:
        raise ExpressionError("a date has to be RFC 3339") from error
    months = MONTHS.get(language, MONTHS["en"])
    form = _DAY_FORMS.get(language, "{day} {month} {year}")
    return form.format(day=parsed.day, month=months[parsed.month - 1], year=parsed.year)
