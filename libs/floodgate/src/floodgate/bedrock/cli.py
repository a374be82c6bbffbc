"""`floodgate bedrock`: the doctor, and the faults of the local server."""

from __future__ import annotations

import json
from typing import Annotated, Any, Final

import typer
from keyflow.errors import FatalError
from pydantic import ValidationError
from rich.console import Console
from rich.text import Text

from floodgate.bedrock.doctor import Doctor, Finding
from floodgate.bedrock.local_server import LocalServer
from floodgate.bedrock.settings import BedrockSettings

app = typer.Typer(help="Check the models; switch faults of the local Bedrock server.", no_args_is_help=True)
faults = typer.Typer(help="Faults of the local Bedrock server (never of Bedrock itself).", no_args_is_help=True)
app.add_typer(faults, name="faults")

_COLOURS: Final = {"ok": "green", "warn": "yellow", "fail": "red"}
Url = Annotated[
    str | None,
    typer.Option(envvar="AWS_ENDPOINT_URL_BEDROCK_RUNTIME", help="Address of the local Bedrock server."),
]
Rate = Annotated[float, typer.Option(min=0.0, max=1.0, help="Share of the calls.")]


@app.command()
def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Check credentials, region, access, quota, price and cache, and make one call. Exit code 1 on a failure."""
    examiner = Doctor(_settings())
    findings = list(examiner.examine())
    failed = any(finding.status == "fail" for finding in findings)
    if as_json:
        checks = [finding.as_dict() for finding in findings]
        typer.echo(json.dumps({"ok": not failed, "local": examiner.is_local, "checks": checks}, indent=2))
    else:
        _show(findings)
    raise typer.Exit(1 if failed else 0)


@faults.command("set")
def set_faults(
    *,
    url: Url = None,
    throttle_rate: Rate = 0.0,
    retry_after_seconds: Annotated[float | None, typer.Option(min=0.0, help="Retry-After of a throttled call.")] = None,
    server_error_rate: Rate = 0.0,
    model_timeout_rate: Rate = 0.0,
    model_error_rate: Rate = 0.0,
    stall_rate: Rate = 0.0,
    stall_seconds: Annotated[float, typer.Option(min=0.0, help="How long a stalled call is held.")] = 30.0,
    malformed_rate: Rate = 0.0,
    malformed_kind: Annotated[str, typer.Option(help="any, text, truncated or malformed_tool_use.")] = "any",
    schema_breaking_rate: Rate = 0.0,
    outage: Annotated[bool, typer.Option("--outage", help="Refuse every call.")] = False,
    outage_seconds: Annotated[float | None, typer.Option(min=0.0, help="Refuse every call for this long.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the draws.")] = 0,
    operation: Annotated[list[str] | None, typer.Option(help="Only this operation, such as Converse.")] = None,
    max_faults: Annotated[int | None, typer.Option(min=1, help="Stop after this many faults.")] = None,
) -> None:
    """Switch to these faults; whatever is not named is off."""
    settings: dict[str, Any] = {
        "throttle_rate": throttle_rate,
        "retry_after_seconds": retry_after_seconds,
        "server_error_rate": server_error_rate,
        "model_timeout_rate": model_timeout_rate,
        "model_error_rate": model_error_rate,
        "stall_rate": stall_rate,
        "stall_seconds": stall_seconds,
        "malformed_rate": malformed_rate,
        "malformed_kind": malformed_kind,
        "schema_breaking_rate": schema_breaking_rate,
        "outage": outage,
        "outage_seconds": outage_seconds,
        "seed": seed,
        "operations": operation or [],
        "max_faults": max_faults,
    }
    typer.echo(json.dumps(LocalServer(url).set_faults(settings), indent=2))


@faults.command("show")
def show_faults(url: Url = None) -> None:
    """Show the faults that are switched on."""
    typer.echo(json.dumps(LocalServer(url).faults(), indent=2))


@faults.command("clear")
def clear_faults(url: Url = None) -> None:
    """Switch all faults off."""
    LocalServer(url).clear_faults()
    typer.echo("no faults")


@app.command()
def stats(url: Url = None) -> None:
    """Show what the local Bedrock server did: calls, tokens, cache, faults."""
    typer.echo(json.dumps(LocalServer(url).stats(), indent=2))


def _settings() -> BedrockSettings:
    try:
        return BedrockSettings()
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = ".".join(str(part) for part in first["loc"])
        raise FatalError(f"the setting {name} is not usable: {first['msg']}") from error


def _show(findings: list[Finding]) -> None:
    console = Console(soft_wrap=True, highlight=False)
    width = max(len(finding.check) for finding in findings)
    for finding in findings:
        head = Text(f"{finding.status:<4}  ", _COLOURS[finding.status])
        console.print(head + Text(f"{finding.check:<{width}}  {finding.detail}"))
        if finding.remedy:
            console.print(Text(f"{'':<{width + 8}}{finding.remedy}", "dim"))
