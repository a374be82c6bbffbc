"""Puts a new service into a checkout: files from templates, lines in shared files, what is generated from both."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import yaml
from keyflow.errors import FatalError

from floodgate.events import codegen, golden
from floodgate.scaffold.edits import EDITS
from floodgate.scaffold.naming import NewService, named
from floodgate.scaffold.rendering import rendered
from floodgate.scaffold.schemas import new_schemas

_EVENTS: Final = Path("libs/floodgate/src/floodgate/events")
_LOCKS: Final = Path("deploy/images/locks")
_LIKE: Final = "delivery"
"""A service that needs no package beyond what `floodgate` itself needs: a new one's image takes the same."""

FILES: Final[Mapping[str, str]] = {
    "services/{name}/pyproject.toml": "pyproject.toml",
    "services/{name}/src/{name}/__main__.py": "main.py",
    "services/{name}/src/{name}/bootstrap.py": "bootstrap.py",
    "services/{name}/src/{name}/settings.py": "settings.py",
    "services/{name}/src/{name}/handlers.py": "handlers.py",
    "services/{name}/src/{name}/domain/decisions.py": "decisions.py",
    "tests/unit/{name}/test_{name}.py": "test_unit.py",
    "tests/integration/{name}/test_{name}_on_the_stack.py": "test_integration.py",
    "docs/{name}.md": "docs.md",
    "docs/runbooks/{name}.md": "runbook.md",
    "deploy/observability/rules/{name}.yaml": "rules.yaml",
    "deploy/observability/panels/{name}.yaml": "panels.yaml",
}
"""Templates by where they go; besides these, `__init__.py` and `py.typed`, and the prompt where a model is asked."""


@dataclass(frozen=True, slots=True)
class Scaffolded:
    """What was done.

    Attributes:
        written: New files.
        changed: Files with new lines.
        yours: What a person has to fill in, and where.
    """

    written: tuple[str, ...]
    changed: tuple[str, ...]
    yours: tuple[str, ...]


def ask_for(root: Path, name: str, reads: str, writes: str, key: str | None, *, model: bool, state: bool) -> NewService:
    """What is asked for, checked against the checkout.

    Raises:
        FatalError: A name cannot be used, or this is no checkout.
    """
    declared = root / "schemas" / "topics.yaml"
    if not declared.is_file():
        raise FatalError(f"{declared} is not there: run this at the root of the checkout, or use --root")
    topics: dict[str, dict[str, Any]] = yaml.safe_load(declared.read_text(encoding="utf-8"))["topics"]
    services = {path.name for path in (root / "services").iterdir() if path.is_dir()}
    packages = {name} if name not in services and name.isidentifier() and find_spec(name) is not None else set()
    records = set(codegen.load_schemas(root / "schemas"))
    return named(
        name,
        reads,
        writes,
        key,
        model=model,
        state=state,
        topics=topics,
        records=records,
        services=services,
        packages=packages,
    )


def scaffold(root: Path, service: NewService) -> Scaffolded:
    """Writes everything. Nothing is written where anything is in the way.

    Raises:
        FatalError: A file is there already, a shared file has another form, or Ruff is not there to format.
    """
    files = new_files(service)
    there = [path for path in files if (root / path).exists()]
    if there:
        raise FatalError(f"{there[0]} is there already: nothing was written")
    edited = {path: edit((root / path).read_text(encoding="utf-8"), service) for path, edit in EDITS.items()}
    lock = _LOCKS / f"{service.name}.txt"
    files[str(lock)] = (root / _LOCKS / f"{_LIKE}.txt").read_text(encoding="utf-8")
    for path, text in {**files, **edited}.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")
    _format(root, [path for path in files if path.endswith(".py")])
    generated = _generate(root, service)
    return Scaffolded(tuple(sorted([*files, *generated])), tuple(EDITS), _yours(service))


def new_files(service: NewService) -> dict[str, str]:
    """The texts by path, before they are formatted."""
    places, name = service.places(), service.name
    wanted = {path.format(name=name): template for path, template in FILES.items()}
    package = f"services/{name}/src/{name}"
    texts = {f"{package}/__init__.py": f'"""Reads {service.reads.topic}, writes {service.writes.topic}."""\n'}
    texts |= {
        f"{package}/py.typed": "",
        f"{package}/domain/__init__.py": '"""Decisions: no Kafka, no AWS, no clock."""\n',
    }
    if service.model:
        texts[f"{package}/prompts/__init__.py"] = '"""The prompts, each with its version."""\n'
        wanted[f"{package}/prompts/label.md"] = "label.md"
    for path, template in wanted.items():
        texts[path] = rendered(_template(template), places, f"templates/{template}.tmpl")
    return texts | {f"schemas/{record}.avsc": text for record, text in new_schemas(service).items()}


def _template(name: str) -> str:
    return resources.files("floodgate.scaffold.templates").joinpath(f"{name}.tmpl").read_text("utf-8")


def _format(root: Path, paths: list[str]) -> None:
    """Imports in order, lines as the project has them; what the name changes nobody has to mend."""
    joined = ["--config", "format.skip-magic-trailing-comma=true"]
    for arguments in (["check", "-q", "--select", "I", "--fix"], ["format", "-q", *joined]):
        done = subprocess.run(  # noqa: S603 (ours)
            [sys.executable, "-m", "ruff", *arguments, *paths], cwd=root, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise FatalError(f"ruff {arguments[0]}: {(done.stderr or done.stdout).strip()[:300]}: run `make setup`")


def _generate(root: Path, service: NewService) -> list[str]:
    """Models, contract, published versions and the dashboard; the new files among them."""
    schemas = root / "schemas"
    (root / _EVENTS / "generated.py").write_text(codegen.write_models(schemas), encoding="utf-8")
    (root / _EVENTS / "contract.json").write_text(codegen.write_contract(schemas), encoding="utf-8")
    published = golden.publish(schemas)
    subprocess.run([sys.executable, "deploy/observability/generate.py"], cwd=root, capture_output=True, check=True)
    paths = [f"schemas/{folder}" for base in published for folder in (f"history/{base}.json", f"golden/{base}.txt")]
    return [*paths, f"deploy/observability/dashboards/{service.name}.json"]


def _yours(service: NewService) -> tuple[str, ...]:
    records = [service.writes.record] + ([] if service.reads.declared else [service.reads.record])
    yours = [f"schemas/{record}.avsc: its fields and its doc, then `floodgate schemas generate`" for record in records]
    yours.append(f"services/{service.name}/src/{service.name}/domain/decisions.py: what it decides")
    if service.model:
        yours.append(f"services/{service.name}/src/{service.name}/prompts/label.md: what the model is asked")
    outside = f"who reads {service.writes.topic}"
    if not service.reads.declared:
        outside = f"who writes {service.reads.topic} and {outside}"
    yours.append(f"schemas/topics.yaml: {outside} (now: connector, which is outside)")
    yours.append(
        "deploy/compose, deploy/kubernetes: its place there, as delivery has one (tests/unit/deploy says what)"
    )
    yours.append(f"docs/{service.name}.md, docs/runbooks/{service.name}.md: what it is for, who notices")
    return tuple(yours)
