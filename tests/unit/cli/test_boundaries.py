"""Imports across a boundary: no service knows another, libraries know no service, the engine knows nobody."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SERVICES = {path.name for path in (ROOT / "services").iterdir() if path.is_dir()}
LOCAL = {"floodgate_local", "floodgate_demo", "floodgate_eval"}
FORBIDDEN = {
    "libs/keyflow": SERVICES | LOCAL | {"floodgate", "floodgate_nlu"},
    "libs/floodgate": SERVICES | LOCAL | {"floodgate_nlu"},
    "libs/nlu": SERVICES | LOCAL | {"floodgate", "keyflow"},
    "deploy/local": SERVICES | {"floodgate_demo", "floodgate_eval"},
    "deploy/demo": SERVICES | {"floodgate_eval"},
    # Evaluation and shadow run the code of the services that decide, and of no other.
    "eval": (SERVICES - {"agent", "firewall", "summarizer"}) | {"floodgate_demo"},
    **{f"services/{name}": (SERVICES - {name}) | LOCAL for name in SERVICES},
}
IMPURE = {"confluent_kafka", "boto3", "botocore", "httpx", "opensearchpy", "time", "random"}


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module.partition(".")[0])
    return names


@pytest.mark.parametrize("room", sorted(FORBIDDEN))
def test_no_room_imports_what_lies_above_or_beside_it(room: str) -> None:
    files = sorted((ROOT / room / "src").rglob("*.py"))
    assert files
    wrong = {str(path.relative_to(ROOT)): found for path in files if (found := imported(path) & FORBIDDEN[room])}
    assert wrong == {}


def test_every_domain_is_pure() -> None:
    files = sorted((ROOT / "services").glob("*/src/*/domain/*.py"))
    assert files
    wrong = {str(path.relative_to(ROOT)): found for path in files if (found := imported(path) & IMPURE)}
    assert wrong == {}
