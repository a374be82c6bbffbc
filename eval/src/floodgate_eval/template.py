"""The summary to beat: the customer's first sentence and the agent's most central one, in a template.

The baseline of ROUGE: no model, at most as long as a summary may be, and in the language of the conversation.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from floodgate_nlu.text import clip, sentences, tokens

from floodgate_eval.rows import TurnRow

MAX_CHARS: Final = 200
_CUSTOMER: Final = "customer"
_AGENT: Final = "agent"
# "Hi!" is nobody's case.
_LEAST_WORDS: Final = 3
_NAMES: Final[Mapping[str, tuple[str, str]]] = {
    "en": ("Customer", "Agent"), "nl": ("Klant", "Medewerker"), "de": ("Kunde", "Mitarbeiter"),
    "fr": ("Client", "Agent"), "es": ("Cliente", "Agente"), "it": ("Cliente", "Operatore"),
    "pt": ("Cliente", "Agente"), "pl": ("Klient", "Konsultant"), "sv": ("Kund", "Medarbetare"),
    "cs": ("Zákazník", "Pracovník"),
}  # fmt: skip


def template_summary(turns: Sequence[TurnRow], language: str) -> str:
    """The half of the customer and the half of the agent, at most 200 characters; who said nothing is left out."""
    customer, agent = (
        [sentence for turn in turns if turn.role == role for sentence in sentences(turn.text)]
        for role in (_CUSTOMER, _AGENT)
    )
    of_customer, of_agent = _NAMES.get(language, _NAMES["en"])
    lead = next((sentence for sentence in customer if len(tokens(sentence)) >= _LEAST_WORDS), "".join(customer[:1]))
    replied = f" {of_agent} {clip(_most_central(agent), MAX_CHARS // 2)}" if agent else ""
    return f"{of_customer} {clip(lead, MAX_CHARS - len(replied) - len(of_customer) - 1)}{replied}"[:MAX_CHARS]


def _most_central(parts: Sequence[str]) -> str:
    """The sentence nearest to all others by the cosine of their words (Erkan and Radev 2004, degree centrality)."""
    counted = [Counter(tokens(part)) for part in parts]
    near = [sum(_cosine(one, other) for other in counted) for one in counted]
    return parts[near.index(max(near))]


def _cosine(one: Counter[str], other: Counter[str]) -> float:
    common = sum(count * other[word] for word, count in one.items())
    return common / math.sqrt(sum(n * n for n in one.values()) * sum(n * n for n in other.values())) if common else 0.0
