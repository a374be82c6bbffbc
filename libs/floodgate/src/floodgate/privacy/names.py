"""Names where they are stated: "my name is …", "Name: …" and the signature, in ten languages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from floodgate.privacy.spans import Kind, Span


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_STATED: Final = (
    # en, nl, fr, es, pl, de, it, pt, sv, cs
    r"my (?:full |last |first |sur)?name(?:'s| is|’s)", r"the name(?:'s| is|’s)", r"i am called", r"name is",
    r"mijn (?:volledige |achter|voor)?naam is", r"ik heet", r"de naam is",
    r"je m[’']appelle", r"mon (?:pré)?nom(?: complet)? est",
    r"me llamo", r"mi nombre(?: completo)? es",
    r"nazywam si[eę]", r"mam na imi[eę]", r"na imi[eę] mi", r"moje imi[eę] i nazwisko to", r"moje nazwisko to",
    r"ich hei(?:ß|ss)e", r"mein (?:vor|nach)?name (?:ist|lautet)",
    r"mi chiamo", r"il mio nome è",
    r"chamo-me", r"me chamo", r"(?:o )?meu nome é",
    r"jag heter", r"mitt (?:för|efter)?namn är",
    r"jmenuj[iu] se", r"(?:mé |moje )jméno je",
)  # fmt: skip
_LABELS: Final = (
    r"(?:full |first |last |account )?name", r"naam", r"nom", r"prénom", r"nombre", r"imi[eę] i nazwisko", r"nazwisko",
    r"(?:vor|nach)?name", r"nome(?: e cognome)?", r"(?:för|efter)?namn", r"jméno",
)  # fmt: skip
_SIGN_OFFS: Final = (
    r"(?:kind|best|warm) regards", r"regards", r"sincerely", r"yours(?: sincerely| truly)?", r"cheers",
    r"many thanks", r"(?:met )?vriendelijke groet(?:en)?", r"mvg", r"groet(?:en|jes)?", r"cordialement", r"bien à vous",
    r"salutations(?: distinguées)?", r"(?:un )?saludos?(?: cordial(?:es)?)?", r"atentamente",
    r"pozdrawiam(?: serdecznie)?", r"z poważaniem", r"(?:mit )?freundliche[nr]? grü(?:ß|ss)en?", r"viele grüße", r"mfg",
    r"(?:cordiali |distinti )?saluti", r"(?:com os melhores )?cumprimentos", r"atenciosamente",
    r"(?:med )?vänlig(?:a)? hälsning(?:ar)?", r"mvh", r"hälsningar", r"s pozdravem", r"děkuji",
)  # fmt: skip
_INTRODUCTION: Final = re.compile(r"(?<!\w)(?:" + "|".join(_STATED) + r")\s*[:,]?\s+", re.IGNORECASE)
_LABEL: Final = re.compile(r"(?:^|(?<=[\n,;.(]))\s*(?:" + "|".join(_LABELS) + r")\s?:\s*", re.IGNORECASE)
_SIGN_OFF: Final = re.compile(r"(?<!\w)(?:" + "|".join(_SIGN_OFFS) + r")\s*[,.!]?\s*[\n,–—-]\s*", re.IGNORECASE)
_WORD: Final = re.compile(r"[^\W\d_](?:[^\W\d_]|['’\-](?=[^\W\d_]))*\.?")
# "my name is anna jansen, …": a second lower-case word is taken for a surname where the clause ends with it.
_LOWER_SURNAME: Final = re.compile(
    r"[ \t]((?:(?:van|de|der|den|von|da|di|del|la) ){0,3}[^\W\d_A-Z]{3,24})(?=\s*(?:[.,;!?\n]|$))"
)
_GAP: Final = re.compile(r"[ \t\u00a0]+")
_PARTICLES: Final = _words(
    "van de der den het ten ter te von zu zum da das do dos di del della la le du des el al bin ibn y e af"
)
_TITLES: Final = _words(
    "mr mrs ms miss dr prof sir herr frau de heer mevrouw mevr dhr monsieur madame mme m mlle señor señora sr sra pan "
    "pani sig sig.ra signor signora senhor senhora dona don doña pán paní"
)
# A lower-case word after "my name is" is a name unless it is one of these.
_NOT_NAMES: Final = _words(
    "a an the not no on in at and or but wrong misspelled spelled spelt incorrect missing different still also already "
    "same there this that is it my for from with because changed right correct "
    "niet fout verkeerd onjuist anders op en of maar een het de in nog ook gespeld veranderd juist "
    "mal incorrecto incorrecta equivocado no y pero en un una el la escrito diferente también "
    "faux incorrect erroné mal pas et mais sur un une écrit différent "
    "nie źle błędne i ale na inne niepoprawne "
    "falsch nicht und aber auf ein eine anders geschrieben richtig "
    "sbagliato errato non e ma un una diverso scritto "
    "errado incorreto não e mas um uma diferente "
    "fel inte och men en ett på annat felstavat "
    "špatně není a ale na jiné "
    "i you we he she they ik wij hij zij je tu il elle nous yo él ella my io ich wir er sie jag jsem to"
)
_MAX_WORDS: Final = 5


# "in the name of": of an idea as well, so that only a capital letter makes it a person's.
_IN_NAME_OF: Final = re.compile(
    r"(?<!\w)(?:in the name of|op naam van|t\.n\.v\.|tnv|au nom de|a nombre de|na nazwisko|auf den namen|a nome di|"
    r"em nome de|i namnet|na jméno)\s*:?\s+",
    re.IGNORECASE,
)


def find_names(text: str) -> Iterator[Span]:
    """Stated names, and every other place where a stated name of two or more letters stands again."""
    stated = [
        *(_name_at(text, found.end()) for found in _INTRODUCTION.finditer(text)),
        *(_name_at(text, found.end()) for found in _LABEL.finditer(text)),
        *(_capitalised_at(text, found.end()) for found in _IN_NAME_OF.finditer(text)),
        *(_signature_at(text, found.end()) for found in _SIGN_OFF.finditer(text)),
    ]
    spans = {span for span in stated if span is not None}
    yield from spans
    for name in {text[span.start : span.end] for span in spans}:
        if len(name) > 1 and name[0].isupper():
            for found in re.finditer(rf"(?<!\w){re.escape(name)}(?!\w)", text):
                yield Span(found.start(), found.end(), Kind.NAME)


def _capitalised_at(text: str, position: int) -> Span | None:
    span = _name_at(text, position)
    return span if span is not None and text[span.start].isupper() else None


def _signature_at(text: str, position: int) -> Span | None:
    """A signature is capitalised and ends its line."""
    span = _name_at(text, position)
    if span is None or not text[span.start].isupper():
        return None
    rest = text[span.end :].split("\n", 1)[0].strip(" .,!")
    return span if not rest else None


def _name_at(text: str, position: int) -> Span | None:
    """The name that begins at a position: capitalised words with their particles, or one lower-case word."""
    start = end = None
    capitalised = 0
    for _ in range(_MAX_WORDS):
        word = _WORD.match(text, position)
        if word is None:
            break
        bare = word[0].rstrip(".")
        if not _continues(bare, started=end is not None, capitalised=capitalised):
            break
        start = word.start() if start is None else start
        is_initial = len(bare) == 1 and bare.isupper()
        full_stop = word[0].endswith(".") and not is_initial and bare.lower() not in _TITLES
        if bare.lower() not in _PARTICLES:
            end = word.end() if is_initial else word.start() + len(bare)
        if bare[0].isupper():
            capitalised += 1
        elif bare.lower() not in _PARTICLES and bare.lower() not in _TITLES:
            second = _LOWER_SURNAME.match(text, word.end())
            if second is not None and second[1] not in _NOT_NAMES:
                end = second.end(1)
            break
        gap = _GAP.match(text, word.end())
        if full_stop or gap is None:
            break
        position = gap.end()
    return Span(start, end, Kind.NAME) if start is not None and end is not None else None


def _continues(word: str, *, started: bool, capitalised: int) -> bool:
    lowered = word.lower()
    if word[0].isupper():
        return not (lowered in _NOT_NAMES and lowered not in _PARTICLES)
    if lowered in _PARTICLES or (not started and lowered in _TITLES):
        return True
    return not started and capitalised == 0 and lowered not in _NOT_NAMES and len(word) > 1
