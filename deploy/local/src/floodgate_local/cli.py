"""The commands of the local stack: `floodgate stack up|down|status|restart|logs|env|lock`."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.table import Table

from floodgate_local.artifacts import HOMES
from floodgate_local.errors import StackError, explain_os_error
from floodgate_local.lockfile import lock_path, render_lock
from floodgate_local.progress import progress_for
from floodgate_local.resolve import resolve_lock
from floodgate_local.stack import ALL_COMPONENTS, Stack
from floodgate_local.supervisor import ComponentStatus

stack = typer.Typer(
    name="stack",
    no_args_is_help=True,
    help="The local stack: Kafka, schema registry, OpenSearch, AWS services, Intercom and shop, on loopback.",
)

_PIPE_WIDTH: Final = 200

StateOption = Annotated[
    Path | None,
    typer.Option("--state", envvar="FLOODGATE_STATE", help="State folder (default: .floodgate in the repository)."),
]


@contextmanager
def _one_line_errors() -> Iterator[None]:
    """An expected failure is one line, with the component's last lines below it, and exit code 1."""
    try:
        yield
    except StackError as error:
        sys.stderr.write(f"error: {error}\n")
        if error.log_tail:
            sys.stderr.write("".join(f"  | {line}\n" for line in error.log_tail.splitlines()))
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        sys.stderr.write("interrupted → `floodgate stack up` goes on from here, `floodgate stack down` stops all\n")
        raise typer.Exit(130) from None


@stack.command()
def up(
    state: StateOption = None,
    only: Annotated[
        str | None, typer.Option(help=f"Components, with commas between: {', '.join(ALL_COMPONENTS)}.")
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Stop everything and remove its data first.")] = False,
) -> None:
    """Fetch what is missing, start what does not run, wait until everything answers."""
    with _one_line_errors():
        local = Stack(state, only=only.split(",") if only else None)
        started = local.up(progress_for(sys.stderr), fresh=fresh)
        if started:
            typer.echo(f"up: started {', '.join(started)}; {local.rss_bytes() / 1e6:.0f} MB resident")
        else:
            typer.echo("up: everything runs already, nothing changed")
        typer.echo(f"env file: {local.env_file}")


@stack.command()
def fetch(
    only: Annotated[str | None, typer.Option(help=f"With commas between: {', '.join(HOMES)}.")] = None,
) -> None:
    """Fetch what the stack and the local models need, without starting anything."""
    with _one_line_errors():
        wanted = only.split(",") if only else list(HOMES)
        if unknown := sorted(set(wanted) - set(HOMES)):
            raise StackError(f"There is nothing called {unknown[0]!r} to fetch", f"choose from {', '.join(HOMES)}")
        Stack().fetch(wanted, progress_for(sys.stderr))


@stack.command()
def down(
    state: StateOption = None,
    purge: Annotated[bool, typer.Option("--purge", help="Remove data, logs, ports and secrets too.")] = False,
) -> None:
    """Stop everything."""
    with _one_line_errors():
        stopped = Stack(state).down(progress_for(sys.stderr), purge=purge)
        typer.echo(f"down: stopped {', '.join(stopped)}" if stopped else "down: nothing ran")
        if purge:
            typer.echo("down: data removed")


@stack.command()
def status(
    state: StateOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable.")] = False,
) -> None:
    """Show every component; exit code 1 when one is not ready."""
    with _one_line_errors():
        local = Stack(state)
        rows = local.status()
        if as_json:
            typer.echo(json.dumps([_as_json(row) for row in rows], indent=2))
        else:
            # Lines of a file or a pipe have no width to fit.
            Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH).print(_table(rows))
            for row in rows:
                if row.state in ("dead", "unresponsive"):
                    typer.echo(f"{row.name} is {row.state}; the last lines of {row.log}:")
                    typer.echo("".join(f"  | {line}\n" for line in local.log_tail(row.name, 15).splitlines()))
        if any(row.state != "ready" for row in rows):
            raise typer.Exit(1)


@stack.command()
def restart(
    component: Annotated[str, typer.Argument(help=f"One of {', '.join(ALL_COMPONENTS)}.")],
    state: StateOption = None,
) -> None:
    """Stop one component and start it again on the same port, with its data."""
    with _one_line_errors():
        Stack(state).restart(component, progress_for(sys.stderr))


@stack.command()
def logs(
    component: Annotated[str, typer.Argument(help=f"One of {', '.join(ALL_COMPONENTS)}.")],
    state: StateOption = None,
    lines: Annotated[int, typer.Option("--lines", "-n", min=1)] = 50,
) -> None:
    """Show the last lines of a component's log."""
    with _one_line_errors():
        typer.echo(Stack(state, only=[component]).log_tail(component, lines))


@stack.command()
def env(state: StateOption = None) -> None:
    """Print the env file's values, for `eval "$(floodgate stack env)"`."""
    with _one_line_errors():
        values = Stack(state).env()
        if not values:
            raise StackError("There is no env file", "run `floodgate stack up` first")
        for key, value in values.items():
            typer.echo(f"export {key}={shlex.quote(value)}")


@stack.command()
def lock() -> None:
    """Resolve the declared JVM parts anew and write jvm.lock."""
    with _one_line_errors():
        progress = progress_for(sys.stderr)
        path = lock_path()
        with progress.live():
            resolved = resolve_lock(progress)
        try:
            path.write_text(render_lock(resolved), encoding="utf-8")
        except OSError as error:
            raise explain_os_error(error, path) from error
        typer.echo(f"lock: wrote {path}")


def _as_json(row: ComponentStatus) -> dict[str, object]:
    return {
        "component": row.name,
        "state": row.state,
        "pid": row.pid,
        "ports": row.ports,
        "rss_bytes": row.rss_bytes,
        "uptime_seconds": round(row.uptime_seconds, 1),
        "log": str(row.log),
    }


def _table(rows: list[ComponentStatus]) -> Table:
    table = Table("component", "state", "pid", "port", "RSS MB", "uptime s", box=None)
    table.add_column("log", overflow="fold")
    for row in rows:
        color = "green" if row.state == "ready" else "red"
        table.add_row(
            row.name,
            f"[{color}]{row.state}[/{color}]",
            str(row.pid or ""),
            ", ".join(str(port) for port in row.ports.values()),
            f"{row.rss_bytes / 1e6:.0f}" if row.pid else "",
            f"{row.uptime_seconds:.0f}" if row.pid else "",
            str(row.log),
        )
    table.caption = f"{sum(row.rss_bytes for row in rows) / 1e6:.0f} MB resident together"
    return table
