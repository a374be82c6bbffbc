"""One evaluation from files to figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from floodgate.catalogue import Catalogue, load_catalogue
from keyflow import FatalError

from floodgate_eval.catalogues import Measured, own_catalogue, temporary_catalogue
from floodgate_eval.endpoint import LOCAL, model_at
from floodgate_eval.feature_columns import with_taxonomy
from floodgate_eval.recording import ReplayingModel
from floodgate_eval.results import result_of
from floodgate_eval.rows import (
    OUT_OF_SCOPE,
    ROW_MODELS,
    FeaturesRow,
    IntentRow,
    MatchRow,
    Row,
    Task,
    UrgencyRow,
    read_rows,
)
from floodgate_eval.sampling import SEED, held_out, sample, shots
from floodgate_eval.tasks import Plan, ask

_FREE_REPEATS: Final = 5
_LOCAL_CONCURRENCY: Final = 4
_CONCURRENCY: Final = 16


@dataclass(frozen=True, slots=True)
class Request:
    """What to measure, and how.

    Attributes:
        concurrency: Calls in flight; None: what suits the endpoint.
        repeats: How often a sample is asked; None: five times where it is free, else once.
        catalogue_dir: The own catalogue; with examples only its urgency rules, languages and templates count.
    """

    task: Task
    test: tuple[Path, ...]
    examples: tuple[Path, ...] = ()
    limit: int | None = None
    shots: int | None = None
    seed: int = SEED
    endpoint: str = LOCAL
    model_id: str | None = None
    concurrency: int | None = None
    repeats: int | None = None
    declared: bool = False
    catalogue_dir: Path = Path("catalogue")
    quiet: bool = False


async def evaluate(
    request: Request,
    *,
    say: Callable[[str], None],
    measured: Measured | None = None,
    untested: Sequence[IntentRow] = (),
) -> dict[str, Any]:
    """Run one evaluation.

    Args:
        request: What to measure.
        say: Shown to whoever waits.
        measured: The catalogue, in place of the one that the request names.
        untested: Texts that the test leaves out besides the examples.

    Raises:
        FatalError: A file, a setting or the endpoint cannot be used.
        CatalogueError: The own catalogue cannot be used.
    """
    rows = read_rows(request.test, ROW_MODELS[request.task])
    examples = read_rows(request.examples, IntentRow) if request.examples else []
    examples = shots(examples, request.shots, request.seed)
    rows, left_out = held_out(rows, [*examples, *untested])
    if left_out:
        say(f"{left_out} rows are examples and are left out of the test")
    if not rows:
        raise FatalError("every row of the test is an example: name other files, or fewer examples with --shots")
    rows = sample(rows, request.limit, request.seed)
    measured = measured or _measured(request, rows, examples)
    if measured.without_examples:
        named = ", ".join(measured.without_examples[:5])
        say(f"{len(measured.without_examples)} labels have no examples, only their names: {named}")
    free = request.endpoint == LOCAL
    repeats = request.repeats or (_FREE_REPEATS if free else 1)
    _warn_of_unlearned(rows, examples, say)
    concurrency = request.concurrency or (_LOCAL_CONCURRENCY if free else _CONCURRENCY)
    plan = Plan(concurrency, repeats, request.declared, request.quiet, free=free)
    shown = None if measured.temporary else request.catalogue_dir
    if request.task is Task.PRIVACY:
        # No model takes part in masking.
        asked = await ask(request.task, rows, measured, ReplayingModel(), plan)
    else:
        with model_at(
            request.endpoint, measured, catalogue_dir=shown, model_id=request.model_id,
            concurrency=concurrency, say=say,
        ) as model:  # fmt: skip
            asked = await ask(request.task, rows, measured, model, plan)
    return result_of(request.task, asked, _about(request, plan, measured, len(examples)))


def _warn_of_unlearned(rows: Sequence[Row], examples: Sequence[IntentRow], say: Callable[[str], None]) -> None:
    """Labels of the test that no example has can never be right; they are not put into the catalogue, as that leaks."""
    learned = {row.intent for row in examples} | {OUT_OF_SCOPE}
    unlearned = sorted({row.intent for row in rows if isinstance(row, IntentRow)} - learned) if examples else []
    if unlearned:
        say(f"{len(unlearned)} labels of the test have no examples and cannot be right: {', '.join(unlearned[:5])}")


def _measured(request: Request, rows: Sequence[Row], examples: Sequence[IntentRow]) -> Measured:
    directory = request.catalogue_dir
    if examples:
        return temporary_catalogue(examples, _labels(rows), base=_base(directory))
    measured = own_catalogue(directory)
    if request.task is Task.FEATURES:
        return with_taxonomy(measured, [row.labels for row in rows if isinstance(row, FeaturesRow)])
    _check_labels(request, rows, measured)
    return measured


def _base(directory: Path) -> Catalogue | None:
    return load_catalogue(directory) if directory.is_dir() else None


def _labels(rows: Sequence[Row]) -> list[str]:
    """Labels that rows name as chosen: they are categories, with or without examples."""
    return [row.chosen_category for row in rows if isinstance(row, (MatchRow, UrgencyRow)) and row.chosen_category]


def _check_labels(request: Request, rows: Sequence[Row], measured: Measured) -> None:
    named = [row.intent for row in rows if isinstance(row, IntentRow)]
    if request.task is Task.MATCH:
        named = _labels(rows)
    known = {*measured.ids, OUT_OF_SCOPE, *(path.id for path in measured.catalogue.paths)}
    unknown = sorted({label for label in named if label not in known})
    if unknown:
        raise FatalError(
            f"{', '.join(map(str, request.test))}: {unknown[0]!r} (and {len(unknown) - 1} more) is no category of "
            f"{request.catalogue_dir}: give the categories' examples with --examples FILE"
        )


def _about(request: Request, plan: Plan, measured: Measured, examples: int) -> dict[str, Any]:
    return {
        "endpoint": request.endpoint,
        "catalogue": {
            "version": measured.catalogue.version,
            "temporary": measured.temporary,
            "categories": len(measured.catalogue.categories),
            "examples": examples,
        },
        "test": [str(path) for path in request.test],
        "settings": {
            "limit": request.limit,
            "shots": request.shots,
            "seed": request.seed,
            "concurrency": plan.concurrency,
            "declared_language": request.declared,
        },
    }
