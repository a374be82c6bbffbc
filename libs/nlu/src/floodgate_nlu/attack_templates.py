"""The project's own training sentences for the injection detector."""

from collections.abc import Collection, Iterator
from itertools import cycle, islice, product
from string import Formatter
from typing import Any, Final

from floodgate_nlu.resources import load_yaml

_EVERY_NTH: Final = 73
# They are few beside the public messages, and the only ones in most languages.
_HARMLESS_COPIES: Final = 6
_GRAMMAR_COPIES: Final = 2
# Fillings of neighbouring rows differ in every place, and the same each time: strides without a common divisor.
_STRIDES: Final = (1, 3, 7, 11)
TEMPLATES: Final = "template"
GRAMMAR: Final = "grammar"
SUPPORT: Final = "support"


def attacks(without: Collection[str] = ()) -> list[str]:
    """Attack sentences of all families but those named."""
    return [text for family, texts in attack_families().items() if family not in without for text in texts]


def attack_families() -> dict[str, list[str]]:
    """Attack sentences by family, all languages together."""
    table = load_yaml("attack_templates.yaml")["attacks"]
    families = {TEMPLATES: [*table["other"], *_english_templates(table)], GRAMMAR: list(_grammar("attack_tasks.yaml"))}
    families[SUPPORT] = list(_grammar("attack_support.yaml"))
    families[TEMPLATES] += [text for own in _languages().values() for text in _filled_in(own)]
    for own in load_yaml("attack_families.yaml").values():
        for family, texts in own.items():
            families.setdefault(family, []).extend(texts)
    return families


def _english_templates(table: dict[str, list[str]]) -> Iterator[str]:
    """The templates filled in: a fixed share of all combinations."""
    yield from (f"{_capital(goal)}." for goal in table["goal"])
    combinations = product(table["templates"], table["goal"], table["what"], table["role"])
    for template, goal, what, role in islice(combinations, 0, None, _EVERY_NTH):
        yield template.format(goal=goal, Goal=_capital(goal), what=what, role=role)


def _grammar(name: str) -> Iterator[str]:
    """The sentences of a grammar: every template filled in so often as it says."""
    grammar = load_yaml(name)
    for template in grammar["templates"]:
        names = [name for _, name, _, _ in Formatter().parse(template["text"]) if name]
        for number in range(template["times"]):
            yield _capital(template["text"].format(**_fillings(names, grammar["lists"], number)))


def _fillings(names: list[str], lists: dict[str, list[str]], number: int) -> dict[str, str]:
    return {
        name: lists[name][number * stride % len(lists[name])]
        for name, stride in zip(names, cycle(_STRIDES), strict=False)
    }


def _languages() -> dict[str, dict[str, list[str]]]:
    tables: dict[str, dict[str, list[str]]] = load_yaml("attack_languages.yaml")
    return tables


def _filled_in(table: dict[str, list[str]]) -> list[str]:
    """Every goal in every template, with the other fillings taken in turn."""
    filled = [f"{_capital(goal)}." for goal in table["goal"]]
    for number, (template, goal) in enumerate(product(table["templates"], table["goal"])):
        what, role = table["what"][number % len(table["what"])], table["role"][number % len(table["role"])]
        filled.append(template.format(goal=goal, what=what, role=role))
    return filled


def harmless() -> list[str]:
    """Harmless sentences full of the attacks' words, and the project's ordinary subjects."""
    sentences: list[str] = list(load_yaml("attack_templates.yaml")["harmless"])
    sentences += [text for table in _languages().values() for text in table["harmless"]]
    for name in ("ordinary_messages.yaml", "ordinary_orders.yaml"):
        sentences += [text for texts in load_yaml(name).values() for text in texts]
    return sentences * _HARMLESS_COPIES + list(_grammar("ordinary_support.yaml")) * _GRAMMAR_COPIES


def ordinary_by_language() -> dict[str, list[str]]:
    """The project's own sentences of customers, with the harmless and the attacking ones, per language."""
    table: dict[str, list[str]] = {code: list(texts) for code, texts in load_yaml("ordinary_messages.yaml").items()}
    for code, texts in _languages().items():
        table.setdefault(code, []).extend([*texts["harmless"], *texts["goal"]])
    return table


def _capital(text: Any) -> str:
    return str(text)[:1].upper() + str(text)[1:]
