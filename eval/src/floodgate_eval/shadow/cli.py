"""`floodgate shadow`: what a change would do, seen on yesterday's topics before it is switched on."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from floodgate.cli.durations import parse_duration
from floodgate.events.times import now_ms
from floodgate_local.state import repository_root

from floodgate_eval.common import calm_logs, own_catalogue_dir, say
from floodgate_eval.endpoint import CONFIGURED
from floodgate_eval.evaluate import Request
from floodgate_eval.gate_cli import show_findings
from floodgate_eval.rows import Task
from floodgate_eval.running import INTERRUPTED
from floodgate_eval.shadow import of_agent, of_firewall, of_summarizer
from floodgate_eval.shadow.changing import advice, evaluated, shadowed
from floodgate_eval.shadow.conditions import broken, parse_condition
from floodgate_eval.shadow.harness import Comparison, compare
from floodgate_eval.shadow.history import DEFAULT_LOOKBACK_SECONDS, History, Window, from_files, from_topics, kept
from floodgate_eval.shadow.of_agent import AgentSubject
from floodgate_eval.shadow.of_firewall import FirewallSubject
from floodgate_eval.shadow.of_summarizer import SummarizerSubject
from floodgate_eval.shadow.page import write_page
from floodgate_eval.shadow.taken import Subject
from floodgate_eval.shadow.versions import Changes, candidate, live_version
from floodgate_eval.shadow.view import show
from floodgate_eval.suites import read_suites

app = typer.Typer(
    help="Run a changed version over yesterday's topics, without effects: which decisions would change.",
    no_args_is_help=True,
)
_EXIT_INTERRUPTED: Final = 130


@app.callback()
def shadow_group() -> None:
    """See what a change would do before it is switched on. Reads committed topics; writes and does nothing."""


Since = Annotated[str, typer.Option(help="How far back: 30m, 24h, 7d.")]
From = Annotated[datetime | None, typer.Option("--from", help="From when (UTC), in place of --since.")]
To = Annotated[datetime | None, typer.Option("--to", help="To when (UTC); else until now.")]
Files = Annotated[list[Path] | None, typer.Option("--file", help="Records that --keep wrote, in place of the topics.")]
CatalogueOption = Annotated[
    str | None, typer.Option("--catalogue", help="A folder, or the beginning of a published version, to try.")
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="min_confidence=0.5, CATEGORY.automate_confidence=0.8, COUNTRY.urgent=0.6, CATEGORY.automation=off",
    ),
]
Model = Annotated[str | None, typer.Option(help="Model or inference profile to try.")]
Prompt = Annotated[str | None, typer.Option(help="A prompt file to try, or the name of one of the service's.")]
Baseline = Annotated[
    str | None, typer.Option(help="recorded: compare with what was decided; rerun: run the live version again too.")
]
Limit = Annotated[int | None, typer.Option(min=1, help="The newest so many conversations.")]
Sample = Annotated[bool, typer.Option("--sample", help="With --limit: a seeded sample in place of the newest.")]
Lookback = Annotated[str, typer.Option(help="How far before the time a conversation is followed to its beginning.")]
Endpoint = Annotated[str, typer.Option(help="configured (as the services), local, aws, or an address.")]
Concurrency = Annotated[int | None, typer.Option(min=1, max=256, help="Conversations at a time (16; local: 4).")]
FailIf = Annotated[
    list[str] | None, typer.Option(help="Exit code 2 when it holds: urgent_lost>0, changed>5%, cost_ratio>1.2.")
]
Unmask = Annotated[bool, typer.Option("--unmask", help="Show messages, with placeholders for personal data.")]
Keep = Annotated[
    Path | None, typer.Option(help="Keep the records that were read here for --file, as customers wrote them.")
]
Json = Annotated[Path | None, typer.Option("--json", help="Write the result here.")]
Html = Annotated[Path | None, typer.Option("--html", help="Write a report here.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress.")]


_SUBJECTS: Final[Mapping[str, tuple[Callable[[], Subject], str, str]]] = {
    "firewall": (FirewallSubject, of_firewall.PROMPTS, "What would be decided otherwise about messages."),
    "agent": (AgentSubject, of_agent.PROMPTS, "Which step, act, reply or hand-over workflows would come to instead."),
    "summarizer": (SummarizerSubject, of_summarizer.PROMPTS, "What would be read out of interactions instead."),
}
_EXAMPLES: Final = {
    "firewall": "floodgate shadow firewall --set min_confidence=0.6 --fail-if 'urgent_lost>0'",
    "agent": "floodgate shadow agent --since 3d --catalogue my-catalogue --fail-if 'action:refund_order_gained>0'",
    "summarizer": "floodgate shadow summarizer --prompt summarize-2.md --limit 500 --sample --html report.html",
}


def _command(name: str) -> Callable[..., None]:
    make, prompts, about = _SUBJECTS[name]

    def command(  # noqa: PLR0917 - typer reads the options off the signature
        since: Since = "24h",
        from_: From = None,
        to: To = None,
        files: Files = None,
        catalogue: CatalogueOption = None,
        settings: Settings = None,
        model: Model = None,
        prompt: Prompt = None,
        baseline: Baseline = None,
        limit: Limit = None,
        sample: Sample = False,
        lookback: Lookback = f"{DEFAULT_LOOKBACK_SECONDS / 86_400:.0f}d",
        endpoint: Endpoint = CONFIGURED,
        concurrency: Concurrency = None,
        fail_if: FailIf = None,
        unmask: Unmask = False,
        keep: Keep = None,
        json_file: Json = None,
        html: Html = None,
        quiet: Quiet = False,
    ) -> None:
        calm_logs(local=True)
        subject = make()
        conditions = [parse_condition(text, (*subject.first, *subject.actions)) for text in fail_if or ()]
        live = live_version(own_catalogue_dir())
        tried = candidate(live, Changes(catalogue, tuple(settings or ()), model, prompt, _folder(prompts)))
        comparison = Comparison(
            subject, live, tried, rerun=_rerun(subject, baseline), endpoint=endpoint, concurrency=concurrency,
            unmask=unmask, quiet=quiet,
        )  # fmt: skip
        window = _window(since, from_, to)
        say("reading " + (", ".join(map(str, files)) if files else "the topics"), quiet=quiet)
        history = _history(subject, files, window, parse_duration(lookback).total_seconds())
        history = history.limited(limit, sample=sample)
        if keep is not None:
            keep.write_text("".join(kept(history, subject.inputs)), encoding="utf-8")
        found = asyncio.run(compare(comparison, history, say=partial(say, quiet=quiet)))
        failing = broken(conditions, found)
        hand_out({**found, "fails": failing}, failing, json_file, html)
        raise typer.Exit(_exit_code(found, failing))

    command.__doc__ = about
    return command


for _name in _SUBJECTS:
    app.command(_name, epilog=f"Example: {_EXAMPLES[_name]}")(_command(_name))


@app.command("model", epilog="Example: MAX_USD=2 floodgate shadow model eu.amazon.nova-pro-v1:0")
def another_model(  # noqa: PLR0917 - typer reads the options off the signature
    model: Annotated[str, typer.Argument(help="Model or inference profile in place of the configured one.")],
    since: Since = "24h",
    limit: Limit = 300,
    rows: Annotated[int | None, typer.Option(min=1, help="At most so many rows of each suite.")] = 100,
    only: Annotated[list[str] | None, typer.Option(help="Suites whose name begins so.")] = None,
    endpoint: Endpoint = CONFIGURED,
    concurrency: Concurrency = None,
    unmask: Unmask = False,
    json_file: Json = None,
    quiet: Quiet = False,
) -> None:
    """Another model: evaluated beside the configured one, run over yesterday's topics, and what to do about it."""
    calm_logs(local=True)
    live = live_version(own_catalogue_dir())
    tried = candidate(live, Changes(model_id=model))
    window, told = _window(since, None, None), partial(say, quiet=quiet)
    comparisons = []
    for subject in (FirewallSubject(), SummarizerSubject()):
        history = from_topics(subject.inputs, subject.outputs, window, subject.decides).limited(limit, sample=True)
        comparison = Comparison(
            subject, live, tried, endpoint=endpoint, concurrency=concurrency, unmask=unmask, quiet=quiet
        )
        comparisons.append((comparison, history))
    suites, _ = read_suites(repository_root() / "eval/suites.yaml", tuple(only or ("own/",)))
    like = Request(
        task=Task.INTENT, test=(), limit=rows, endpoint=endpoint, concurrency=concurrency, repeats=1,
        catalogue_dir=own_catalogue_dir(), quiet=quiet,
    )  # fmt: skip
    findings, results = asyncio.run(evaluated(suites, like, model, say=told))
    shadows = asyncio.run(shadowed(comparisons, say=told))
    show_findings(findings)
    for found in shadows:
        show(found)
    given = advice(model, findings, shadows)
    typer.echo("\n" + "\n".join(given.lines()))
    if json_file is not None:
        kept_result = {"advice": asdict(given), "evaluation": results, "shadow": shadows}
        json_file.write_text(json.dumps(kept_result, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    raise typer.Exit(1 if given.against else 0)


def hand_out(found: dict[str, Any], failing: list[str], json_file: Path | None, html: Path | None) -> None:
    """Show a comparison and write it where it is wanted."""
    show(found, failing)
    if json_file is not None:
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.write_text(json.dumps(found, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    if html is not None:
        write_page(html, found, failing)
        sys.stderr.write(f"report: {html}\n")


def _history(subject: Subject, files: list[Path] | None, window: Window, lookback_seconds: float) -> History:
    if files:
        return from_files(files, subject.inputs, subject.outputs, subject.decides)
    return from_topics(subject.inputs, subject.outputs, window, subject.decides, lookback_seconds=lookback_seconds)


def _window(since: str, from_: datetime | None, to: datetime | None) -> Window:
    to_ms = now_ms() if to is None else _ms(to)
    from_ms = to_ms - round(parse_duration(since).total_seconds() * 1000) if from_ is None else _ms(from_)
    if from_ms >= to_ms:
        raise typer.BadParameter("the time ends before it begins", param_hint="--from, --to")
    return Window(from_ms, to_ms)


def _ms(moment: datetime) -> int:
    return round(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp() * 1000)


def _rerun(subject: Subject, baseline: str | None) -> bool:
    if baseline not in {None, "rerun", "recorded"}:
        raise typer.BadParameter("say rerun or recorded", param_hint="--baseline")
    return subject.rerun if baseline is None else baseline == "rerun"


def _folder(package: str) -> Path | None:
    folder = resources.files(package)
    return folder if isinstance(folder, Path) else None


def _exit_code(found: Mapping[str, Any], failing: list[str]) -> int:
    if found["stopped"] == INTERRUPTED:
        return _EXIT_INTERRUPTED
    if failing:
        return 2
    return 1 if found["stopped"] else 0
