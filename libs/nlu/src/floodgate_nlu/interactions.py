"""The tool `summarize_interaction`: the features of a finished conversation."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from floodgate_nlu import schema
from floodgate_nlu.catalogue import Catalogue
from floodgate_nlu.dialogue import Turn, resolution_of, satisfaction
from floodgate_nlu.generic import fill_property
from floodgate_nlu.language import SERVED, identify
from floodgate_nlu.prompting import part, parts, raw_part, user_text
from floodgate_nlu.sentiment import NEUTRAL_BAND, polarity
from floodgate_nlu.summaries import SUMMARY_CHARS, best_sentence, compose, contentful, template, without_personal_data
from floodgate_nlu.taxonomy import ModelCache, Taxonomy, read_taxonomy, words_of
from floodgate_nlu.text import clip, squeeze, tokens
from floodgate_nlu.types import ModelCall, ToolSpec
from floodgate_nlu.urgency import UrgencyRules

_LANGUAGE_NAMES: Final = {
    "english": "en", "dutch": "nl", "french": "fr", "spanish": "es", "polish": "pl",
    "german": "de", "italian": "it", "portuguese": "pt", "swedish": "sv", "czech": "cs",
}  # fmt: skip
_LABEL_WEIGHT: Final = 0.35


class InteractionSummarizer:
    """Extracts the feature record of one interaction."""

    def __init__(self, catalogue: Catalogue, models: ModelCache, rules: UrgencyRules) -> None:
        self._catalogue = catalogue
        self._models = models
        self._rules = rules

    def summarize(self, call: ModelCall, tool: ToolSpec) -> dict[str, Any]:
        """Fill every property of the tool's schema."""
        prompt = user_text(call)
        turns = read_turns(prompt)
        customer = " ".join(turn.text for turn in turns if turn.by_customer) or " ".join(t.text for t in turns)
        language = identify(customer, part(prompt, "language"))
        resolution = resolution_of(turns, language)
        specs = {n: schema.resolve(s, tool.schema) for n, s in schema.properties(tool.schema).items()}
        filled: dict[str, Any] = {}
        for name, spec in specs.items():
            if name == "summary":
                wanted = summary_language(prompt, call.system)
                filled[name] = schema.fit_string(summarise(turns, wanted, _limit(spec)), spec)
            elif name == "sentiment":
                filled[name] = schema.choose([conversation_sentiment(turns, language)], spec)
            elif name in {"primary_topic", "topic", "intent"}:
                filled[name] = self._label(call.system, customer, spec)
            elif name == "resolution_status":
                filled[name] = schema.choose([resolution], spec)
            elif name in {"urgency_score", "urgency"}:
                filled[name] = schema.fit_number(self._rules.assess(customer).score, spec)
            elif name == "csat_indicator":
                filled[name] = schema.fit_number(satisfaction(turns, resolution, language), spec)
            elif name == "language":
                filled[name] = schema.choose([language, "unknown"], spec)
            else:
                filled[name] = fill_property(name, spec, customer)
        return filled

    def _label(self, system: str, text: str, spec: schema.Schema) -> Any:
        """The closed set's value that the catalogue's classifier and the words of the value point at."""
        closed = [str(value) for value in schema.enum_values(spec) if value is not None]
        if not closed:
            return fill_property("topic", spec, text)
        taxonomy = read_taxonomy(system, (), self._catalogue)
        scores = self._mapped_scores(closed, taxonomy, text)
        by_words = self._models.get([(words_of(value), value) for value in closed]).predict(text)
        for value in closed:
            scores[value] = scores.get(value, 0.0) + _LABEL_WEIGHT * by_words.nearest.get(value, 0.0)
        return max(closed, key=lambda value: scores[value])

    def _mapped_scores(self, closed: Sequence[str], taxonomy: Taxonomy, text: str) -> dict[str, float]:
        """Probabilities of the catalogue's categories, added up under the values that they map to."""
        examples = taxonomy.examples()
        if not examples or not tokens(text):
            return {}
        scores: dict[str, float] = {}
        for category, probability in self._models.get(examples).predict(text).probabilities.items():
            value = _mapped(category, taxonomy, closed)
            if value is not None:
                scores[value] = scores.get(value, 0.0) + probability
        return scores


def _mapped(category: str, taxonomy: Taxonomy, closed: Sequence[str]) -> str | None:
    """The value of the closed set for a category: its id, its path, or the value that shares most words."""
    path = taxonomy.path_of(category)
    for candidate in (category, path, *path.split("/")):
        if candidate in closed:
            return candidate
    wanted = {word[:5] for word in tokens(words_of(f"{category} {path}"))}
    shared = [len(wanted & {word[:5] for word in tokens(words_of(value))}) for value in closed]
    best = max(shared, default=0)
    return closed[shared.index(best)] if best > 0 else None


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
    """A summary in the "Customer … Agent …" template."""
    customer = [s for turn in turns if turn.by_customer for s in contentful(turn.text)]
    agent = [s for turn in turns if turn.role in {"agent", "bot", "assistant", "admin"} for s in contentful(turn.text)]
    asked = best_sentence(customer)
    if not asked:
        everything = without_personal_data(" ".join(turn.text for turn in turns))
        return clip(f"{template(language, 'wants')} {everything}", max_chars)
    return compose(asked, best_sentence(agent, lead_bonus=0.0), language, max_chars)


def conversation_sentiment(turns: Sequence[Turn], language: str) -> str:
    """The customer's sentiment over the conversation; how it ends counts most."""
    said = [polarity(turn.text, language) for turn in turns if turn.by_customer]
    if not said:
        return "neutral"
    total = 0.5 * sum(said) + 0.8 * said[-1]
    balance = total / (abs(total) + 1.5)
    return "positive" if balance > NEUTRAL_BAND else "negative" if balance < -NEUTRAL_BAND else "neutral"
