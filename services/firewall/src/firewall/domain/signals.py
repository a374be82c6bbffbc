"""Signs of misuse that need no model. They never decide: they keep automation off and make the model look."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final

from firewall.domain.phrases import fold_text
from firewall.domain.text_rules import CleanText, in_tags

_MANY_HIDDEN: Final = 3


class Signal(StrEnum):
    """What was seen."""

    INJECTION = "injection"
    HIDDEN_TEXT = "hidden_text"
    ABUSE = "abuse"


_MARKUP: Final = re.compile(
    r"</?\s*(?:system|assistant|user|instructions?|customer_message|chosen_path|categories|knowledge|tool\w*)\b|"
    r"\[/?(?:INST|SYS)\]|<\|[a-z_]+\|>|^\s*(?:system|assistant|developer)\s*:|^#{2,}\s*(?:system|instructions?)\b",
    re.IGNORECASE | re.MULTILINE,
)
# On folded text: lower case, no accents, one space between words.
_ORDERS: Final = re.compile(
    r"\b(?:"
    r"(?:ignor\w*|disregard|forget|override|bypass) (?:\w+ ){0,3}?"
    r"(?:instruction\w*|prompt\w*|rules|guidelines|polic\w+)"
    r"|(?:negeer|vergeet) (?:\w+ ){0,3}?(?:instructies|regels|opdrachten|prompt)"
    r"|(?:ignore\w*|oublie\w*) (?:\w+ ){0,3}?(?:instructions|consignes|regles)"
    r"|(?:ignora\w*|olvida\w*|omite) (?:\w+ ){0,3}?(?:instrucciones|reglas|ordenes)"
    r"|(?:zignoruj|ignoruj|pomin|zapomnij) (?:\w+ ){0,3}?(?:instrukcje|instrukcji|polecenia|polecen|zasady|zasad)"
    r"|(?:ignorier\w*|vergiss|missachte) (?:\w+ ){0,3}?(?:anweisungen|instruktionen|regeln|vorgaben)"
    r"|(?:ignora|dimentica) (?:\w+ ){0,3}?(?:istruzioni|regole)"
    r"|(?:ignor\w+|esquec\w+) (?:\w+ ){0,3}?(?:instrucoes|regras)"
    r"|(?:ignorera|glom) (?:\w+ ){0,3}?(?:instruktioner\w*|regler\w*)"
    r"|(?:ignoruj|zapomen) (?:\w+ ){0,3}?(?:instrukce|pokyny|pravidla)"
    r"|system prompt|systeemprompt|systemprompt|developer mode|jailbreak\w*|do anything now"
    r"|you are now (?:an?|in|the)|pretend (?:to be|you are)|act as (?:an? )?(?:admin\w*|system|developer|root)"
    r"|(?:reveal|print|repeat|show) (?:\w+ ){0,2}?(?:system|hidden|initial) (?:prompt|instructions?|message)"
    r"|(?:set|mark|classify|label) (?:\w+ ){0,4}?(?:urgency|category|confidence|priority) (?:as|to)"
    r")\b"
)
_INSULTS: Final = re.compile(
    r"\b(?:fuck (?:you|off)|fucking (?:idiots?|morons?)|assholes?|bastards?|i will (?:kill|find|hurt) you|"
    r"klootza(?:k|kken)|kankerlijers?|hoerenjong|ik maak je (?:dood|af)|connards?|encules?|fils de pute|"
    r"je vais te (?:tuer|retrouver)|hijos? de puta|gilipollas|te voy a matar|kurwa mac|skurwysyn\w*|zabije (?:cie|was)|"
    r"arschloch|arschlocher|hurensohn\w*|ich bring (?:dich|euch) um|stronz[oi]|figli[oi] di puttana|ti ammazzo|"
    r"filhos? da puta|vou te matar|javla idiot\w*|jag ska doda (?:dig|er)|kreten\w*|zabiju (?:te|vas))\b"
)


def find_signals(original: str, cleaned: CleanText) -> frozenset[Signal]:
    """The signs in a message.

    Args:
        original: As it came: markup and hidden text show there.
        cleaned: What is left to read.
    """
    found: set[Signal] = set()
    if cleaned.hidden_count >= _MANY_HIDDEN:
        found.add(Signal.HIDDEN_TEXT)
    folded = fold_text(cleaned.text)
    if _MARKUP.search(original) or _ORDERS.search(folded) or _ORDERS.search(fold_text(in_tags(original))):
        found.add(Signal.INJECTION)
    if _INSULTS.search(folded):
        found.add(Signal.ABUSE)
    return frozenset(found)
