"""One validation of the cascade, from rows or verdicts to findings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from floodgate.bedrock import ModelClient
from floodgate.catalogue import Catalogue, load_catalogue
from floodgate.events.times import now_ms
from keyflow import FatalError

from floodgate_eval.cascade import Observed, Trial, found, verdicts_of
from floodgate_eval.catalogues import Measured, own_catalogue, temporary_catalogue
from floodgate_eval.endpoint import model_at
from floodgate_eval.rows import OUT_OF_SCOPE, IntentRow, read_rows
from floodgate_eval.running import Progress, run_rows
from floodgate_eval.sampling import held_out, sample, shots

_CONCURRENCY: Final = 4
_MS_PER_HOUR: Final = 3_600_000


@dataclass(frozen=True, slots=True)
class Validation:
    """What to compare the local classifier with.

    Attributes:
        rows: Labelled by people; with an endpoint their labels only serve to read the file.
        verdicts: Of the live model; without files and with `since_hours` from the topic.
    """

    rows: tuple[Path, ...] = ()
    verdicts: tuple[Path, ...] = ()
    since_hours: float | None = None
    languages: tuple[str, ...] = ()
    examples: tuple[Path, ...] = ()
    endpoint: str | None = None
    max_error: float | None = None
    limit: int | None = None
    shots: int | None = None
    catalogue_dir: Path = Path("catalogue")


async def validate(asked: Validation, *, say: Callable[[str], None]) -> dict[str, Any]:
    """Run it.

    Raises:
        FatalError: A file, the topic or the endpoint cannot be used, or there is nothing to compare with.
        CatalogueError: The catalogue cannot be used.
    """
    if bool(asked.rows) == bool(asked.verdicts or asked.since_hours):
        raise FatalError("say what to compare with: --rows FILE, or --verdicts FILE, or --since HOURS")
    measured = _measured(asked)
    if asked.rows:
        against = f"the model at {asked.endpoint}" if asked.endpoint else "labels"
        observed = await _of_rows(asked, measured, say)
    else:
        against = "live verdicts"
        observed = _of_verdicts(asked, measured)
    kept = [one for one in observed if not asked.languages or one.language in asked.languages]
    if not kept:
        raise FatalError("no row is left to compare with: name other languages, or more rows")
    rules = measured.catalogue.cascade
    bar = asked.max_error or rules.max_error
    about = {"against": against, "catalogue": measured.catalogue.version}
    return about | found(kept, max_error=bar, audit_share=rules.audit_share, say=say)


def _measured(asked: Validation) -> Measured:
    if not asked.examples:
        return own_catalogue(asked.catalogue_dir)
    base: Catalogue | None = load_catalogue(asked.catalogue_dir) if asked.catalogue_dir.is_dir() else None
    return temporary_catalogue(shots(read_rows(asked.examples, IntentRow), asked.shots), base=base)


async def _of_rows(asked: Validation, measured: Measured, say: Callable[[str], None]) -> list[Observed]:
    rows = read_rows(asked.rows, IntentRow)
    texts = [
        IntentRow(text=text, intent=OUT_OF_SCOPE)
        for category in measured.catalogue.categories
        for kept in category.examples.values()
        for text in kept
    ]
    rows, left_out = held_out(rows, texts)
    if left_out:
        say(f"{left_out} rows are examples and are left out")
    rows = sample(rows, asked.limit)
    if asked.endpoint is None:
        trial = Trial(measured)
        return [trial.by_label(row) for row in rows]
    shown = None if measured.temporary else asked.catalogue_dir
    with model_at(
        asked.endpoint, measured, catalogue_dir=shown, model_id=None, concurrency=_CONCURRENCY, say=say
    ) as model:
        return await _asked(rows, measured, model)


async def _asked(rows: list[IntentRow], measured: Measured, model: ModelClient) -> list[Observed]:
    progress = Progress("cascade", len(rows), quiet=True)
    run = await run_rows(rows, Trial(measured, model).by_model, concurrency=_CONCURRENCY, progress=progress)
    return [one for _, one in run.done]


def _of_verdicts(asked: Validation, measured: Measured) -> list[Observed]:
    since_ms = None if asked.since_hours is None else now_ms() - round(asked.since_hours * _MS_PER_HOUR)
    trial = Trial(measured)
    kept = sample(list(verdicts_of(asked.verdicts, since_ms)), asked.limit)
    return [trial.by_verdict(verdict) for verdict in kept]
