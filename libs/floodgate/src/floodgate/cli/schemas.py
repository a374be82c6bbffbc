"""`floodgate schemas`: generate, check, freeze, register."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from keyflow.errors import FatalError

from floodgate.admin import register_schemas
from floodgate.events import codegen, golden
from floodgate.settings import RegistrySettings, load

app = typer.Typer(help="Avro schemas: generate models from them, freeze and register versions.", no_args_is_help=True)

Directory = Annotated[Path, typer.Option("--dir", help="Directory of the .avsc files.")]
PACKAGE = Path(codegen.__file__).parent


@app.command()
def generate(directory: Directory = Path("schemas")) -> None:
    """Write the pydantic models and the shipped contract from the .avsc files."""
    for name, text in _generated(directory).items():
        (PACKAGE / name).write_text(text, encoding="utf-8")
        typer.echo(f"wrote {name}")


@app.command()
def check(directory: Directory = Path("schemas")) -> None:
    """Fail when models or published versions have drifted from the .avsc files."""
    stale = [name for name, text in _generated(directory).items() if (PACKAGE / name).read_text("utf-8") != text]
    unfrozen = golden.unpublished(directory)
    if stale:
        raise FatalError(f"{', '.join(stale)} differ from the schemas: run `floodgate schemas generate`")
    if unfrozen:
        raise FatalError(f"{', '.join(unfrozen)} changed since published: run `floodgate schemas freeze`")
    typer.echo("models, contract and published versions agree with the schemas")


@app.command()
def freeze(directory: Directory = Path("schemas")) -> None:
    """Publish changed schemas as a new version: keeps the schema and golden bytes of it for ever."""
    published = golden.publish(directory)
    typer.echo("\n".join(f"published {name}" for name in published) or "nothing changed")


@app.command()
def register() -> None:
    """Register every topic's schema (BACKWARD_TRANSITIVE)."""
    applied = register_schemas(load(RegistrySettings))
    typer.echo(f"{len(applied.created)} registered, {len(applied.unchanged)} unchanged")


def _generated(directory: Path) -> dict[str, str]:
    if not (directory / "topics.yaml").exists():
        raise FatalError(f"{directory}/topics.yaml is not there: run this at the root of the checkout, or use --dir")
    return {"generated.py": codegen.write_models(directory), "contract.json": codegen.write_contract(directory)}
