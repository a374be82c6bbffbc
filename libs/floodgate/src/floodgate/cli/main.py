"""The root of the `floodgate` command.

Libraries and services add subcommands through the entry-point group `floodgate.commands` (a typer application each)
and services through `floodgate.services` (a function that builds one), so that an image has just its own.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Annotated, Final

import typer
from keyflow.errors import KeyflowError
from rich.console import Console

from floodgate import __version__
from floodgate.cli.environment import load_local_environment

COMMANDS: Final = "floodgate.commands"
SERVICES: Final = "floodgate.services"

app = typer.Typer(
    help="Takes the flood off a support team: screens messages, resolves simple cases, hands over the rest.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_errors = Console(stderr=True, soft_wrap=True)


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version and stop.", is_eager=True)] = False,
    env_file: Annotated[
        Path | None,
        typer.Option(help="File of KEY=VALUE lines; by default that of the local stack, when one is up."),
    ] = None,
) -> None:
    """Reads the environment before any subcommand; what is set already wins."""
    if version:
        typer.echo(f"floodgate {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit
    load_local_environment(env_file)


@app.command("run")
def run_command(
    service: Annotated[str | None, typer.Argument(help="Service to run; see --list.")] = None,
    all_services: Annotated[
        bool, typer.Option("--all", help="Run every installed service in one process tree.")
    ] = False,
    show: Annotated[bool, typer.Option("--list", help="List the installed services.")] = False,
) -> None:
    """Run one service, or all of them, until SIGTERM or Ctrl-C."""
    found = {entry.name: entry for entry in entry_points(group=SERVICES)}
    if show:
        typer.echo("\n".join(sorted(found)))
        return
    # Only here: every other command would wait for the web server and the engine to be imported.
    from floodgate.cli.processes import run_all  # noqa: PLC0415
    from floodgate.service import run  # noqa: PLC0415

    if all_services:
        raise typer.Exit(run_all(sorted(found)))
    if service is None or service not in found:
        known = ", ".join(sorted(found)) or "none"
        raise typer.BadParameter(f"name a service ({known}) or use --all")
    run(found[service].load()())


def contribute(arguments: Sequence[str]) -> None:
    """Adds the contributed subcommand that the arguments name; all of them when they name none (for the help).

    Loading only what is asked for keeps every subcommand quick to start.
    """
    entries = sorted(entry_points(group=COMMANDS), key=lambda entry: entry.name)
    named = [entry for entry in entries if entry.name in arguments]
    own = {command.name for command in app.registered_commands}
    for entry in [] if own & set(arguments[:1]) else named or entries:
        _add(entry)


def _add(entry: EntryPoint) -> None:
    command = entry.load()
    if isinstance(command, typer.Typer):
        app.add_typer(command, name=entry.name)
    else:
        app.command(entry.name)(command)


def main() -> None:
    """Runs the command; an expected failure is one clear line and exit code 1."""
    # A reader that goes away (`| head`) is no failure of ours.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        contribute(sys.argv[1:])
        app()
    except KeyflowError as error:
        _errors.print(f"[bold red]floodgate:[/] {_escaped(str(error))}", highlight=False)
        sys.exit(1)
    except subprocess.CalledProcessError as error:
        _errors.print(f"[bold red]floodgate:[/] {Path(str(error.cmd[0])).name} exited with {error.returncode}")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)


def _escaped(text: str) -> str:
    return text.replace("[", "\\[")


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    main()
