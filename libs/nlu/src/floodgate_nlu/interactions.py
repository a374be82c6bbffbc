"""The tool `summarize_interaction`: the features of a finished conversation."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from floodgate_nlu import schema
from floodgate_nlu.catalogue import UNDETERMINED, Catalogue, Category
from floodgate_nlu.dialogue import Turn, cues, pressure, satisfaction
from floodgate_nlu.endings import outcome_of
from floodgate_nlu.feelings import likeliest, sentiment_shares
from floodgate_nlu.generic import fill_property
from floodgate_nlu.intents import IntentModel, Prediction
from floodgate_nlu.labels import pick_label, read_labels
from floodgate_nlu.language import SERVED, identify_conversation, language_scores
from floodgate_nlu.prompting import part, parts, raw_part, user_text
from floodgate_nlu.subjects import evidence
from floodgate_nlu.summaries import (
    SUMMARY_CHARS,
    compose,
    contentful,
    facts_in,
    salience,
    template,
    without_personal_data,
)
from floodgate_nlu.taxonomy import ModelCache, Taxonomy, read_taxonomy, words_of
from floodgate_nlu.text import clip, squeeze, tokens
from floodgate_nlu.topics import read_names
from floodgate_nlu.types import ModelCall, ToolSpec
from floodgate_nlu.urgency import UrgencyRules

_SPEAKING_AGENTS: Final = frozenset({"agent", "bot", "assistant", "admin"})
_OUTCOME_BONUS: Final = 0.35
_LATENESS_BONUS: Final = 0.3
_QUESTION_MALUS: Final = 0.3
_MAX_FACTS: Final = 3
_LANGUAGE_MARGIN: Final = 0.3
_MAX_FACT_CHARS: Final = 14
_LANGUAGE_NAMES: Final = {
    "english": "en", "dutch": "nl", "french": "fr", "spanish": "es", "polish": "pl",
    "german": "de", "italian": "it", "portuguese": "pt", "swedish": "sv", "czech": "cs",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Findings:
    """All that is known about one conversation before it is put into the shape of the schema."""

    turns: tuple[Turn, ...]
    customer: str
    language: str
    wanted: str
    about: str
    categories: Mapping[str, float]
    resolution: str
    urgency: float
    feelings: Mapping[str, float]


class InteractionSummarizer:
    """Extracts the feature record of one interaction."""

    def __init__(self, catalogue: Catalogue, models: ModelCache, rules: UrgencyRules) -> None:
        self._catalogue = catalogue
        self._models = models
        self._rules = rules
        self._domain = lru_cache(maxsize=8)(self._read_domain)
        self._labels = lru_cache(maxsize=16)(read_labels)

    def summarize(self, call: ModelCall, tool: ToolSpec) -> dict[str, Any]:
        """Fill every property of the tool's schema."""
        found = self._find(call)
        filled: dict[str, Any] = {}
        for name, raw in schema.properties(tool.schema).items():
            spec = schema.resolve(raw, tool.schema)
            if name in {"primary_topic", "topic", "intent"}:
                filled[name] = self._label(found, spec)
            else:
                filler = _FILLERS.get(name)
                filled[name] = filler(found, spec) if filler else fill_property(name, spec, found.customer)
        return filled

    def _find(self, call: ModelCall) -> _Findings:
        prompt = user_text(call)
        turns = tuple(read_turns(prompt))
        customer = " ".join(turn.text for turn in turns if turn.by_customer) or " ".join(t.text for t in turns)
        others = " ".join(turn.text for turn in turns if not turn.by_customer)
        language = identify_conversation(customer, others, part(prompt, "language"))
        wanted = summary_language(prompt, call.system)
        taxonomy, model = self._domain(call.system)
        resolution = outcome_of(turns, language)
        prediction = model.predict(customer) if model is not None and tokens(customer) else None
        return _Findings(
            turns,
            customer,
            language,
            wanted,
            _title(taxonomy.categories[prediction.best()[0]], wanted) if prediction else "",
            _scoped(prediction) if prediction else {},
            resolution,
            self._rules.assess(customer).score,
            sentiment_shares(turns, resolution, language),
        )

    def _label(self, found: _Findings, spec: schema.Schema) -> Any:
        """The value of a closed set that the conversation is about."""
        closed = tuple(str(value) for value in schema.enum_values(spec) if value is not None)
        if not closed:
            return fill_property("topic", spec, found.customer)
        labels = self._labels(closed)
        others = " ".join(turn.text for turn in found.turns if not turn.by_customer)
        first = next((turn.text for turn in found.turns if turn.by_customer), "")
        everything = " ".join(turn.text for turn in found.turns)
        named = read_names([words_of(value) for value in labels.named], first or everything, everything, found.language)
        return pick_label(labels, found.language, found.categories, evidence(found.customer, others), named)

    def _read_domain(self, system: str) -> tuple[Taxonomy, IntentModel | None]:
        taxonomy = read_taxonomy(system, (), self._catalogue)
        examples = taxonomy.examples()
        return taxonomy, self._models.get(examples) if examples else None


def _scoped(prediction: Prediction) -> dict[str, float]:
    """Probabilities that also say how likely none of the categories applies."""
    return {name: share * prediction.in_scope for name, share in prediction.probabilities.items()}


def _title(category: Category, language: str) -> str:
    """The category's name in this language; without one, the words of its id in English, else what there is."""
    titles = category.titles
    return titles.get(language) or (words_of(category.id) if language == "en" else titles.get(UNDETERMINED, ""))


def _summary(found: _Findings, spec: schema.Schema) -> str:
    limit = _limit(spec)
    if found.wanted == found.language:
        said = summarise(found.turns, found.wanted, limit)
        if _reads_as(said, found.wanted):
            return said
    return report(found.turns, found.about, found.resolution, found.wanted, limit)


def _reads_as(text: str, language: str) -> bool:
    """Whether a text passes for one in this language: quotes of a mixed conversation can turn it into another."""
    scores = language_scores(text)
    return scores.get(language, 0.0) >= max(scores.values()) - _LANGUAGE_MARGIN


def _csat(found: _Findings, spec: schema.Schema) -> float | int:
    return schema.fit_number(satisfaction(found.turns, found.resolution, found.language, found.feelings), spec)


def _urgency(found: _Findings, spec: schema.Schema) -> float | int:
    pressing = pressure(found.resolution, found.feelings["negative"])
    return schema.fit_number(max(found.urgency, pressing), spec)


_FILLERS: Final[Mapping[str, Callable[[_Findings, schema.Schema], Any]]] = {
    "summary": _summary,
    "sentiment": lambda found, spec: schema.choose([likeliest(found.feelings)], spec),
    "resolution_status": lambda found, spec: schema.choose([found.resolution], spec),
    "urgency_score": _urgency,
    "urgency": _urgency,
    "csat_indicator": _csat,
    "language": lambda found, spec: schema.choose([found.language, "unknown"], spec),
}


def read_turns(prompt: str) -> list[Turn]:
    """The turns of the transcript; a prompt without turns is one turn of the customer."""
    transcript = raw_part(prompt, "transcript") or prompt
    turns = [
        Turn(element.attributes.get("role", "customer").lower(), squeeze(element.text))
        for element in parts(transcript, "turn")
    ]
    return turns or [Turn("customer", squeeze(transcript))]


def summary_language(prompt: str, system: str) -> str:
    """The language asked for: a tag, a sentence in the instructions, else English."""
    tagged = (part(prompt, "summary_language") or part(system, "summary_language") or "").strip().lower()
    if tagged[:2] in SERVED:
        return tagged[:2]
    if tagged in _LANGUAGE_NAMES:
        return _LANGUAGE_NAMES[tagged]
    lowered = system.lower()
    for name, code in _LANGUAGE_NAMES.items():
        if f"summary in {name}" in lowered or f"write in {name}" in lowered:
            return code
    return "en"


def _limit(spec: Mapping[str, Any]) -> int:
    limit = spec.get("maxLength")
    return min(int(limit), SUMMARY_CHARS) if isinstance(limit, int) else SUMMARY_CHARS


def summarise(turns: Sequence[Turn], language: str, max_chars: int) -> str:
    """A summary in the "Customer … Agent …" template, of sentences of the conversation."""
    customer = [s for turn in turns if turn.by_customer for s in contentful(turn.text)]
    agent = [s for turn in turns if turn.role in _SPEAKING_AGENTS for s in contentful(turn.text)]
    if not customer:
        everything = without_personal_data(" ".join(turn.text for turn in turns))
        return clip(f"{template(language, 'asker')} {everything}", max_chars)
    return compose(customer[0], agent, _weights(agent, language), language, max_chars)


def _weights(answers: Sequence[str], language: str) -> list[float]:
    """How much each sentence of whoever answered carries: most by what it says of the outcome, least by asking back."""
    return [
        score
        + _OUTCOME_BONUS * min(len(cues(text, language)), 1)
        + _LATENESS_BONUS * position / len(answers)
        - _QUESTION_MALUS * ("?" in text)
        for position, (score, text) in enumerate(zip(salience(answers, lead_bonus=0.0), answers, strict=True))
    ]


def report(turns: Sequence[Turn], about: str, resolution: str, language: str, max_chars: int) -> str:
    """A summary in another language than the conversation's: its subject, its figures and its outcome.

    Nothing is translated: the subject is the catalogue's own title, the rest are template words and figures.
    """
    said = " ".join(without_personal_data(turn.text) for turn in turns if turn.by_customer)
    figures = ", ".join(fact for fact in facts_in(said)[:_MAX_FACTS] if len(fact) <= _MAX_FACT_CHARS)
    subject = about or template(language, "unknown_subject")
    opening = template(language, "reports").replace("{topic}", f'"{subject}"' if about else subject)
    mentioned = f" ({figures})" if figures else ""
    return clip(f"{opening}{mentioned}. {template(language, resolution)}", max_chars)
