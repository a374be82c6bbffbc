"""Rows that reviewers settled become examples of the catalogue, after their effect has been seen."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml
from floodgate.catalogue import Catalogue, inspect_catalogue
from floodgate.catalogue.checks import MAX_EXAMPLE_LENGTH
from keyflow import FatalError

from floodgate_eval.catalogues import Measured, own_catalogue
from floodgate_eval.evaluate import Request, evaluate
from floodgate_eval.rows import OUT_OF_SCOPE, IntentRow

Additions = Mapping[tuple[str, str], Sequence[str]]
"""New examples by category and language."""

_FIGURES: Final = ("accuracy", "macro_f1", "in_scope_accuracy", "auroc", "calibration_error")


@dataclass(frozen=True, slots=True)
class Effect:
    """An evaluation before and after.

    Attributes:
        additions: What would be added.
        left_out: Rows that cannot be examples, by reason.
    """

    additions: Additions
    left_out: Mapping[str, int]
    before: Mapping[str, Any]
    after: Mapping[str, Any]

    def lines(self) -> list[str]:
        """For people: what would be added, and how every figure would change."""
        said = [f"+ {len(texts)} in {category} ({language})" for (category, language), texts in self.additions.items()]
        said += [f"left out: {count} ({reason})" for reason, count in self.left_out.items()]
        for name in _FIGURES:
            if name in self.before and name in self.after:
                old, new = self.before[name], self.after[name]
                said.append(f"{name:20} {old:.3f} -> {new:.3f} ({new - old:+.3f})")
        return said


def additions_of(
    rows: Sequence[IntentRow], catalogue: Catalogue
) -> tuple[dict[tuple[str, str], list[str]], dict[str, int]]:
    """The examples that rows would add, and why the others add none."""
    categories = {category.id: category for category in catalogue.categories}
    known = {_folded(text) for category in catalogue.categories for kept in category.examples.values() for text in kept}
    found: dict[tuple[str, str], list[str]] = {}
    left_out: dict[str, int] = {}
    for row in rows:
        reason = _unfit(row, categories, catalogue.languages, known)
        if reason:
            left_out[reason] = left_out.get(reason, 0) + 1
            continue
        known.add(_folded(row.text))
        found.setdefault((row.intent, str(row.lang)), []).append(" ".join(row.text.split()))
    return dict(sorted(found.items())), left_out


def _unfit(row: IntentRow, categories: Mapping[str, Any], languages: Sequence[str], known: set[str]) -> str:
    if row.intent == OUT_OF_SCOPE or row.intent not in categories:
        return "no category of the catalogue"
    if row.lang not in languages:
        return "no served language"
    if len(row.text) > MAX_EXAMPLE_LENGTH:
        return f"longer than {MAX_EXAMPLE_LENGTH} characters"
    return "already an example" if _folded(row.text) in known else ""


async def effect_of(rows: Sequence[IntentRow], request: Request, *, say: Callable[[str], None]) -> Effect:
    """Evaluate with the catalogue as it is and with the rows as examples; nothing is changed.

    Args:
        rows: What reviewers settled.
        request: The evaluation, without examples; rows that would be examples are not tested.
        say: Shown to whoever waits.

    Raises:
        FatalError: A file, a setting or the endpoint cannot be used, or no row adds anything.
    """
    measured = own_catalogue(request.catalogue_dir)
    additions, left_out = additions_of(rows, measured.catalogue)
    if not additions:
        raise FatalError(f"no row adds an example: {left_out}")
    added = [
        IntentRow(text=text, intent=category, lang=lang)
        for (category, lang), texts in additions.items()
        for text in texts
    ]
    before = await evaluate(request, say=say, measured=measured, untested=added)
    grown = Measured(with_examples(measured.catalogue, additions), measured.ids, temporary=True)
    after = await evaluate(request, say=say, measured=grown, untested=added)
    return Effect(additions, left_out, before, after)


def with_examples(catalogue: Catalogue, additions: Additions) -> Catalogue:
    """The catalogue with further examples."""
    categories = []
    for category in catalogue.categories:
        examples = dict(category.examples)
        for (identifier, language), texts in additions.items():
            if identifier == category.id:
                examples[language] = (*examples.get(language, ()), *texts)
        categories.append(category.model_copy(update={"examples": examples}))
    return catalogue.model_copy(update={"categories": tuple(categories), "version": f"{catalogue.version}+"})


def write_examples(directory: Path, additions: Additions) -> list[Path]:
    """Append the examples to the category files, every other line as it was; undone where the result is not valid.

    Raises:
        FatalError: A category's file is not found or the catalogue would not be valid; nothing is changed then.
    """
    before: dict[Path, str] = {}
    try:
        for (category, language), texts in additions.items():
            path = directory / "categories" / f"{category}.yaml"
            if not path.is_file():
                raise FatalError(f"{path} is not there: add the examples of {category!r} by hand")
            text = path.read_text(encoding="utf-8")
            before.setdefault(path, text)
            path.write_text(inserted(text, language, texts), encoding="utf-8")
        errors = inspect_catalogue(directory).errors
        if errors:
            raise FatalError(f"the catalogue would not be valid: {errors[0]}")
    except FatalError:
        for path, text in before.items():
            path.write_text(text, encoding="utf-8")
        raise
    return sorted(before)


def inserted(text: str, language: str, examples: Sequence[str]) -> str:
    """A category's file with examples behind the last one of a language.

    Raises:
        FatalError: It has no examples in that language.
    """
    node = _examples_in(text, language)
    if node is None or not node.value or node.flow_style:
        raise FatalError(f"no list of examples in {language!r}, one per line: add the examples by hand")
    last = node.value[-1]
    lines = text.split("\n")
    indent = lines[last.start_mark.line][: last.start_mark.column].split("-")[0]
    # A plain scalar's end is behind it; that of a block is the line after it.
    at = last.end_mark.line + (1 if last.end_mark.column else 0)
    new = [f"{indent}- {json.dumps(example, ensure_ascii=False)}" for example in examples]
    return "\n".join([*lines[:at], *new, *lines[at:]])


def _examples_in(text: str, language: str) -> yaml.SequenceNode | None:
    node: Any = yaml.compose(text)
    for name in ("examples", language):
        if not isinstance(node, yaml.MappingNode):
            return None
        node = next((value for key, value in node.value if key.value == name), None)
    return node if isinstance(node, yaml.SequenceNode) else None


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())
