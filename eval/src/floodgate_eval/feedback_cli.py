"""`floodgate eval from-feedback`: judgements of the running system, or of files, as rows of an evaluation set."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

from floodgate.catalogue import CatalogueIndex, load_catalogue
from floodgate.committed import CommittedRecords
from floodgate.events import Feedback, Verdict, edge_event_id
from floodgate.events.generated import AvroModel
from floodgate.events.times import from_ms, now_ms
from floodgate.json_lines import json_objects
from keyflow import FatalError
from pydantic import ValidationError

from floodgate_eval.feedback import Rows, rows_of
from floodgate_eval.rows import Task

FEEDBACK: Final = "support.feedback"
VERDICTS: Final = "support.verdicts"
_REMEDY: Final = "run `floodgate setup`, or name files with --feedback and --verdicts"

_JUDGEMENT_SHAPE: Final = '{"conversation_id": "intercom:1", "label": "wrong_path", "should_be": "tickets/refund"}'
_VERDICT_SHAPE: Final = "one verdict as support.verdicts carries it"

M = TypeVar("M", bound=AvroModel)


def rows_from_feedback(feedback: Sequence[Path], verdicts: Sequence[Path], *, catalogue_dir: Path, task: Task) -> Rows:
    """The rows that reviewers' judgements give.

    Args:
        feedback: JSON Lines files of judgements; from `support.feedback` without any.
        verdicts: JSON Lines files of verdicts; from `support.verdicts` without any.
        catalogue_dir: The catalogue, for the category of a path.
        task: `intent` or `match`.

    Raises:
        FatalError: A file or a topic cannot be read, or a row is wrong.
        CatalogueError: The catalogue cannot be used.
    """
    index = CatalogueIndex(load_catalogue(catalogue_dir))
    return rows_of(_judgements(feedback), _verdicts(verdicts), index, task)


def _judgements(paths: Sequence[Path]) -> list[Feedback]:
    if paths:
        return [_judgement(place, row) for place, row in json_objects(paths, _JUDGEMENT_SHAPE)]
    return _of_topic(FEEDBACK, Feedback)


def _verdicts(paths: Sequence[Path]) -> list[Verdict]:
    if paths:
        return [_record(place, row, Verdict) for place, row in json_objects(paths, _VERDICT_SHAPE)]
    return _of_topic(VERDICTS, Verdict)


def _of_topic(topic: str, model: type[M]) -> list[M]:
    return [record for _, _, record in CommittedRecords(_REMEDY, "eval").of(topic) if isinstance(record, model)]


def _judgement(place: str, row: dict[str, Any]) -> Feedback:
    """A row of a file needs conversation_id and label; what else a record holds is filled in."""
    filled = {
        "event_id": str(edge_event_id("eval:feedback", place)),
        "occurred_at": from_ms(now_ms()).isoformat(),
        "source": "file",
        **row,
    }
    return _record(place, filled, Feedback)


def _record(place: str, row: dict[str, Any], model: type[M]) -> M:
    try:
        return model.model_validate_json(json.dumps(row))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        member = ".".join(map(str, first["loc"]))
        what = "is missing" if first["type"] == "missing" else first["msg"]
        shape = _JUDGEMENT_SHAPE if model is Feedback else _VERDICT_SHAPE
        raise FatalError(f"{place}: {member}: {what}; write {shape}") from error
