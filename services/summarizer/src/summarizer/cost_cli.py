"""`floodgate cost`: what feature records cost, step by step and a month ahead."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from floodgate.bedrock import BedrockSettings
from floodgate.bedrock.conversation import estimate_tokens, prefix_text
from floodgate.bedrock.prices import PriceTable
from floodgate.catalogue import Catalogue, load_catalogue
from floodgate.events import Interaction
from floodgate.settings import CatalogueSettings, load
from rich.console import Console
from rich.table import Table

from summarizer.adapters.nlu_language import NluLanguages
from summarizer.domain.costs import Size, breakdown, has_drifted, steps
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
    by: Annotated[str, typer.Option(help="language, prompt, cache or model.")] = "language",
    per_month: PerMonth = _A_YEAR / 12,
    reference_usd: Annotated[float | None, typer.Option(min=0, help="What an interaction cost before.")] = None,
    tolerance: Annotated[float, typer.Option(min=0, help="Share by which it may rise before the alarm.")] = 0.2,
    as_json: AsJson = False,
) -> None:
    """What the records on support.summaries cost, with a forecast; exit code 1 when one costs too much more."""
    if by not in {"language", "prompt", "cache", "model"}:
        raise typer.BadParameter("say language, prompt, cache or model", param_hint="--by")
    records = [record for record, _ in summaries()]
    groups = breakdown(records, by)
    each = sum(group.usd for group in groups.values()) / max(len(records), 1)
    alarm = reference_usd is not None and has_drifted(each, reference_usd, tolerance)
    if as_json:
        named = {name: {**asdict(group), "usd_each": group.usd_each} for name, group in groups.items()}
        typer.echo(json.dumps({"by": by, "groups": named, "usd_each": each, "usd_a_month": each * per_month,
                               "alarm": alarm}, indent=2))  # fmt: skip
    else:
        shown = Table(by, "records", "USD each", "input tokens", "of them cached", "output tokens")
        for name, group in groups.items():
            shown.add_row(name, str(group.records), f"{group.usd_each:.6f}", str(group.input_tokens),
                          str(group.cached_tokens), str(group.output_tokens))  # fmt: skip
        Console().print(shown)
        typer.echo(f"{each:.6f} USD an interaction, {each * per_month:,.2f} a month at {per_month:,.0f} interactions")
    if alarm:
        typer.echo(f"alarm: {each:.6f} USD an interaction is over {tolerance:.0%} above {reference_usd:.6f}", err=True)
        raise typer.Exit(1)


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
