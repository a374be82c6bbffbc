"""How urgent a message is and why: rules in ten languages and a learned estimate of what no rule foresees.

Words that say that there is no hurry soften both.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import yaml

from floodgate_nlu.language import plausible
from floodgate_nlu.patterns import PhraseMatcher
from floodgate_nlu.resources import load_yaml, phrases
from floodgate_nlu.text import sentences, tokens
from floodgate_nlu.urgency_model import probabilities

_ANY_LANGUAGE: Final = "*"
_CALM: Final = "calm"
_INSULT: Final = "insult"
_PRESSING: Final = "pressing"
_ALWAYS_URGENT: Final = frozenset({"self_harm"})
_COMPANY_BONUS: Final = 0.05
_SHOUTING_BONUS: Final = 0.1
# The learned probability that counts as urgent, and the score that says so.
_LIKELY: Final = 0.4
_URGENT_SCORE: Final = 0.7
# A rule's words stand in titles and in everyday questions too: where the learned estimate is below this, they do not
# count as urgent.
_CREDIBLE: Final = 0.25
_DOUBTED: Final = 0.5


@dataclass(frozen=True, slots=True)
class Urgency:
    """A score from 0 to 1, the rules that hold (most urgent first) and the sentences they rest on."""

    score: float
    reasons: tuple[str, ...]
    evidence: tuple[str, ...]


class UrgencyRules:
    """The package's rules together with the phrases of a catalogue; immutable."""

    def __init__(self, extra: Mapping[str, Sequence[str]] | None = None) -> None:
        data = load_yaml("urgency.yaml")
        self._weights: Mapping[str, float] = data["weights"]
        self._calm_factor: float = data["calm_factor"]
        patterns = [
            (phrase, (language, rule))
            for rule, languages in {**data["rules"], _CALM: data["calm"], _INSULT: data["insults"]}.items()
            for language, text in languages.items()
            for phrase in phrases(text)
        ]
        patterns += [
            (phrase, (_ANY_LANGUAGE, rule))
            for rule, texts in (extra or {}).items()
            for phrase in texts
            if tokens(phrase)
        ]
        self._matcher = PhraseMatcher(patterns)

    def assess(self, text: str) -> Urgency:
        """Score one text."""
        found = self._rules_in(text)
        calm = found.pop(_CALM, None) is not None
        pressing = found.pop(_PRESSING, None) is not None
        learned = probabilities(text if found else self._without_insults(text))
        likely = max((value for value, _ in learned.values()), default=0.0)
        credible = likely >= _CREDIBLE or not learned
        found |= {kind: words for kind, (value, words) in learned.items() if value >= _LIKELY and kind not in found}
        reasons = sorted(found, key=lambda rule: (-self._weight(rule), rule))
        score = self._score(reasons, pressing) + (_SHOUTING_BONUS if _shouts(text) else 0.0)
        if calm and not _ALWAYS_URGENT.intersection(reasons):
            return Urgency(min(score * self._calm_factor, 1.0), (), ())
        if not credible:
            return Urgency(min(score, _DOUBTED), (), ())
        if likely >= _LIKELY or reasons:
            return Urgency(min(score, 1.0), tuple(reasons), tuple(found[rule] for rule in reasons))
        return Urgency(max(min(score, _DOUBTED), _URGENT_SCORE * likely / _LIKELY), (), ())

    def _rules_in(self, text: str) -> dict[str, str]:
        """The rules that hold, each with the first sentence that says so."""
        found: dict[str, str] = {}
        languages = plausible(text) | {_ANY_LANGUAGE}
        for sentence in sentences(text):
            for rule in self._holding(sentence, languages):
                found.setdefault(rule, sentence)
        return found

    def _without_insults(self, text: str) -> str:
        """The text without the names it calls somebody: "crooks" is no report of a crime."""
        words = tokens(text)
        called = [m for m in self._matcher.find(words) if m.label[1] == _INSULT]
        if not called:
            return text
        inside = {place for match in called for place in range(match.start, match.end)}
        return " ".join(word for place, word in enumerate(words) if place not in inside)

    def _holding(self, sentence: str, languages: Collection[str]) -> list[str]:
        """The rules that a sentence meets by more than the names it calls somebody."""
        matches = [m for m in self._matcher.find(tokens(sentence)) if m.label[0] in languages]
        insults = [(m.start, m.end) for m in matches if m.label[1] == _INSULT]
        return [
            m.label[1]
            for m in matches
            if m.label[1] != _INSULT and not any(start <= m.start and m.end <= end for start, end in insults)
        ]

    def _weight(self, rule: str) -> float:
        return self._weights.get(rule, 0.8)

    def _score(self, reasons: Sequence[str], pressing: bool) -> float:
        if not reasons:
            return self._weights[_PRESSING] if pressing else 0.05
        return self._weight(reasons[0]) + _COMPANY_BONUS * (len(reasons) - 1 + int(pressing))


def _shouts(text: str) -> bool:
    letters = [c for c in text if c.isalpha()]
    capitals = sum(1 for c in letters if c.isupper())
    return text.count("!") >= 3 or (len(letters) >= 20 and capitals > 0.7 * len(letters))


@cache
def default_rules() -> UrgencyRules:
    """The rules without a catalogue."""
    return UrgencyRules()


def catalogue_phrases(directory: Path | None) -> dict[str, list[str]]:
    """The phrases per rule of a catalogue's `urgency.yaml`; empty where there is none.

    Raises:
        ValueError: The file is not valid YAML.
    """
    path = directory / "urgency.yaml" if directory is not None else None
    if path is None or not path.is_file():
        return {}
    try:
        loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ValueError(f"{path} is not valid YAML: {error}; correct the file") from error
    rules = loaded.get("rules", loaded.get("urgency", [])) if isinstance(loaded, dict) else loaded
    found: dict[str, list[str]] = {}
    for rule in rules if isinstance(rules, list) else ():
        texts = rule.get("phrases") if isinstance(rule, dict) else None
        if isinstance(texts, dict) and rule.get("id"):
            found[str(rule["id"])] = [str(text) for language in texts.values() for text in language or ()]
    return found
