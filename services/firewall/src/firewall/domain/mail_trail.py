"""The earlier mail that hangs below an answer, as the clients of ten languages write it. Pure, linear in the text."""

from __future__ import annotations

import re
from typing import Final

_LONGEST_HEADING: Final = 300
_HEADERS_WITHIN: Final = 4
_DATE: Final = re.compile(r"\b20\d\d\b|\b\d{1,2}[:.h]\d\d\b|\b\d{1,2}[./]\s?\d{1,2}\b")
_WROTE: Final = re.compile(
    r"\b(?:wrote|schreef|geschreven|a écrit|escribió|schrieb|ha scritto|escreveu|skrev|napsala?|odesílatel|"
    r"napisał(?:\(a\)|a)?|napisana przez)(?!\w)",
    re.IGNORECASE,
)
# "-----Original Message-----", "---------- Doorgestuurd bericht ---------": a title between dashes in any language.
_DASHED: Final = re.compile(r"^\s*-{4,}\s?[^\W\d_][^\n\-]{4,60}-{4,}\s*$")
_RULE: Final = re.compile(r"^\s*[_=]{10,}\s*$")
_FROM: Final = re.compile(r"^\s*\*?(?:from|van|de|od|von|da|från|expéditeur|remitente|nadawca|odesílatel)\s?:", re.I)
_SENT: Final = re.compile(
    r"^\s*\*?(?:sent|date|verzonden|datum|envoyé|enviado(?: el)?|fecha|wysłano|data|gesendet|inviato|skickat|odesláno|"
    r"to|aan|à|para|do|an|a|till|komu|subject|onderwerp|objet|asunto|temat|betreff|oggetto|assunto|ämne|předmět)\*?\s?:",
    re.IGNORECASE,
)
_SENT_FROM_PHONE: Final = re.compile(
    r"^\s*(?:sent from (?:my|yahoo|outlook)|get outlook for|verzonden vanaf|verstuurd vanaf|envoyé (?:de|depuis) mon|"
    r"enviado (?:desde|do) m|wysłan[eo] z |von meinem .{1,40} gesendet|gesendet von|inviato da|skickat från min|"
    r"odesláno z )[^\n]{0,60}$",
    re.IGNORECASE,
)


def own_words(text: str) -> str:
    """The text without the mail below it, quoted lines and the phone's signature; may be empty."""
    lines = text.split("\n")
    end = next((number for number in range(len(lines)) if _begins_trail(lines, number)), len(lines))
    return "\n".join(line for line in lines[:end] if not _is_foreign(line))


def _is_foreign(line: str) -> bool:
    return line.lstrip().startswith(">") or _SENT_FROM_PHONE.match(line) is not None


def _begins_trail(lines: list[str], number: int) -> bool:
    line = lines[number]
    if len(line) > _LONGEST_HEADING or not line.strip():
        return False
    if _DASHED.match(line):
        return True
    if _RULE.match(line):
        return any(_FROM.match(other) for other in lines[number + 1 : number + 3])
    if _FROM.match(line):
        return any(_SENT.match(other) for other in lines[number + 1 : number + _HEADERS_WITHIN])
    # Clients break a long heading in two.
    following = lines[number + 1] if number + 1 < len(lines) else ""
    return _is_heading(line) or (not line.rstrip().endswith(":") and _is_heading(f"{line} {following}"))


def _is_heading(line: str) -> bool:
    """As in "On Monday at 10:00 Support wrote:", or in Czech "2. 11. 2026 v 10:00, Support <help@…>:"."""
    if len(line) > _LONGEST_HEADING or not line.rstrip().endswith(":") or not _DATE.search(line):
        return False
    return _WROTE.search(line) is not None or ("@" in line and "<" in line)
