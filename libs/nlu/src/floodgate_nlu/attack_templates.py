"""The project's own training sentences for the injection detector."""

from itertools import product

from floodgate_nlu.resources import load_yaml

_EVERY_NTH = 7


def attacks() -> list[str]:
    """Attack sentences: the templates filled in (a fixed share of all combinations) and single sentences."""
    table = load_yaml("attack_templates.yaml")["attacks"]
    filled: list[str] = list(table["other"]) + [f"{_capital(goal)}." for goal in table["goal"]]
    combinations = product(table["templates"], table["goal"], table["what"], table["role"])
    for number, (template, goal, what, role) in enumerate(combinations):
        if number % (_EVERY_NTH * 10 + 3) == 0:
            filled.append(template.format(goal=goal, Goal=_capital(goal), what=what, role=role))
    return filled + [text for table in _languages().values() for text in _filled_in(table)]


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
    sentences += [text for texts in load_yaml("ordinary_messages.yaml").values() for text in texts]
    return sentences * 3


def ordinary_by_language() -> dict[str, list[str]]:
    """The project's own sentences of customers, with the harmless and the attacking ones, per language."""
    table: dict[str, list[str]] = {code: list(texts) for code, texts in load_yaml("ordinary_messages.yaml").items()}
    for code, texts in _languages().items():
        table.setdefault(code, []).extend([*texts["harmless"], *texts["goal"]])
    return table


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
