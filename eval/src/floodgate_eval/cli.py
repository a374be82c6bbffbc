"""`floodgate eval`: what the services decide, measured through their own code."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from floodgate_local.state import repository_root
from typer.core import TyperCommand

from floodgate_eval.airline.cli import hold_airline
from floodgate_eval.cascade_run import Validation, validate
from floodgate_eval.common import calm_logs, own_catalogue_dir, say
from floodgate_eval.endpoint import LOCAL
from floodgate_eval.evaluate import Request, evaluate
from floodgate_eval.feedback_cli import rows_from_feedback
from floodgate_eval.gate_cli import Gate, run_gate
from floodgate_eval.promote import effect_of, write_examples
from floodgate_eval.report import write_report
from floodgate_eval.rows import IntentRow, Task, read_rows
from floodgate_eval.view import show

app = typer.Typer(
    help="Measure what the services decide, through their own code, against any model.", no_args_is_help=True
)
app.command("airline", epilog="Example: floodgate eval airline --tasks tau2_airline/tasks.jsonl")(hold_airline)

_MANY: Final = frozenset({"--test", "--examples", "--feedback", "--verdicts", "--rows"})


class ManyFiles(TyperCommand):
    """Lets `--test` and its like take several files after one another, as a shell expands them."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Give every further file its own option before click sees them."""
        return super().parse_args(ctx, spread(args))


def spread(arguments: Sequence[str]) -> list[str]:
    """`--test a b` as `--test a --test b`."""
    spread_out: list[str] = []
    option, taken = "", 0
    for argument in arguments:
        if argument.startswith("-"):
            option, taken = (argument if argument in _MANY else ""), 0
        elif option:
            taken += 1
            if taken > 1:
                spread_out.append(option)
        spread_out.append(argument)
    return spread_out


Test = Annotated[list[Path], typer.Option("--test", help="JSON Lines file(s) to be measured on.")]
Examples = Annotated[
    list[Path] | None,
    typer.Option("--examples", help='{"text", "intent"} rows that make a temporary catalogue; else the own one.'),
]
Json = Annotated[Path | None, typer.Option("--json", help="Write the result here; else to standard output.")]
Html = Annotated[Path | None, typer.Option("--html", help="Write a report with plots here.")]
Limit = Annotated[int | None, typer.Option(min=1, help="A seeded sample of at most so many rows.")]
Shots = Annotated[int | None, typer.Option(min=1, help="At most so many examples a label and language, seeded.")]
Seed = Annotated[int, typer.Option(help="Of the samples.")]
Endpoint = Annotated[
    str, typer.Option(help="local (starts and stops the local server), aws, or the address of a Bedrock endpoint.")
]
Model = Annotated[str | None, typer.Option(help="Model or inference profile, in place of the configured one.")]
Concurrency = Annotated[
    int | None, typer.Option(min=1, max=256, help="Calls in flight (local: 4, which two cores keep busy; else: 16).")
]
Repeats = Annotated[
    int | None,
    typer.Option(min=1, max=20, help="Ask 50 of the rows so often: do the answers agree? (local: 5, else: 1)"),
]
Declared = Annotated[
    bool, typer.Option("--declared-language", help="Give each row's lang as the one that the channel declares.")
]
OwnCatalogue = Annotated[
    Path | None, typer.Option("--catalogue", help="The own catalogue (default: FLOODGATE_CATALOGUE_DIR, ./catalogue).")
]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress.")]

_ABOUT: Final[dict[Task, str]] = {
    Task.INTENT: "Which category a message belongs to, and whether any does.",
    Task.MATCH: "Whether a message belongs to the path that was chosen.",
    Task.INJECTION: "Whether a message gives orders to the system.",
    Task.SENTIMENT: "The customer's sentiment in the feature record.",
    Task.URGENCY: "Whether a message has to be seen by a human at once.",
    Task.PRIVACY: "Whether personal data is masked, and nothing else is.",
    Task.SUMMARY: "Summaries against those of people, and what they say without support.",
    Task.FEATURES: "Whole feature records of labelled interactions; the file's topics and intents are the taxonomy.",
}
_EPILOGS: Final[dict[Task, str]] = {
    Task.INTENT: "floodgate eval intent --test test.jsonl --examples train.jsonl --shots 10 --json out.json",
    Task.MATCH: "floodgate eval match --test pairs.jsonl --examples train.jsonl --limit 1000 --html out.html",
    Task.INJECTION: "floodgate eval injection --test attacks.jsonl benign.jsonl --json out.json",
    Task.SENTIMENT: "floodgate eval sentiment --test de.jsonl fr.jsonl --repeats 5",
    Task.URGENCY: "floodgate eval urgency --test urgent.jsonl --examples train.jsonl --json out.json",
    Task.PRIVACY: "floodgate eval privacy --test spans.jsonl --declared-language",
    Task.FEATURES: "floodgate eval features --test labelled.jsonl --json out.json --html out.html",
    Task.SUMMARY: "MAX_USD=1 floodgate eval summary --test talks.jsonl --endpoint aws --model eu.amazon.nova-pro-v1:0",
}


def _command(task: Task) -> Callable[..., None]:
    def command(  # noqa: PLR0917 - typer reads the options off the signature
        test: Test,
        examples: Examples = None,
        json_file: Json = None,
        html: Html = None,
        limit: Limit = None,
        shots: Shots = None,
        seed: Seed = 20261122,
        endpoint: Endpoint = LOCAL,
        model: Model = None,
        concurrency: Concurrency = None,
        repeats: Repeats = None,
        declared_language: Declared = False,
        catalogue: OwnCatalogue = None,
        quiet: Quiet = False,
    ) -> None:
        calm_logs(local=endpoint == LOCAL)
        request = Request(
            task=task, test=tuple(test), examples=tuple(examples or ()), limit=limit, shots=shots, seed=seed,
            endpoint=endpoint, model_id=model, concurrency=concurrency,
            repeats=repeats,
            declared=declared_language, catalogue_dir=catalogue or own_catalogue_dir(), quiet=quiet,
        )  # fmt: skip
        result = asyncio.run(evaluate(request, say=partial(say, quiet=quiet)))
        _hand_out(result, json_file, html, quiet=quiet)

    command.__doc__ = _ABOUT[task]
    return command


for _task in Task:
    app.command(_task.value, cls=ManyFiles, epilog=f"Example: {_EPILOGS[_task]}")(_command(_task))


@app.command("gate", epilog="Example: floodgate eval gate --baseline eval/baseline.json --html eval-report.html")
def gate(  # noqa: PLR0917 - typer reads the options off the signature
    baseline: Annotated[Path, typer.Option(help="What to compare with.")] = repository_root() / "eval/baseline.json",
    suites: Annotated[Path, typer.Option(help="What to measure.")] = repository_root() / "eval/suites.yaml",
    only: Annotated[list[str] | None, typer.Option(help="Only suites whose name begins so; may stand twice.")] = None,
    update: Annotated[bool, typer.Option("--update", help="Write the figures as the new baseline.")] = False,
    html: Annotated[Path | None, typer.Option(help="The report.")] = repository_root() / ".floodgate/eval-report.html",
    json_file: Json = None,
    endpoint: Endpoint = LOCAL,
    model: Model = None,
    concurrency: Concurrency = None,
    repeats: Repeats = None,
    catalogue: OwnCatalogue = None,
    quiet: Quiet = False,
) -> None:
    """Measure every suite and compare with the baseline: exit code 1 on a real drop."""
    calm_logs(local=endpoint == LOCAL)
    like = Request(
        task=Task.INTENT, test=(), endpoint=endpoint, model_id=model, concurrency=concurrency,
            repeats=repeats,
        catalogue_dir=catalogue or own_catalogue_dir(), quiet=quiet,
    )  # fmt: skip
    files = Gate(suites, baseline, html, json_file, tuple(only or ()), update)
    passed = run_gate(files, like, say=partial(say, quiet=quiet))
    if html is not None:
        say(f"report: {html}", quiet=quiet)
    raise typer.Exit(0 if passed else 1)


@app.command("from-feedback", cls=ManyFiles, epilog="Example: floodgate eval from-feedback --out judged.jsonl")
def from_feedback(
    out: Annotated[Path, typer.Option(help="Rows are written here.")],
    feedback: Annotated[
        list[Path] | None, typer.Option(help="Judgements as JSON Lines; without any, the topic support.feedback.")
    ] = None,
    verdicts: Annotated[
        list[Path] | None, typer.Option(help="Verdicts as JSON Lines; without any, the topic support.verdicts.")
    ] = None,
    task: Annotated[Task, typer.Option(help="intent or match.")] = Task.INTENT,
    catalogue: OwnCatalogue = None,
) -> None:
    """Turn reviewers' judgements ("ok", "wrong path") into rows of an evaluation set, without personal data."""
    if task not in {Task.INTENT, Task.MATCH}:
        raise typer.BadParameter("judgements are about paths: say intent or match", param_hint="--task")
    found = rows_from_feedback(
        feedback or (), verdicts or (), catalogue_dir=catalogue or own_catalogue_dir(), task=task
    )
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in found.rows)
    out.write_text("".join(lines), encoding="utf-8")
    say(f"wrote {len(found.rows)} rows to {out}")
    for reason, count in sorted(found.skipped.items()):
        say(f"left out: {count} ({reason})")


@app.command("promote", cls=ManyFiles, epilog="Example: floodgate eval promote --rows judged.jsonl --write")
def promote(  # noqa: PLR0917 - typer reads the options off the signature
    rows: Annotated[list[Path], typer.Option(help='{"text", "intent", "lang"} rows that become examples.')],
    test: Annotated[
        list[Path] | None, typer.Option("--test", help="What to evaluate on (default: eval/corpora/intent.jsonl).")
    ] = None,
    write: Annotated[bool, typer.Option("--write", help="Append the examples to the catalogue afterwards.")] = False,
    limit: Limit = None,
    endpoint: Endpoint = LOCAL,
    model: Model = None,
    catalogue: OwnCatalogue = None,
) -> None:
    """Show what judged rows would change as examples of the catalogue; change it only with --write."""
    calm_logs(local=endpoint == LOCAL)
    directory = catalogue or own_catalogue_dir()
    request = Request(
        task=Task.INTENT, test=tuple(test or (repository_root() / "eval/corpora/intent.jsonl",)), limit=limit,
        endpoint=endpoint, model_id=model, catalogue_dir=directory,
    )  # fmt: skip
    judged = read_rows(rows, IntentRow)
    effect = asyncio.run(effect_of(judged, request, say=say))
    typer.echo("\n".join(effect.lines()))
    if not write:
        typer.echo("nothing was changed; --write appends them")
        return
    for path in write_examples(directory, effect.additions):
        typer.echo(f"wrote {path}")


@app.command("cascade", cls=ManyFiles, epilog="Example: floodgate eval cascade --rows labelled.jsonl --language en")
def cascade(  # noqa: PLR0917 - typer reads the options off the signature
    rows: Annotated[
        list[Path] | None, typer.Option(help='{"text", "intent", "lang"} rows, labelled by people.')
    ] = None,
    verdicts: Annotated[list[Path] | None, typer.Option(help="Verdicts as JSON Lines: against the live model.")] = None,
    since: Annotated[
        float | None, typer.Option(min=0.1, help="Hours back in support.verdicts: against the live model.")
    ] = None,
    language: Annotated[list[str] | None, typer.Option(help="Only these; may stand twice.")] = None,
    examples: Examples = None,
    endpoint: Annotated[
        str | None, typer.Option(help="Ask this model about --rows, in place of their labels: local, aws, an address.")
    ] = None,
    max_error: Annotated[
        float | None, typer.Option(min=0.001, max=0.5, help="The bar (default: the catalogue's cascade.max_error).")
    ] = None,
    limit: Limit = None,
    shots: Shots = None,
    json_file: Json = None,
    catalogue: OwnCatalogue = None,
) -> None:
    """Whether the local classifier may answer alone, per language: its share, its error, the threshold, the money."""
    calm_logs(local=True)
    asked = Validation(
        rows=tuple(rows or ()), verdicts=tuple(verdicts or ()), since_hours=since, languages=tuple(language or ()),
        examples=tuple(examples or ()), endpoint=endpoint, max_error=max_error, limit=limit, shots=shots,
        catalogue_dir=catalogue or own_catalogue_dir(),
    )  # fmt: skip
    result = asyncio.run(validate(asked, say=say))
    text = json.dumps(result, ensure_ascii=False, indent=2) + "\n"
    typer.echo(text, nl=False) if json_file is None else json_file.write_text(text, encoding="utf-8")


def _hand_out(result: dict[str, Any], json_file: Path | None, html: Path | None, *, quiet: bool) -> None:
    text = json.dumps(result, ensure_ascii=False, indent=2) + "\n"
    if json_file is None:
        typer.echo(text, nl=False)
    else:
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.write_text(text, encoding="utf-8")
    if not quiet:
        show(result)
    if html is not None:
        write_report(html, [result])
    if result["stopped"]:
        say(f"stopped early, so the figures are over {result['n']} rows: {result['stopped']}")
        raise typer.Exit(1)
