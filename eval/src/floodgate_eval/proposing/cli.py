"""`floodgate catalogue propose`."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer
from floodgate.catalogue import Catalogue, load_catalogue
from floodgate.catalogue.loader import load_files
from floodgate.catalogue.source import UNFINISHED, read_files
from keyflow import FatalError
from rich.console import Console

from floodgate_eval.common import calm_logs
from floodgate_eval.endpoint import LOCAL
from floodgate_eval.proposing.draft import draft_files
from floodgate_eval.proposing.exports import read_export
from floodgate_eval.proposing.month import Month, last_month, replay
from floodgate_eval.proposing.page import write_page
from floodgate_eval.proposing.proposal import Proposal, mask, propose

_DEFAULT: Final = "catalogue"
_AUTO: Final = "auto"
REPORT: Final = "report.html"


def propose_command(
    export: Annotated[Path, typer.Option(help="Intercom export: .json, .jsonl or .csv, or a folder of them.")],
    *,
    out: Annotated[Path, typer.Option(help="Folder for the draft and its report; new or empty.")] = Path("proposed"),
    categories: Annotated[str, typer.Option(help="How many, or auto.")] = _AUTO,
    base: Annotated[
        Path | None,
        typer.Option(
            help="Whose urgency rules, replies and teams the draft takes over.  "
            "[default: FLOODGATE_CATALOGUE_DIR, else catalogue]"
        ),
    ] = None,
    catalogue: Annotated[
        Path | None, typer.Option(help="See last month by this catalogue in place of the draft.")
    ] = None,
    endpoint: Annotated[str, typer.Option(help="local, aws, configured, or an address.")] = LOCAL,
    most: Annotated[int, typer.Option(help="Messages of the last month that are screened; 0: none.", min=0)] = 500,
    path_attribute: Annotated[str, typer.Option(help="Attribute with the path of buttons.")] = "floodgate_path",
) -> None:
    """Propose categories from a team's own history, and show what last month would have looked like."""
    calm_logs(local=endpoint == LOCAL)
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    groups = _number(categories)
    _empty(out)
    folder = base or Path(os.environ.get("FLOODGATE_CATALOGUE_DIR", _DEFAULT))
    base_catalogue, base_files = load_catalogue(folder), read_files(folder)
    asked = read_export(export, path_attribute)
    console.print(f"{len(asked)} conversations; masking and grouping them")
    proposal = propose(mask(asked), base_catalogue.languages, groups)
    files = draft_files(proposal, base_catalogue, base_files, datetime.now(UTC).date())
    _write(out / "catalogue", files)
    month = None
    if most:
        shown = load_catalogue(catalogue) if catalogue else _readable(files)
        month = _month(proposal, shown, most, console, _Where(catalogue, endpoint))
    write_page(out / REPORT, proposal, month, by=str(catalogue) if catalogue else "the draft")
    marks = sum(text.count(UNFINISHED) for text in files.values())
    console.print(
        f"{len(proposal.categories)} categories in {out / 'catalogue'}, {marks} × {UNFINISHED} to be written."
    )
    console.print(f"Read {out / REPORT} first; then `floodgate catalogue lint {out / 'catalogue'}` names every place.")


@dataclass(frozen=True, slots=True)
class _Where:
    """By which catalogue last month is seen (None: the draft), and where the model is."""

    given: Path | None
    endpoint: str


def _readable(files: dict[str, str]) -> Catalogue:
    """The draft, its marks let be."""
    return load_files({name: text.encode() for name, text in files.items()}, unfinished=True)


def _month(proposal: Proposal, catalogue: Catalogue, most: int, console: Console, where: _Where) -> Month:
    name, messages = last_month(proposal.messages)
    chosen = messages[:: max(len(messages) // most, 1)][:most]
    console.print(f"screening {len(chosen)} of {len(messages)} messages of {name or 'the export'}")
    return asyncio.run(
        replay(
            name, chosen, catalogue, catalogue_dir=where.given, endpoint=where.endpoint,
            say=lambda text: console.print(text, markup=False),
        )
    )  # fmt: skip


def _number(written: str) -> int | None:
    if written == _AUTO:
        return None
    if not written.isdigit() or int(written) < 2:
        raise FatalError(f"--categories {written}: say auto, or a number of at least 2")
    return int(written)


def _empty(out: Path) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise FatalError(f"{out} is not empty: name another folder with --out")


def _write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
