"""The tool `read_slots`: what a customer's answer says about the values that a workflow waits for."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any, Final

from floodgate_nlu import schema
from floodgate_nlu.patterns import PhraseMatcher
from floodgate_nlu.prompting import part, parts, user_text
from floodgate_nlu.resources import load_yaml, phrases
from floodgate_nlu.slot_values import (
    find_amount,
    find_choice,
    find_date,
    find_email,
    find_integer,
    find_reference,
    find_yes_no,
    plain_answer,
)
from floodgate_nlu.text import squeeze, tokens
from floodgate_nlu.types import ModelCall, ToolSpec

_COMMAND: Final = "command"
_CHOICES: Final = re.compile(r"(?:;|choices?\s*:|one of\s*:?)\s*(.+)$", re.IGNORECASE)
_TODAY: Final = re.compile(r"(\d{4})-(\d{2})-(\d{2})")


@dataclass(frozen=True, slots=True)
class _Slot:
    name: str
    type: str
    description: str
    choices: tuple[str, ...]


@cache
def _commands() -> PhraseMatcher[str]:
    data = load_yaml("slots.yaml")
    return PhraseMatcher([(phrase, kind) for kind in ("human", "cancel", "correct") for phrase in phrases(data[kind])])


@cache
def _cancel_words() -> frozenset[str]:
    return frozenset(token for word in phrases(load_yaml("slots.yaml")["cancel_alone"]) for token in tokens(word))


@cache
def _question_words() -> frozenset[str]:
    return frozenset(token for word in phrases(load_yaml("slots.yaml")["question"]) for token in tokens(word))


def read_slots(call: ModelCall, tool: ToolSpec) -> dict[str, Any]:
    """Fill one property per slot, null when absent, and the command."""
    prompt = user_text(call)
    message = part(prompt, "customer_message") or ""
    specs = {name: schema.resolve(spec, tool.schema) for name, spec in schema.properties(tool.schema).items()}
    declared = {slot.name: slot for slot in _declared(prompt)}
    wanted = [declared.get(name) or _from_schema(name, spec) for name, spec in specs.items() if name != _COMMAND]
    today = _today(prompt)
    only = len(wanted) == 1
    values: dict[str, Any] = {
        slot.name: _fit(_value(slot, message, today, only=only), specs[slot.name]) for slot in wanted
    }
    if _COMMAND in specs:
        values[_COMMAND] = schema.choose([_command(message, values), "none"], specs[_COMMAND])
    return values


def _declared(prompt: str) -> list[_Slot]:
    found: list[_Slot] = []
    for element in parts(prompt, "slot"):
        name = element.attributes.get("name")
        if name:
            choices = element.attributes.get("choices") or _written_choices(element.text)
            found.append(
                _Slot(name, element.attributes.get("type", "text"), element.text, tuple(_split_choices(choices)))
            )
    return found


def _written_choices(description: str) -> str:
    found = _CHOICES.search(description)
    return found.group(1) if found else ""


def _split_choices(written: str) -> list[str]:
    written = re.sub(r"^(?:choices?|one of)\s*:?\s*", "", written.strip(), flags=re.IGNORECASE)
    return [squeeze(choice) for choice in re.split(r"[,|;]", written) if choice.strip()]


def _from_schema(name: str, spec: Mapping[str, Any]) -> _Slot:
    choices = tuple(str(value) for value in schema.enum_values(spec) if value is not None)
    kind = (
        "choice"
        if choices
        else {"boolean": "yes_no", "number": "amount", "integer": "amount"}.get(
            schema.type_of(spec), _type_by_name(name, str(spec.get("format", "")))
        )
    )
    return _Slot(name, kind, str(spec.get("description", "")), choices)


def _type_by_name(name: str, written_format: str) -> str:
    lowered = f"{name} {written_format}".lower()
    for marker, kind in (("mail", "email"), ("date", "date"), ("order", "order_number"), ("number", "order_number")):
        if marker in lowered:
            return kind
    return "text"


def _today(prompt: str) -> date | None:
    found = _TODAY.search(part(prompt, "today") or "")
    return date(int(found[1]), int(found[2]), int(found[3])) if found else None


def _value(slot: _Slot, message: str, today: date | None, *, only: bool) -> Any:
    readers: dict[str, Callable[[], Any]] = {
        "order_number": lambda: find_reference(message),
        "email": lambda: find_email(message),
        "date": lambda: find_date(message, today),
        "integer": lambda: find_integer(message),
        "amount": lambda: find_amount(message, bare_number=only),
        "yes_no": lambda: find_yes_no(message),
        "choice": lambda: find_choice(message, slot.choices),
    }
    return readers.get(slot.type, lambda: _free_text(message, only=only))()


def _free_text(message: str, *, only: bool) -> str | None:
    """Free text is taken as the answer only where nothing else was asked and no command is given."""
    return plain_answer(message) if only and _spoken_command(message) is None else None


def _fit(value: Any, spec: Mapping[str, Any]) -> Any:
    """The value in the type that the schema asks for."""
    if value is None:
        return None
    wanted = schema.type_of(spec)
    if isinstance(value, bool):
        return value if wanted == "boolean" else _boolean_word(value, spec)
    if isinstance(value, int | float):
        if wanted in {"number", "integer"}:
            return schema.fit_number(float(value), spec)
        return str(value) if isinstance(value, int) else f"{value:.2f}"
    closed = schema.enum_values(spec)
    if closed and value not in closed:
        return None
    return schema.fit_string(str(value), spec)


def _boolean_word(value: bool, spec: Mapping[str, Any]) -> str:
    return schema.choose(["yes", "true"] if value else ["no", "false"], spec) or ("yes" if value else "no")


def _spoken_command(message: str) -> str | None:
    words = tokens(message)
    found = {match.label for match in _commands().find(words)}
    for command in ("human", "cancel", "correct"):
        if command in found:
            return command
    if 0 < len(words) <= 2 and set(words) & _cancel_words():
        return "cancel"
    return None


def _command(message: str, values: Mapping[str, Any]) -> str:
    answered = any(value is not None for value in values.values())
    spoken = _spoken_command(message)
    if spoken == "correct":
        return "correct" if answered else "none"
    if spoken:
        return spoken
    if answered:
        return "answer"
    return "question" if _is_question(message) else "none"


def _is_question(message: str) -> bool:
    words: Sequence[str] = tokens(message)
    return "?" in message or (len(words) >= 3 and words[0] in _question_words())
