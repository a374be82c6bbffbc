"""The tool `assess_message`: where a message belongs, whether it is misuse, how urgent it is, what it wants."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from floodgate_nlu import schema
from floodgate_nlu.catalogue import Catalogue
from floodgate_nlu.embedding import embed
from floodgate_nlu.generic import fill_property
from floodgate_nlu.intents import IntentModel, Prediction
from floodgate_nlu.language import identify
from floodgate_nlu.misuse import Misuse, assess_misuse
from floodgate_nlu.prompting import Element, part, parts, user_text
from floodgate_nlu.summaries import statement
from floodgate_nlu.taxonomy import NONE, ModelCache, Taxonomy, read_taxonomy, words_of
from floodgate_nlu.text import clip, sentences, tokens
from floodgate_nlu.types import ModelCall, ToolSpec
from floodgate_nlu.urgency import Urgency, UrgencyRules

_EMBEDDING_SIZE: Final = 256
_EXAMPLE_PULL: Final = 3.0
_MIN_SCOPE: Final = 0.5
_MIN_BELONGS: Final = 0.5
_EVIDENCE_CHARS: Final = 120
_WANTS_CHARS: Final = 160
_UNKNOWN_PATHS: Final = frozenset({"", "unknown", "none", "null", "-"})


@dataclass(frozen=True, slots=True)
class _Findings:
    """All that is known about one message before it is put into the shape of the schema."""

    message: str
    language: str
    category: str
    probability: float
    in_scope: float
    belongs: bool
    belongs_probability: float
    suggested_path: str
    workflow: str | None
    misuse: Misuse
    urgency: Urgency


class MessageAssessor:
    """Assesses messages against the categories of the request."""

    def __init__(self, catalogue: Catalogue, models: ModelCache, rules: UrgencyRules) -> None:
        self._catalogue = catalogue
        self._models = models
        self._rules = rules
        self._taxonomy = lru_cache(maxsize=8)(self._read)

    def assess(self, call: ModelCall, tool: ToolSpec) -> dict[str, Any]:
        """Fill every property of the tool's schema."""
        specs = {n: schema.resolve(s, tool.schema) for n, s in schema.properties(tool.schema).items()}
        prompt = user_text(call)
        message = part(prompt, "customer_message")
        message = prompt if message is None else message
        closed = tuple(str(v) for v in schema.enum_values(specs.get("category", {})) if v is not None)
        taxonomy, model = self._taxonomy(call.system, closed)
        found = self._find(prompt, message, taxonomy, model)
        filled = {name: _value(name, spec, found) for name, spec in specs.items()}
        return {name: value for name, value in filled.items() if value is not None or schema.allows_null(specs[name])}

    def _read(self, system: str, closed: tuple[str, ...]) -> tuple[Taxonomy, IntentModel | None]:
        taxonomy = read_taxonomy(system, closed, self._catalogue)
        examples = taxonomy.examples()
        return taxonomy, self._models.get(examples) if examples else None

    def _find(self, prompt: str, message: str, taxonomy: Taxonomy, model: IntentModel | None) -> _Findings:
        misuse, urgency = assess_misuse(message), self._rules.assess(message)
        language = identify(message, part(prompt, "language"))
        chosen = (part(prompt, "chosen_path") or "").strip()
        if model is None or not tokens(message):
            return _Findings(message, language, NONE, 0.0, 0.5, True, 0.5, NONE, None, misuse, urgency)
        prediction = model.predict(message)
        probabilities = _pulled(prediction.probabilities, message, parts(prompt, "example"))
        belongs, own = _belongs(chosen, taxonomy, model, probabilities, prediction)
        # What belongs to the chosen path is one of the path's own categories: the choice is evidence too.
        candidates = (taxonomy.on_path(chosen) & set(probabilities) if belongs else set()) or set(probabilities)
        category = min(candidates, key=lambda name: (-probabilities[name], name))
        probability = probabilities[category] * prediction.in_scope
        if prediction.in_scope < _MIN_SCOPE:
            category = NONE
        suggested = NONE if belongs or category == NONE else taxonomy.path_of(category)
        workflow = taxonomy.categories[category].workflow if category != NONE else None
        return _Findings(
            message,
            language,
            category,
            probability,
            prediction.in_scope,
            belongs,
            own,
            suggested,
            workflow,
            misuse,
            urgency,
        )


def _pulled(probabilities: Mapping[str, float], message: str, examples: Sequence[Element]) -> dict[str, float]:
    """Pull the classifier's probabilities towards categories whose retrieved examples are near the message."""
    nearest: dict[str, float] = {}
    vector = embed(message, _EMBEDDING_SIZE)
    for example in examples:
        category = example.attributes.get("category", "")
        if category in probabilities:
            near = sum(a * b for a, b in zip(vector, embed(example.text, _EMBEDDING_SIZE), strict=True))
            nearest[category] = max(nearest.get(category, 0.0), near)
    pulled = {
        name: probability * math.exp(_EXAMPLE_PULL * nearest.get(name, 0.0) ** 2)
        for name, probability in probabilities.items()
    }
    total = sum(pulled.values())
    return {name: value / total for name, value in pulled.items()}


def _belongs(
    chosen: str,
    taxonomy: Taxonomy,
    model: IntentModel,
    probabilities: Mapping[str, float],
    prediction: Prediction,
) -> tuple[bool, float]:
    """Whether the message belongs to the chosen path, and the probability that it does."""
    if chosen.lower() in _UNKNOWN_PATHS:
        return True, 0.5
    own = taxonomy.on_path(chosen)
    if not own:
        # A generic path such as "Other": it fits what fits nowhere else.
        best = max(probabilities.values()) * prediction.in_scope
        return best < _MIN_SCOPE, 1.0 - best
    share = sum(probabilities.get(name, 0.0) for name in own)
    probability = model.belonging(share * prediction.in_scope)
    return probability >= _MIN_BELONGS, probability


def _value(name: str, spec: schema.Schema, found: _Findings) -> Any:
    filler = _FILLERS.get(name)
    return filler(found, spec) if filler else fill_property(name, spec, found.message)


def _wants(found: _Findings, spec: schema.Schema) -> str:
    limit = spec.get("maxLength")
    return statement(found.message, found.language, int(limit) if isinstance(limit, int) else _WANTS_CHARS)


def _allowed(reasons: Sequence[str], spec: schema.Schema) -> list[str]:
    closed = schema.enum_values(spec)
    if not closed:
        return list(reasons)
    return [reason for reason in reasons if reason in closed]


def _workflow(found: _Findings, spec: schema.Schema) -> str | None:
    """The category's workflow, or the one of the closed set that is named like the category."""
    closed = [str(value) for value in schema.enum_values(spec) if value is not None]
    if found.category == NONE:
        return schema.choose([NONE], spec)
    if found.workflow and (not closed or found.workflow in closed):
        return found.workflow
    if found.category in closed:
        return found.category
    wanted = set(tokens(words_of(found.category)))
    named = [name for name in closed if name != NONE and set(tokens(words_of(name))) == wanted]
    return schema.choose([*named, NONE], spec)


def _evidence(found: _Findings) -> list[str]:
    """Short quotes, word for word: what is urgent or misuse first, else the sentence that says most."""
    quotes = [*found.misuse.evidence, *found.urgency.evidence]
    if not quotes:
        quotes = sorted(sentences(found.message), key=lambda s: -len(set(tokens(s))))[:1]
    kept: list[str] = []
    for quote in quotes:
        short = clip(quote, _EVIDENCE_CHARS)
        if short and short in found.message and short not in kept:
            kept.append(short)
    return kept[:3]


def _belonging(found: _Findings, _: schema.Schema) -> bool:
    return found.belongs


def _urgency(found: _Findings, spec: schema.Schema) -> float | int:
    return schema.fit_number(found.urgency.score, spec)


_FILLERS: Final[Mapping[str, Callable[[_Findings, schema.Schema], Any]]] = {
    "category": lambda found, spec: schema.choose([found.category, NONE], spec),
    "belongs_to_chosen_path": _belonging,
    "matches_chosen_path": _belonging,
    "in_scope_probability": lambda found, spec: schema.fit_number(found.in_scope, spec),
    "misuse_probability": lambda found, spec: schema.fit_number(found.misuse.score, spec),
    "belongs_probability": lambda found, spec: schema.fit_number(found.belongs_probability, spec),
    "suggested_path": lambda found, spec: schema.choose([found.suggested_path, NONE], spec),
    "misuse": lambda found, spec: schema.choose([found.misuse.kind, NONE], spec),
    "urgency": _urgency,
    "urgency_score": _urgency,
    "urgency_reasons": lambda found, spec: schema.fit_list(_allowed(found.urgency.reasons, spec), spec),
    "workflow": _workflow,
    "confidence": lambda found, spec: schema.fit_number(found.probability, spec),
    "evidence": lambda found, spec: schema.fit_list(_evidence(found), spec),
    "language": lambda found, spec: schema.choose([found.language, "unknown"], spec),
    "wants": _wants,
}
