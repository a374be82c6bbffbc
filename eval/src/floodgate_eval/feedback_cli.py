"""`floodgate eval from-feedback`: judgements of the running system, or of files, as rows of an evaluation set."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

from floodgate.catalogue import CatalogueIndex, load_catalogue
from floodgate.events import Feedback, Verdict, edge_event_id
from floodgate.events.generated import AvroModel
from floodgate.events.serde import AvroSerde
from floodgate.events.times import from_ms, now_ms
from floodgate.settings import KafkaSettings, RegistrySettings, load
from keyflow import FatalError, PoisonMessageError
from keyflow.reading import committed_records
from pydantic import ValidationError

from floodgate_eval.feedback import Rows, rows_of
from floodgate_eval.rows import Task

FEEDBACK: Final = "support.feedback"
VERDICTS: Final = "support.verdicts"
_REMEDY: Final = "run `floodgate setup`, or name files with --feedback and --verdicts"

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
    judged = [_judgement(place, row) for place, row in _json_rows(feedback)] if feedback else _topic(FEEDBACK, Feedback)
    known = (
        [_record(place, row, Verdict) for place, row in _json_rows(verdicts)] if verdicts else _topic(VERDICTS, Verdict)
    )
    return rows_of(judged, known, index, task)


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
        shape = '{"conversation_id": "intercom:1", "label": "wrong_path", "should_be": "tickets/refund"}'
        remedy = f"write {shape}" if model is Feedback else "write one verdict as support.verdicts carries it"
        raise FatalError(f"{place}: {member}: {what}; {remedy}") from error


def _json_rows(paths: Sequence[Path]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path in paths:
        try:
            lines = path.read_text(encoding="utf-8-sig").split("\n")
        except OSError as error:
            raise FatalError(f"{path}: {error.strerror}; name a JSON Lines file") from error
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as error:
                raise FatalError(f"{path}:{number}: is not JSON; write one object per line") from error
            if not isinstance(row, dict):
                raise FatalError(f"{path}:{number}: is not an object; write one object per line")
            yield f"{path}:{number}", row


def _topic(topic: str, model: type[M]) -> list[M]:
    settings, serde = load(KafkaSettings), AvroSerde(load(RegistrySettings).url)
    client = {
        **settings.client,
        "bootstrap.servers": settings.bootstrap_servers,
        "group.id": f"{settings.group_prefix}eval",  # never committed to
    }
    found: list[M] = []
    for message in committed_records(client, topic, remedy=_REMEDY):
        value = message.value()
        if value is None:
            continue
        try:
            record = serde.decode(topic, value)
        except PoisonMessageError:
            continue  # what cannot be read is in the dead letters of the services
        if isinstance(record, model):
            found.append(record)
    return found
