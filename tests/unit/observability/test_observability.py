"""Alert rules and dashboards name figures that exist, and every alert a runbook that is there."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
OBSERVABILITY = ROOT / "deploy" / "observability"
RULES = sorted((OBSERVABILITY / "rules").glob("*.yaml"))
ALERTS: list[dict[str, Any]] = [
    rule
    for path in RULES
    for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
]
FIGURE = re.compile(r"\b(?:keyflow|floodgate)_[a-z_]+")


def generator() -> Any:
    spec = importlib.util.spec_from_file_location("generate", OBSERVABILITY / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cache
def known() -> frozenset[str]:
    """What stands in the code as the name of a figure, with and without what the exposition adds."""
    text = "\n".join(
        path.read_text(encoding="utf-8")
        for room in ("libs/floodgate/src", "services")
        for path in sorted((ROOT / room).rglob("*.py"))
    )
    names = set(re.findall(r'"((?:keyflow|floodgate)_[a-z_]+)"', text))
    monitor = (ROOT / "libs/floodgate/src/floodgate/monitor.py").read_text(encoding="utf-8")
    names |= {f"keyflow_{name}" for name in re.findall(r'^    "([a-z_]+)": \(', monitor, re.MULTILINE)}
    return frozenset(names)


def exists(figure: str) -> bool:
    base = re.sub(r"_(bucket|sum|count|total)$", "", figure)
    return figure in known() or base in known() or f"{base}_total" in known()


def expressions() -> list[tuple[str, str]]:
    found = [(rule["alert"], rule["expr"]) for rule in ALERTS]
    for name in generator().DASHBOARDS:
        for panel in generator().dashboard(name)["panels"]:
            found += [(f"{name}: {panel['title']}", target["expr"]) for target in panel["targets"]]
    return found


@pytest.mark.parametrize(("where", "expression"), expressions())
def test_every_figure_of_an_expression_exists(where: str, expression: str) -> None:
    figures = FIGURE.findall(expression)
    assert figures, where
    assert [figure for figure in figures if not exists(figure)] == []


@pytest.mark.parametrize(("where", "expression"), expressions())
def test_expressions_are_whole(where: str, expression: str) -> None:
    for opening, closing in ("()", "{}", "[]"):
        assert expression.count(opening) == expression.count(closing), where
    assert expression.count('"') % 2 == 0, where


@pytest.mark.parametrize("rule", ALERTS, ids=[rule["alert"] for rule in ALERTS])
def test_every_alert_has_a_severity_and_a_runbook_that_names_it(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in {"page", "ticket"}
    runbook = ROOT / rule["annotations"]["runbook"]
    assert f"`{rule['alert']}`" in runbook.read_text(encoding="utf-8")


def test_every_runbook_belongs_to_an_alert() -> None:
    linked = {Path(rule["annotations"]["runbook"]).name for rule in ALERTS}
    assert {path.name for path in (ROOT / "docs" / "runbooks").glob("*.md")} == linked


@pytest.mark.parametrize("name", generator().DASHBOARDS)
def test_the_dashboards_are_what_the_script_writes(name: str) -> None:
    text = (OBSERVABILITY / "dashboards" / f"{name}.json").read_text(encoding="utf-8")
    assert text == generator().written(name)
    assert len({panel["id"] for panel in json.loads(text)["panels"]}) == len(json.loads(text)["panels"])


def test_prometheus_takes_the_rules() -> None:
    checked_by_prometheus(*RULES)


def test_prometheus_reads_every_expression_of_the_dashboards(tmp_path: Path) -> None:
    rules = [{"record": f"panel:{number}", "expr": asked} for number, (_, asked) in enumerate(shown_expressions())]
    path = tmp_path / "dashboards.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "dashboards", "rules": rules}]}), encoding="utf-8")
    checked_by_prometheus(path)


def shown_expressions() -> list[tuple[str, str]]:
    """Of the panels, with a time and a label in the place of Grafana's variables."""
    alerts = {rule["alert"] for rule in ALERTS}
    found = [(where, asked) for where, asked in expressions() if where not in alerts]
    return [(where, re.sub(r"\$__[a-z_]+", "5m", asked)) for where, asked in found]


def checked_by_prometheus(*paths: Path) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not there: .ci/promtool fetches it, the package `prometheus` has it")
    done = subprocess.run([promtool, "check", "rules", *map(str, paths)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
