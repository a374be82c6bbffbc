"""Numbers, months and weekdays as words of the ten languages. Written for this project, not by native speakers."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

# Word beginnings per number: one spelling may stand in several languages.
_NUMBERS: Final = {
    1: "one een ein eine einen einem un une uno una um uma jeden jedna jedno en ett",
    2: "two twee zwei deux dos due dois duas dwa dwie dwoch dwoje tva dva dve dvou twice both couple pair double "
    "tweemaal beide beiden dubbel dubbele zweimal doppelt doppelte double doubles ambos ambas doble oba obie oboje "
    "dwukrotnie podwojnie podwojna entrambi entrambe doppio doppia dobro bada dubbelt obe dvakrat dvoji dvojita",
    3: "three drie drei trois tres tre trzy trzech tri tri trzykrotnie trikrat",
    4: "four vier quatre cuatro quattro quatro cztery czterech fyra ctyri ctyr",
    5: "five vijf funf cinq cinco cinque piec pieciu fem pet peti",
    6: "six zes sechs seis sei szesc szesciu sex sest sesti",
    7: "seven zeven sieben sept siete sette sete siedem siedmiu sju sedm sedmi",
    8: "eight acht huit ocho otto oito osiem osmiu atta osm osmi",
    9: "nine negen neun neuf nueve nove dziewiec dziewieciu nio devet deviti",
    10: "ten tien zehn dix diez dieci dez dziesiec dziesieciu tio deset deseti",
    11: "eleven elf onze once undici jedenascie elva jedenact",
    12: "twelve twaalf zwolf douze doce dodici doze dwanascie tolv dvanact dozen",
    14: "fourteen veertien vierzehn quatorze catorce quattordici czternascie fjorton ctrnact fortnight quinzaine",
    15: "fifteen vijftien funfzehn quinze quince quindici pietnascie femton patnact",
    20: "twenty twintig zwanzig vingt veinte venti vinte dwadziescia tjugo dvacet",
    30: "thirty dertig dreissig trente treinta trenta trinta trzydziesci trettio tricet",
    50: "fifty vijftig funfzig cinquante cincuenta cinquanta cinquenta piecdziesiat femtio padesat",
    100: "hundred honderd hundert cent cien ciento cento cem sto hundra",
}
_MONTHS: Final = {
    1: "jan januar januari january janvier enero gennaio janeiro styczen stycznia styczniu leden ledna lednu",
    2: "feb februar februari february fevrier febrero febbraio fevereiro luty lutego lutym unor unora unoru",
    3: "mar march maart marz marts mars marzo marco marzec marca marcu brezen brezna breznu",
    4: "apr april avril abril aprile kwiecien kwietnia kwietniu duben dubna dubnu",
    5: "may mei mai mayo maggio maio maj maja maju kveten kvetna kvetnu",
    6: "jun june juni juin junio giugno junho czerwiec czerwca czerwcu cerven cervna cervnu",
    7: "jul july juli juillet julio luglio julho lipiec lipca lipcu cervenec cervence cervenci",
    8: "aug august augustus augusti aout agosto sierpien sierpnia sierpniu srpen srpna srpnu",
    9: "sep sept september septembre septiembre settembre setembro wrzesien wrzesnia wrzesniu zari",
    10: "oct okt october oktober octobre octubre ottobre outubro pazdziernik pazdziernika rijen rijna rijnu",
    11: "nov november novembre noviembre novembro listopad listopada listopadzie listopadu",
    12: "dec dez december dezember decembre diciembre dicembre dezembro grudzien grudnia grudniu prosinec prosince",
}
_WEEKDAYS: Final = {
    1: "monday maandag montag lundi lunes lunedi segunda poniedzialek poniedzialku mandag pondeli",
    2: "tuesday dinsdag dienstag mardi martes martedi terca wtorek wtorku tisdag utery",
    3: "wednesday woensdag mittwoch mercredi miercoles mercoledi quarta sroda srode srody onsdag streda stredu",
    4: "thursday donderdag donnerstag jeudi jueves giovedi quinta czwartek czwartku torsdag ctvrtek",
    5: "friday vrijdag freitag vendredi viernes venerdi sexta piatek piatku fredag patek",
    6: "saturday zaterdag samstag sonnabend samedi sabado sabato sobota sobote soboty lordag",
    7: "sunday zondag sonntag dimanche domingo domenica niedziela niedziele niedzieli sondag nedele nedeli",
}


def folded(text: str) -> str:
    """Lower case without accents, so that careless spelling meets careful spelling."""
    text = text.casefold().replace("ł", "l").replace("ø", "o")
    if text.isascii():
        return text
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))


def _table(words: dict[int, str]) -> dict[str, int]:
    return {word: number for number, listed in words.items() for word in listed.split()}


NUMBER_WORDS: Final = _table(_NUMBERS)
MONTHS: Final = _table(_MONTHS)
WEEKDAYS: Final = _table(_WEEKDAYS)


# How a summary says that a case was handed over, or solved; folded. A solved one with a "not" beside it says nothing.
_ESCALATED: Final = re.compile(
    r"\b(?:escalat|eskal|escalad|escalon|(?:handed|passed) (?:it |the case )?(?:over |on )?to a?|transferred to|"
    r"forwarded to|overgedragen aan|doorgezet naar|doorgestuurd naar|ubergeben an|weitergeleitet an|transmis(?:e)? a |"
    r"transfere|derivad|traslad|transferid|encaminhad|trasferit|passato (?:il caso )?a|inoltrat|przekaza|"
    r"lamnades over|overlamna|vidarebefordra|predan|predal|postoupen)"
)
_RESOLVED: Final = re.compile(
    r"\b(?:resolved|solved|fixed|opgelost|gelost|geklart|resolu|resuelt|solucionad|risolt|resolvid|rozwiaza|losts?|vyresen)\b"
)
_NEGATED: Final = re.compile(r"\b(?:not|un|never|niet|nicht|non|pas|no|nao|nie|inte|ne|still|to be)\W+(?:\w+\W+){0,2}$")


def said_ending(summary: str) -> str | None:
    """`escalated` or `resolved` where a summary says so in plain words; None where it says neither, or both."""
    plain = folded(summary)
    escalated = _ESCALATED.search(plain) is not None
    solved = _RESOLVED.search(plain)
    resolved = solved is not None and _NEGATED.search(plain[: solved.start()]) is None
    if escalated == resolved:
        return None
    return "escalated" if escalated else "resolved"
