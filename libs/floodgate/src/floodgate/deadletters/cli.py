"""`floodgate dlq`: list, show and redrive dead letters."""

from __future__ import annotations

import asyncio
import getpass
import json
import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from keyflow.errors import FatalError
from rich.console import Console
from rich.table import Table

from floodgate.deadletters.correcting import corrected_value
from floodgate.deadletters.decisions import Decision, LedgerEntry, decide, number
from floodgate.deadletters.masking import description
from floodgate.deadletters.reading import Letters
from floodgate.deadletters.redrive import Redriver
from floodgate.deadletters.rehearsing import rehearsed, told
from floodgate.events import DeadLetter
from floodgate.events.serde import AvroSerde
from floodgate.settings import KafkaSettings, RegistrySettings, load
from floodgate.telemetry import configure_logging

app = typer.Typer(help="Records that could not be processed: look, fix, send back.", no_args_is_help=True)
_console = Console(soft_wrap=True)
_errors = Console(stderr=True, soft_wrap=True)

ServiceOption = Annotated[str | None, typer.Option("--service", help="Only those of one service.")]
ClassOption = Annotated[str | None, typer.Option("--error-class", help="Only those of one class, such as poison.")]
JsonOption = Annotated[bool, typer.Option("--json", help="As JSON.")]


@app.command("list")
def list_letters(
    service: ServiceOption = None,
    error_class: ClassOption = None,
    limit: Annotated[int, typer.Option(min=1, help="The newest so many.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """List dead letters, the newest last. Payloads are not shown."""
    letters, _ = _open()
    ledger = letters.ledger()
    found = _select(letters.all(), service=service, error_class=error_class)[-limit:]
    if as_json:
        typer.echo(json.dumps([_summary(letter, ledger) for letter in found], indent=2))
    else:
        _console.print(_table(found, ledger))
    _warn_unreadable(letters)


@app.command()
def show(
    event_id: Annotated[str, typer.Argument(help="Event id of the dead letter; its beginning is enough.")],
    unmask: Annotated[
        bool, typer.Option("--unmask", help="Show the payload as it stood. This is written to support.audit.")
    ] = False,
    reason: Annotated[str, typer.Option(help="Why; kept in the audit.")] = "",
) -> None:
    """Show one dead letter. Texts of the payload are masked."""
    letters, redriver = _open()
    letter = _one(letters.all(), event_id)
    if unmask:
        redriver.audit("unmask", letter.event_id, reason)
    facts = description(letter, _serde(), unmask=unmask)
    decision = decide(letter, letters.ledger())
    facts["redrive"] = f"to {decision.topic}" if decision.topic else decision.refusal
    typer.echo(json.dumps(facts, indent=2, ensure_ascii=False))


@app.command()
def redrive(
    event_ids: Annotated[list[str] | None, typer.Argument(help="Event ids; beginnings are enough.")] = None,
    *,
    service: ServiceOption = None,
    error_class: ClassOption = None,
    everything: Annotated[bool, typer.Option("--all", help="All of --service that did not go back yet.")] = False,
    value: Annotated[
        Path | None,
        typer.Option("--value", metavar="FILE", help="A corrected record (JSON) in place of the one letter's."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would go back; send nothing. See also `rehearse`.")
    ] = False,
    reason: Annotated[str, typer.Option(help="Why; kept in the ledger and in the audit.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Send dead letters back to the service that failed; none goes back twice."""
    letters, redriver = _open()
    chosen = _choose(letters.all(), event_ids or [], service, error_class, everything=everything)
    corrected = None if value is None else _corrected(chosen, value, everything=everything)
    if dry_run:
        result = redriver.plan(chosen, corrected=corrected)
    else:
        result = redriver.redrive(chosen, reason=reason, corrected=corrected)
    kept = [decision for decision in result.kept if not (everything and decision.done_before)]
    _tell(result.sent, kept, "would go back" if dry_run else "went back", as_json=as_json, dry_run=dry_run)
    if kept and not everything:
        raise typer.Exit(1)


@app.command()
def discard(
    event_ids: Annotated[list[str], typer.Argument(help="Event ids; beginnings are enough.")],
    *,
    reason: Annotated[str, typer.Option(help="Why; kept in the ledger and in the audit.")],
    as_json: JsonOption = False,
) -> None:
    """Give dead letters up: they never go back, and a key that is parked behind one goes on without it."""
    letters, redriver = _open()
    result = redriver.discard(_choose(letters.all(), event_ids, None, None, everything=False), reason=reason)
    _tell(result.sent, result.kept, "given up", as_json=as_json)
    if result.kept:
        raise typer.Exit(1)


@app.command("rehearse")
def rehearse_letter(
    event_id: Annotated[str, typer.Argument(help="Event id of the dead letter; its beginning is enough.")],
    *,
    value: Annotated[
        Path | None, typer.Option("--value", metavar="FILE", help="A corrected record (JSON) in place of the letter's.")
    ] = None,
    unmask: Annotated[
        bool, typer.Option("--unmask", help="Show payloads as they would be written. This is written to support.audit.")
    ] = False,
    reason: Annotated[str, typer.Option(help="Why; kept in the audit.")] = "",
) -> None:
    """Run today's handler on a dead letter and say what would happen; nothing is committed, written or done outside.

    What the handler itself asks for, it asks for: a call of a Bedrock model costs money, and look-ups in a shop or an
    index are made. The letter stays where it is, and the ledger does not know of it.
    """
    configure_logging("dlq")
    # What the engine would log of a dead letter or a retry has not happened.
    logging.getLogger("keyflow").setLevel(logging.CRITICAL)
    letters, redriver = _open()
    letter = _one(letters.all(), event_id)
    corrected = None if value is None else _corrected([letter], value, everything=False)
    rehearsal = asyncio.run(rehearsed(letter, load(KafkaSettings), corrected=corrected))
    if unmask:
        redriver.audit("unmask", letter.event_id, reason)
    facts = {"event_id": str(letter.event_id), "service": letter.service, **told(rehearsal, unmask=unmask)}
    typer.echo(json.dumps(facts, indent=2, ensure_ascii=False, default=str))
    if rehearsal.failure is not None:
        raise typer.Exit(1)


def _open() -> tuple[Letters, Redriver]:
    settings, serde = load(KafkaSettings), _serde()
    letters = Letters(settings, serde)
    return letters, Redriver(settings, serde, letters, now=lambda: datetime.now(UTC), actor=getpass.getuser())


def _serde() -> AvroSerde:
    return AvroSerde(load(RegistrySettings))


def _select(letters: Sequence[DeadLetter], *, service: str | None, error_class: str | None) -> list[DeadLetter]:
    return [
        letter for letter in letters if service in (None, letter.service) and error_class in (None, letter.error_class)
    ]


def _choose(
    letters: Sequence[DeadLetter],
    event_ids: Sequence[str],
    service: str | None,
    error_class: str | None,
    *,
    everything: bool,
) -> list[DeadLetter]:
    """What the command line names.

    Raises:
        FatalError: It names nothing, or two things at once.
    """
    if bool(event_ids) == everything:
        raise FatalError("name event ids, or use --service NAME --all")
    if everything and service is None:
        raise FatalError("--all needs --service: letters go back to one service at a time")
    if everything:
        return _select(letters, service=service, error_class=error_class)
    return [_one(letters, event_id) for event_id in dict.fromkeys(event_ids)]


def _corrected(chosen: Sequence[DeadLetter], path: Path, *, everything: bool) -> bytes:
    """The corrected record of the one chosen letter.

    Raises:
        FatalError: More than one letter is chosen, or the file does not hold a record that fits.
    """
    if everything or len(chosen) != 1:
        raise FatalError("--value corrects one letter: name one event id")
    try:
        text = path.read_bytes()
    except OSError as error:
        raise FatalError(f"{path}: {error.strerror}") from error
    try:
        return corrected_value(chosen[0], text, _serde())
    except FatalError as error:
        raise FatalError(f"{path}: {error}") from error


def _one(letters: Sequence[DeadLetter], event_id: str) -> DeadLetter:
    """The letter whose id begins so.

    Raises:
        FatalError: There is none, or more than one.
    """
    found = [letter for letter in letters if str(letter.event_id).startswith(event_id.lower())]
    if len(found) != 1:
        said = "no dead letter" if not found else f"{len(found)} dead letters"
        raise FatalError(f"{said} with an event id that begins with {event_id!r}; see `floodgate dlq list`")
    return found[0]


def _summary(letter: DeadLetter, ledger: dict[str, LedgerEntry]) -> dict[str, str | int | None]:
    entry = ledger.get(str(letter.event_id))
    return {
        "event_id": str(letter.event_id),
        "occurred_at": letter.occurred_at.isoformat(),
        "service": letter.service,
        "error_class": letter.error_class,
        "error_type": letter.error_type,
        "origin": _origin(letter),
        "reason": letter.reason,
        "attempts": letter.attempts,
        "parked_number": number(letter),
        "state": entry.action if entry else "open",
    }


def _table(letters: Sequence[DeadLetter], ledger: dict[str, LedgerEntry]) -> Table:
    table = Table("event id", "when (UTC)", "service", "class", "from", "reason", "state")
    for letter in letters:
        entry = ledger.get(str(letter.event_id))
        table.add_row(
            str(letter.event_id)[:13],
            letter.occurred_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S"),
            letter.service,
            letter.error_class if number(letter) is None else f"{letter.error_class} #{number(letter)}",
            _origin(letter),
            letter.reason,
            entry.action if entry else "open",
        )
    return table


def _origin(letter: DeadLetter) -> str:
    if letter.origin_partition >= 0:
        return f"{letter.origin_topic}/{letter.origin_partition}/{letter.origin_offset}"
    return f"{letter.origin_topic}:{letter.origin_offset}" if letter.origin_offset >= 0 else letter.origin_topic


def _tell(
    sent: Sequence[Decision], kept: Sequence[Decision], verb: str, *, as_json: bool, dry_run: bool = False
) -> None:
    if as_json:
        typer.echo(json.dumps([_outcome(decision, dry_run=dry_run) for decision in (*sent, *kept)], indent=2))
        return
    for decision in (*sent, *kept):
        _console.print(_line(decision, dry_run=dry_run), markup=False, highlight=False)
    _console.print(f"{len(sent)} {verb}, {len(kept)} stayed.", highlight=False)


def _outcome(decision: Decision, *, dry_run: bool) -> dict[str, str]:
    done = "discarded" if decision.given_up else "would_redrive" if dry_run else "redriven"
    return {
        "event_id": str(decision.letter.event_id),
        "outcome": "kept" if decision.stays else done,
        "topic": decision.topic or "",
        "why": decision.refusal,
    }


def _line(decision: Decision, *, dry_run: bool) -> str:
    if decision.stays:
        return f"{decision.letter.event_id}: stays: {decision.refusal}"
    if decision.given_up:
        return f"{decision.letter.event_id}: given up{', its key goes on without it' if decision.topic else ''}"
    return f"{decision.letter.event_id}: {'would go' if dry_run else 'went'} to {decision.topic}"


def _warn_unreadable(letters: Letters) -> None:
    if letters.unreadable:
        _errors.print(f"{letters.unreadable} records of support.dead-letters could not be read as dead letters.")
