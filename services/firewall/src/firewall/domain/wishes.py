"""Whether somebody asks for a person in so many words: every automated reply promises that saying so is enough."""

from __future__ import annotations

import re
from typing import Final

from firewall.domain.phrases import fold_text

# On folded text: lower case, no accents, one space between words. A verb of speaking or wanting, then a person.
_ASKS: Final = re.compile(
    r"\b(?:"
    r"(?:speak|talk|chat|connect me|transfer me|put me through) (?:\w+ ){0,3}?(?:human|person|someone|somebody|agent|"
    r"representative|adviser|advisor|colleague|employee|operator)"
    r"|(?:want|need|prefer|get me|give me) (?:a |an |to have )?(?:real |live |actual )?"
    r"(?:human|person|agent|representative|operator)"
    r"|no (?:bot|robot|chatbot)s?"
    r"|(?:spreken|praten|contact|verbind\w*|doorverb\w*) (?:\w+ ){0,4}?(?:mens|medewerker|collega|persoon|iemand)"
    r"|(?:mens|medewerker|collega|persoon|iemand) (?:\w+ ){0,3}?(?:spreken|praten)"
    r"|(?:wil|graag) een (?:mens|medewerker)"
    r"|parler (?:\w+ ){0,3}?(?:quelqu un|humain|personne|conseiller\w*|agent|collegue)"
    r"|(?:veux|voudrais|prefere) un (?:humain|conseiller|agent|etre humain)"
    r"|hablar (?:\w+ ){0,3}?(?:persona|humano|alguien|agente|operador\w*|companer\w*)"
    r"|(?:quiero|prefiero|necesito) (?:una? )?(?:persona|humano|agente)"
    r"|(?:rozmawiac|porozmawiac|polaczy\w*|polacz\w*|pogadac) (?:\w+ ){0,3}?"
    r"(?:czlowiek\w*|konsultant\w*|osoba|kims|pracownik\w*)"
    r"|(?:chce|wole|prosze o) (?:konsultanta|czlowieka|kontakt z czlowiekiem)"
    r"|(?:mensch\w*|mitarbeiter\w*|person|jemand\w*|kolleg\w*|berater\w*) (?:\w+ ){0,3}?"
    r"(?:sprechen|reden|schreiben|chatten)"
    r"|(?:sprechen|reden|verbinden) (?:\w+ ){0,3}?(?:mensch\w*|mitarbeiter\w*|jemandem)"
    r"|(?:will|mochte|brauche) einen? (?:echten )?(?:mensch\w*|mitarbeiter\w*)"
    r"|parlare (?:\w+ ){0,3}?(?:persona|umano|qualcuno|operator\w*|collega)"
    r"|(?:voglio|vorrei|preferisco) una? (?:persona|umano|operator\w*)"
    r"|falar (?:\w+ ){0,3}?(?:pessoa|humano|alguem|agente|operador\w*|colega)"
    r"|(?:quero|prefiro|preciso de) uma? (?:pessoa|humano|agente)"
    r"|(?:prata|tala|snacka|chatta) (?:\w+ ){0,3}?(?:manniska|person|nagon|medarbetare|handlaggare|kollega)"
    r"|(?:vill ha|behover) en (?:riktig )?(?:manniska|person)"
    r"|(?:mluvit|promluvit|hovorit|spojit\w*|spojte) (?:\w+ ){0,3}?(?:clovekem|nekym|operator\w*|pracovnik\w*|kolegou)"
    r"|(?:chci|radsi|radeji) (?:cloveka|operatora)"
    r")\b"
)


def asks_for_person(text: str) -> bool:
    """Whether the text asks for a person instead of automation."""
    return _ASKS.search(fold_text(text)) is not None
