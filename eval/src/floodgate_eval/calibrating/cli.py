"""`floodgate calibrate`: the feature record's judgements, fitted to what people say of labelled interactions."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final

import typer
import yaml
from floodgate.catalogue import load_catalogue
from floodgate.catalogue.calibration import FeatureCalibration
from floodgate_local.state import repository_root
from keyflow import FatalError
from rich.console import Console
from rich.table import Table

from floodgate_eval.calibrating.asking import Said, ask
from floodgate_eval.calibrating.fit import PARTS, fit
from floodgate_eval.calibrating.label import serve
from floodgate_eval.calibrating.page import render
from floodgate_eval.calibrating.validate import ALL, applied, cross_validated, figures, parts_that_help
from floodgate_eval.cli import ManyFiles
from floodgate_eval.common import calm_logs, own_catalogue_dir, say
from floodgate_eval.endpoint import LOCAL
from floodgate_eval.rows import FeaturesRow, read_rows
from floodgate_eval.sampling import SEED

app = typer.Typer(
    help="Fit the feature record's sentiment, urgency and satisfaction to what people say, by country and language.",
    no_args_is_help=True,
)
FILE: Final = "calibration.yaml"
_HEAD: Final = (
    "# Written by `floodgate calibrate fit`: plain numbers, applied after the model's answer. Their digest is part of\n"
    "# feature_set_version. Remove the file to go without.\n"
)
OWN_ROWS: Final = "eval/corpora/features_calibration.jsonl"
_NAMES: Final = ("sentiment_macro_f1", "urgency_mae", "csat_mae")


@app.command("fit", cls=ManyFiles, epilog="Example: floodgate calibrate fit --rows labelled.jsonl --write")
def fit_command(  # noqa: PLR0917 - typer reads the options off the signature
    rows: Annotated[
        list[Path] | None, typer.Option("--rows", help="Labelled interactions [default: the project's for fitting].")
    ] = None,
    test: Annotated[
        list[Path] | None, typer.Option("--test", help="Labelled interactions that are only judged on.")
    ] = None,
    write: Annotated[bool, typer.Option("--write", help=f"Write it to {FILE} of the catalogue.")] = False,
    html: Annotated[Path | None, typer.Option(help="Report with reliability plots.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures here.")] = None,
    endpoint: Annotated[str, typer.Option(help="local, aws, configured, or an address.")] = LOCAL,
    model: Annotated[str | None, typer.Option(help="Model, in place of the configured one.")] = None,
    concurrency: Annotated[int, typer.Option(min=1, max=256, help="Calls in flight.")] = 4,
    catalogue: Annotated[Path | None, typer.Option(help="[default: FLOODGATE_CATALOGUE_DIR, ./catalogue]")] = None,
    seed: Annotated[int, typer.Option(help="Of the folds.")] = SEED,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress.")] = False,
) -> None:
    """Fit a calibration, and show per language what it changes on rows that it was not fitted on.

    Each row is corrected by a calibration of the other four fifths. The numbers hold for one model and one prompt.
    """
    calm_logs(local=endpoint == LOCAL)
    folder = catalogue or own_catalogue_dir()
    put = partial(ask, catalogue_dir=folder, endpoint=endpoint, model_id=model, concurrency=concurrency, quiet=quiet,
                  say=partial(say, quiet=quiet))  # fmt: skip
    said = asyncio.run(put(read_rows(rows or [repository_root() / OWN_ROWS], FeaturesRow)))
    kept = parts_that_help(said.pairs, seed=seed)
    found = fit(said.pairs, model=_model_of(said), prompt=said.prompt, today=datetime.now(UTC).date(), parts=kept)
    compared = cross_validated(said.pairs, seed=seed, parts=kept)
    parts = [("Cross-validated on the rows that it is fitted on", compared, figures(compared))]
    if test:
        judged = applied(asyncio.run(put(read_rows(test, FeaturesRow))).pairs, found)
        parts.append(("Rows that took no part", judged, figures(judged)))
    about = f"{found.model}, {found.prompt}, version {found.version}, {sum(found.rows.values())} labelled interactions"
    for title, _, by_language in parts:
        _show(title, by_language)
    left = ", ".join(sorted(PARTS - kept))
    if left:
        say(f"left as the model says: {left}; on rows that took no part it got no better")
    if said.failed:
        say(f"{said.failed} interactions gave no valid record and took no part")
    _write_figures(json_file, found, {title: by_language for title, _, by_language in parts})
    if html is not None:
        html.parent.mkdir(parents=True, exist_ok=True)
        html.write_text(render(parts, about), encoding="utf-8")
    if write:
        (folder / FILE).write_text(_HEAD + as_yaml(found), encoding="utf-8")
        load_catalogue(folder)
        say(f"wrote {folder / FILE}, version {found.version}: publish it with `floodgate catalogue publish`")
    else:
        say("nothing was changed; --write keeps it in the catalogue")


@app.command("show")
def show_command(
    catalogue: Annotated[Path | None, typer.Option(help="[default: FLOODGATE_CATALOGUE_DIR, ./catalogue]")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show the catalogue's calibration."""
    found = load_catalogue(catalogue or own_catalogue_dir()).calibration
    if found is None:
        raise FatalError(f"the catalogue has no {FILE}: fit one with `floodgate calibrate fit --write`")
    typer.echo(json.dumps({"version": found.version, **found.model_dump(mode="json")}) if as_json else as_yaml(found))


@app.command("label")
def label_command(
    file: Annotated[Path, typer.Argument(help="Finished interactions as they are dropped into S3 (JSON Lines).")],
    out: Annotated[
        Path | None, typer.Option(help="Labelled rows are appended here [default: FILE.labels.jsonl].")
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="On loopback; 0: any that is free.")] = 0,
    catalogue: Annotated[Path | None, typer.Option(help="Whose topics and intents are offered.")] = None,
) -> None:
    """Open a page on this machine on which a person labels interactions one after the other; ends with Ctrl-C.

    Personal data is masked before it is shown, and what is written has the placeholders.
    """
    content = load_catalogue(catalogue or own_catalogue_dir())
    serve(
        file,
        out or file.with_suffix(".labels.jsonl"),
        topics=content.topics,
        intents=content.intents,
        port=port,
        say=say,
    )


def as_yaml(calibration: FeatureCalibration) -> str:
    """The file's text."""
    plain = calibration.model_dump(mode="json")
    return yaml.safe_dump(plain, sort_keys=False, default_flow_style=None, allow_unicode=True, width=110)


def _model_of(said: Said) -> str:
    if len(said.models) != 1:
        named = ", ".join(sorted(said.models)) or "nobody"
        raise FatalError(f"one model has to answer all rows, and these did: {named}; see the endpoint's log")
    return next(iter(said.models))


def _show(title: str, by_language: Mapping[str, Mapping[str, Any]]) -> None:
    table = Table("language", "rows", *(name.replace("_", " ") for name in _NAMES), title=title)
    for place, found in by_language.items():
        shown = (_change(found[name]) for name in _NAMES)
        table.add_row(place, str(found["n"]), *shown, style="bold" if place == ALL else None)
    Console().print(table)


def _change(pair: Sequence[float | None] | None) -> str:
    return "" if pair is None or None in pair else f"{pair[0]:.3f} → {pair[1]:.3f}"


def _write_figures(path: Path | None, found: FeatureCalibration, parts: Mapping[str, Any]) -> None:
    if path is not None:
        result = {"calibration": {"version": found.version, **found.model_dump(mode="json")}, "figures": parts}
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
