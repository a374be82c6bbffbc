"""What can be wrong with an inbound document, in words that an operator or caller can act on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import ValidationError


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One member that is not as it should be.

    Attributes:
        field: Its place, as in `turns.0.role`.
        detail: What is wrong and what is expected; never the value itself.
    """

    field: str
    detail: str

    def __str__(self) -> str:
        return f"{self.field}: {self.detail}"


class DocumentError(ValueError):
    """A document that cannot be understood. Its text names members and positions, never customer text."""

    def __init__(self, problems: Sequence[FieldProblem]) -> None:
        super().__init__("; ".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


def document_error(field: str, detail: str) -> DocumentError:
    return DocumentError([FieldProblem(field, detail)])


def problems_of(error: ValidationError) -> list[FieldProblem]:
    """The problems of a pydantic error, without the values that it was given."""
    items = error.errors(include_input=False, include_url=False, include_context=False)
    places = [item["loc"] for item in items]
    return [
        FieldProblem(".".join(str(part) for part in item["loc"]) or "document", item["msg"])
        for item in items
        # A list whose items are wrong is told to be too short besides: that would only mislead.
        if item["type"] != "too_short" or not any(_is_within(place, item["loc"]) for place in places)
    ]


def _is_within(place: tuple[int | str, ...], outer: tuple[int | str, ...]) -> bool:
    return len(place) > len(outer) and place[: len(outer)] == outer
