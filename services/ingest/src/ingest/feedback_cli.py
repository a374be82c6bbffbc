"""`floodgate feedback`: what reviewers say of verdicts, from a file or by hand."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final
from uuid import UUID

import typer
from floodgate.catalogue import CatalogueIndex
from floodgate.catalogue.opening import open_catalogue
from floodgate.events import Feedback, FeedbackLabel, Pseudonyms
from floodgate.events.ids import REVIEWERS
from floodgate.events.serde import AvroSerde
from floodgate.feedback import TOPIC, give, judgement, path_named
from floodgate.json_lines import json_objects
from floodgate.service import EventProducer
from floodgate.settings import CatalogueSettings, KafkaSettings, PrivacySettings, RegistrySettings, load
from keyflow.errors import FatalError, RetryableError
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from ingest.bootstrap import utc_now

_SHAPE: Final = '{"conversation_id": "intercom:1", "label": "wrong_path", "should_be": "tickets/refund"}'
_AT_ONCE: Final = 500

app = typer.Typer(no_args_is_help=True, help="What reviewers say of verdicts: right, or where it should have gone.")


class JudgementRow(BaseModel):
    """One line of a file of judgements."""

    model_config = ConfigDict(extra="ignore")

    conversation_id: str
    label: FeedbackLabel
    should_be: str | None = None
    reviewer: str = Field(default="", description="Whoever judged; kept as a pseudonym.")
    occurred_at: AwareDatetime | None = None
    causation_id: UUID | None = Field(default=None, description="Event id of the verdict.")


@app.callback()
def feedback_group() -> None:
    """Bring in what reviewers say of verdicts. Intercom's tags come in by themselves (docs/intercom.md)."""


@app.command("import")
def import_files(
    files: Annotated[list[Path], typer.Argument(help=f"JSON Lines: {_SHAPE}")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read and check only.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Write the judgements of some files to support.feedback: all of them, or none when a row is wrong."""
    found = judgements(files, _index(), _pseudonyms(), utc_now())
    if not dry_run:
        asyncio.run(_give(found))
    counts = Counter(one.label.value for one in found)
    if as_json:
        typer.echo(json.dumps({"judgements": len(found), "written": not dry_run, **counts}))
        return
    shown = ", ".join(f"{count} {label}" for label, count in counts.items())
    typer.echo(f"{len(found)} judgements ({shown}) {'are right; nothing was written' if dry_run else 'written'}")


@app.command("give")
def give_one(
    conversation_id: Annotated[str, typer.Argument(help="Such as intercom:123.")],
    should_be: Annotated[
        str | None, typer.Option("--should-be", help="Path or category where it should have gone; else it is right.")
    ] = None,
    verdict: Annotated[
        UUID | None, typer.Option("--verdict", help="Event id of the verdict; else that on the opening message.")
    ] = None,
    reviewer: Annotated[str, typer.Option(help="Who says so; kept as a pseudonym.")] = "",
) -> None:
    """Say that one conversation's verdict was right, or where it should have gone."""
    row = JudgementRow(
        conversation_id=conversation_id,
        label=FeedbackLabel.WRONG_PATH if should_be else FeedbackLabel.OK,
        should_be=should_be,
        reviewer=reviewer,
        occurred_at=utc_now(),
        causation_id=verdict,
    )
    try:
        found = _judgement(row, _index(), _pseudonyms(), utc_now())
    except ValueError as error:
        raise FatalError(str(error)) from error
    asyncio.run(_give([found]))
    typer.echo(f"{found.conversation_id}: {found.label.value} {found.should_be or ''}".rstrip())


def judgements(files: Sequence[Path], index: CatalogueIndex, pseudonyms: Pseudonyms, now: datetime) -> list[Feedback]:
    """The judgements of some files.

    Raises:
        FatalError: A file cannot be read, or a row is wrong: file, line, what, and the remedy.
    """
    found = [_checked(place, row, index, pseudonyms, now) for place, row in json_objects(files, _SHAPE)]
    if not found:
        raise FatalError(f"{', '.join(map(str, files))}: no rows; write one JSON object per line: {_SHAPE}")
    return found


def _checked(place: str, row: dict[str, Any], index: CatalogueIndex, pseudonyms: Pseudonyms, now: datetime) -> Feedback:
    try:
        return _judgement(JudgementRow.model_validate_json(json.dumps(row)), index, pseudonyms, now)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        what = "is missing" if first["type"] == "missing" else first["msg"]
        raise FatalError(f"{place}: {'.'.join(map(str, first['loc']))}: {what}; write {_SHAPE}") from error
    except ValueError as error:
        raise FatalError(f"{place}: {error}; write {_SHAPE}") from error


def _judgement(row: JudgementRow, index: CatalogueIndex, pseudonyms: Pseudonyms, now: datetime) -> Feedback:
    return judgement(
        row.conversation_id,
        row.label,
        source="file",
        at=row.occurred_at or now,
        should_be=path_named(row.should_be, index) if row.should_be else None,
        verdict_id=row.causation_id,
        reviewer=pseudonyms.contact_id(REVIEWERS, row.reviewer) if row.reviewer else "",
        # A file without times that is brought in twice is the same feedback.
        repeatable=row.occurred_at is not None,
    )


async def _give(found: Sequence[Feedback]) -> None:
    serde = AvroSerde(load(RegistrySettings))
    await asyncio.to_thread(serde.prepare, [TOPIC])
    producer = EventProducer(load(KafkaSettings), serde)
    try:
        for start in range(0, len(found), _AT_ONCE):
            await asyncio.gather(*(give(producer, one) for one in found[start : start + _AT_ONCE]))
    except RetryableError as error:
        raise FatalError(f"{error}; run the same command again, what is written already is the same event") from error
    finally:
        await producer.close()


def _index() -> CatalogueIndex:
    return CatalogueIndex(open_catalogue(load(CatalogueSettings)).catalogue)


def _pseudonyms() -> Pseudonyms:
    try:
        return Pseudonyms(load(PrivacySettings).pseudonym_key.get_secret_value().encode())
    except ValueError as error:
        raise FatalError(str(error)) from error
