"""`floodgate mode show | set`: how far automation may go, everywhere or in one category."""

from __future__ import annotations

import asyncio
import getpass
import json
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Table

from floodgate.catalogue.models import Catalogue
from floodgate.catalogue.opening import open_catalogue
from floodgate.events import ModeChange, SwitchMode
from floodgate.mode_switch import read_modes, write_mode
from floodgate.modes import EVERYTHING, SETTABLE, Modes
from floodgate.settings import CatalogueSettings, load

app = typer.Typer(help="How far automation may go, while services run.", no_args_is_help=True)

ALL: Final = "all"
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def show(*, as_json: AsJson = False) -> None:
    """Show what the catalogue allows, what limits it, and what holds."""
    catalogue, modes = open_catalogue(load(CatalogueSettings)).catalogue, read_modes()
    rows = [_row(catalogue, category.id, modes) for category in catalogue.categories]
    everywhere = modes.changes.get(EVERYTHING)
    if as_json:
        limit = None if everywhere is None else _told(everywhere)
        typer.echo(json.dumps({"everything": limit, "categories": rows}, ensure_ascii=False, indent=2))
        return
    console = Console()
    console.print("Everything: " + ("no limit" if everywhere is None else _line(everywhere)), markup=False)
    table = Table("category", "catalogue", "limit", "holds")
    for row in rows:
        shown = "" if row["limit"] is None else f"{row['limit']['mode']} ({row['limit']['reason']})"
        table.add_row(row["category"], row["catalogue"], shown, row["holds"])
    console.print(table)


@app.command("set")
def set_command(
    target: Annotated[str, typer.Argument(help='A category of the catalogue, or "all".')],
    mode: Annotated[SwitchMode, typer.Argument(help=f"{', '.join(SETTABLE)}; on lifts the limit.")],
    *,
    reason: Annotated[str, typer.Option(help="Why; kept in the audit and shown with the limit.")],
    as_json: AsJson = False,
) -> None:
    """Set the most that automation may do from now on: it holds within seconds, without a restart."""
    catalogue = open_catalogue(load(CatalogueSettings)).catalogue
    known = {category.id for category in catalogue.categories}
    if target != ALL and target not in known:
        raise typer.BadParameter(f"there is no category {target!r}; there are {ALL}, {', '.join(sorted(known))}")
    try:
        change = asyncio.run(write_mode(EVERYTHING if target == ALL else target, mode, getpass.getuser(), reason))
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    if as_json:
        typer.echo(json.dumps(_told(change), ensure_ascii=False, indent=2))
    else:
        typer.echo(f"{target}: {_line(change)}")


def _row(catalogue: Catalogue, identifier: str, modes: Modes) -> dict[str, Any]:
    category = next(category for category in catalogue.categories if category.id == identifier)
    own = modes.changes.get(identifier)
    holds = "observe" if modes.observes(identifier) else modes.automation(category).value
    stated = "never" if category.never_automate else category.automation.value
    limit = None if own is None or own.mode is SwitchMode.ON else _told(own)
    return {"category": identifier, "catalogue": stated, "limit": limit, "holds": holds}


def _told(change: ModeChange) -> dict[str, str]:
    return {
        "mode": change.mode.value,
        "actor": change.actor,
        "reason": change.reason,
        "at": change.occurred_at.isoformat(timespec="seconds"),
    }


def _line(change: ModeChange) -> str:
    if change.mode is SwitchMode.ON:
        return f"no limit since {change.occurred_at:%Y-%m-%d %H:%M} UTC ({change.actor}: {change.reason})"
    return f"at most {change.mode} since {change.occurred_at:%Y-%m-%d %H:%M} UTC ({change.actor}: {change.reason})"
