"""The threat model names tests: they have to be there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
NAMED = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", (ROOT / "docs/security.md").read_text("utf-8"))


def test_every_test_that_the_threat_model_names_exists() -> None:
    missing = [
        f"{path}::{name}"
        for path, name in NAMED
        if not (ROOT / path).exists() or f"def {name}(" not in (ROOT / path).read_text("utf-8")
    ]
    assert NAMED
    assert not missing


def test_every_threat_has_a_test() -> None:
    text = (ROOT / "docs/security.md").read_text("utf-8")
    rows = [line for line in text.split("## Threats")[1].split("\n## ")[0].splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 12
    assert [row.split("|")[1].strip() for row in rows if "::test_" not in row.split("|")[3]] == []
