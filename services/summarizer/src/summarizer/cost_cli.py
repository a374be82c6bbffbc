"""`floodgate cost`: what feature records cost, step by step and a month ahead."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from floodgate.bedrock import BedrockSettings
from floodgate.bedrock.conversation import estimate_tokens, prefix_text
from floodgate.bedrock.prices import PriceTable
from floodgate.catalogue import Catalogue, load_catalogue
from floodgate.events import Interaction
from floodgate.events.times import now_ms
from floodgate.settings import CatalogueSettings, load
from rich.console import Console
from rich.table import Table

from summarizer.adapters.nlu_language import NluLanguages
from summarizer.domain.costs import Outlook, Size, Spent, breakdown, has_drifted, outlook, steps
from summarizer.domain.extraction import plan, summarize_prompt
from summarizer.domain.transcript import customer_text, others_text, transcript_of
from summarizer.settings import SummarizerSettings
from summarizer.sources import interactions_of, summaries

app = typer.Typer(help="What feature records cost.", no_args_is_help=True)

FIVE_MODELS: Final = (
    "anthropic.claude-sonnet-4-5-20250929-v1:0", "anthropic.claude-haiku-4-5-20251001-v1:0", "amazon.nova-pro-v1:0",
    "anthropic.claude-haiku-5-5", "amazon.nova-lite-v1:0",
)  # fmt: skip
# What an answer of the record's schema takes; the local server's count over the project's corpus is 85.
_OUTPUT_TOKENS: Final = 90
_A_YEAR: Final = 1_300_000
_HEADINGS: Final = ("language", "prompt", "cache", "mode", "model")
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
PerMonth = Annotated[float, typer.Option(min=1, help="Interactions a month.")]


@app.command()
def waterfall(
    interactions: Annotated[list[Path], typer.Option(help="Finished interactions as dropped into S3 (JSON Lines).")],
    model: Annotated[list[str] | None, typer.Option(help="Models to compare; five without any.")] = None,
    per_month: PerMonth = _A_YEAR / 12,
    as_json: AsJson = False,
) -> None:
    """From four verbose calls to one concise one, cached, in batches: what an interaction costs at each step."""
    table = PriceTable.load(load(BedrockSettings).price_file)
    catalogue = load_catalogue(load(CatalogueSettings).dir)
    sizes = [size_of(one, catalogue) for one in interactions_of(interactions)]
    found = {name: steps(sizes, table.price(name), per_month=per_month) for name in model or FIVE_MODELS}
    dated = table.dated.isoformat()
    if as_json:
        typer.echo(json.dumps(_as_json(found, sizes, dated, per_month), indent=2))
        return
    shown = Table("model", "naive", "one concise prompt", "cached", "batch", "caching saves", "a month, cached",
                  title=f"USD an interaction, prices of {dated}, {len(sizes)} interactions")  # fmt: skip
    for name, cost in found.items():
        shown.add_row(
            name, *(f"{value:.6f}" for value in (cost.naive, cost.prompt, cost.caching, cost.batch)),
            f"{cost.caching_saves:.0%}", f"{cost.caching * per_month:,.0f}",
        )  # fmt: skip
    Console().print(shown)


@app.command()
def report(
    *,
    by: Annotated[str, typer.Option(help="language, prompt, cache, mode or model.")] = "language",
    days: Annotated[float, typer.Option(min=0.01, help="How far back.")] = 7.0,
    reference_days: Annotated[float, typer.Option(min=0, help="Days before them that they are held against.")] = 28.0,
    per_month: Annotated[float | None, typer.Option(min=1, help="Interactions a month; by default the rate.")] = None,
    reference_usd: Annotated[float | None, typer.Option(min=0, help="In place of what an interaction cost.")] = None,
    tolerance: Annotated[float, typer.Option(min=0, help="Share by which it may rise before the alarm.")] = 0.2,
    budget_a_month: Annotated[float | None, typer.Option(min=0, help="USD; a forecast above it is an alarm.")] = None,
    as_json: AsJson = False,
) -> None:
    """What the records of the last days cost, with a forecast; exit code 1 on an alarm.

    An alarm is an interaction that costs too much more than in the days before (or than --reference-usd), or a month
    that is going to cost more than its budget.
    """
    if by not in _HEADINGS:
        raise typer.BadParameter(f"say {', '.join(_HEADINGS)}", param_hint="--by")
    now = now_ms()
    records = summaries(since_ms=now - int((days + reference_days) * 86_400_000))
    found = outlook(records, now_ms=now, days=days, reference_days=reference_days, per_month=per_month)
    groups = breakdown((record for record, at_ms in records if at_ms >= now - days * 86_400_000), by)
    alarms = _alarms(found, reference_usd, tolerance, budget_a_month)
    if as_json:
        named = {name: {**asdict(group), "usd_each": group.usd_each} for name, group in groups.items()}
        ahead = {**asdict(found), "usd_a_month": found.usd_a_month, "alarms": alarms}
        typer.echo(json.dumps({"by": by, "days": days, "groups": named, **ahead}, indent=2))
    else:
        _show(by, groups, found)
    for alarm in alarms:
        typer.echo(f"alarm: {alarm}", err=True)
    if alarms:
        raise typer.Exit(1)


def _alarms(found: Outlook, reference_usd: float | None, tolerance: float, budget: float | None) -> list[str]:
    reference = found.usd_each_before if reference_usd is None else reference_usd
    alarms = []
    if reference is not None and has_drifted(found.usd_each, reference, tolerance):
        alarms.append(f"{found.usd_each:.6f} USD an interaction is over {tolerance:.0%} above {reference:.6f}")
    if budget is not None and found.usd_a_month > budget:
        alarms.append(f"{found.usd_a_month:,.2f} USD a month is above the budget of {budget:,.2f}")
    return alarms


def _show(by: str, groups: Mapping[str, Spent], found: Outlook) -> None:
    shown = Table(by, "records", "USD each", "input tokens", "of them cached", "output tokens")
    for name, group in groups.items():
        shown.add_row(name, str(group.records), f"{group.usd_each:.6f}", str(group.input_tokens),
                      str(group.cached_tokens), str(group.output_tokens))  # fmt: skip
    Console().print(shown)
    before = "nothing to compare with" if found.usd_each_before is None else f"{found.usd_each_before:.6f} before"
    typer.echo(
        f"{found.usd_each:.6f} USD an interaction ({before}), "
        f"{found.usd_a_month:,.2f} a month at {found.per_month:,.0f} interactions"
    )


def size_of(interaction: Interaction, catalogue: Catalogue) -> Size:
    """Tokens of the call that an interaction would take, by four characters a token."""
    languages = NluLanguages(catalogue.languages, catalogue.default_language)
    wrote = customer_text(interaction.turns)
    language = languages.identify(wrote, interaction.language, others_text(interaction.turns))
    transcript = transcript_of(
        interaction.turns, language=language, country=interaction.country,
        max_chars=SummarizerSettings().max_transcript_chars, weight=languages.weight,
    )  # fmt: skip
    request = plan(
        summarize_prompt(catalogue), transcript, language=language, summary_language=language, check=lambda _: None
    )
    return Size(estimate_tokens(prefix_text(request)), estimate_tokens(request.user_text), _OUTPUT_TOKENS)


def _as_json(found: dict[str, Any], sizes: list[Size], dated: str, per_month: float) -> dict[str, Any]:
    count = max(len(sizes), 1)
    return {
        "prices_dated": dated,
        "interactions": len(sizes),
        "tokens": {name: sum(getattr(s, name) for s in sizes) / count for name in ("fixed", "varying", "output")},
        "usd_an_interaction": {name: asdict(cost) for name, cost in found.items()},
        "usd_a_month": {name: cost.caching * per_month for name, cost in found.items()},
    }
