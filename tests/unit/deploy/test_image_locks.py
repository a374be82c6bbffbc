"""What the images take is what the whole repository was tested with."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[3]
LOCKS: Final = ROOT / "deploy/images/locks"
SERVICES: Final = sorted(path.parent.name for path in (ROOT / "services").glob("*/pyproject.toml"))
OWN: Final = ("keyflow", "floodgate")


def pinned(path: Path) -> dict[str, tuple[str, ...]]:
    """Hashes by `name==version`."""
    entries = path.read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    parts = [entry.split("--hash=") for entry in entries if "==" in entry]
    return {first.split()[0]: tuple(sorted(digest.strip() for digest in hashes)) for first, *hashes in parts}


@pytest.mark.parametrize("name", [*SERVICES, "local", "build"])
def test_an_image_takes_nothing_but_what_the_lock_holds_and_every_package_with_its_hashes(name: str) -> None:
    whole, own = pinned(ROOT / "requirements.lock"), pinned(LOCKS / f"{name}.txt")
    assert own
    for package, hashes in own.items():
        assert hashes, package
        assert whole[package] == hashes, package


@pytest.mark.parametrize("service", SERVICES)
def test_an_image_has_every_package_that_its_service_declares(service: str) -> None:
    declared = tomllib.loads((ROOT / f"services/{service}/pyproject.toml").read_text())["project"]["dependencies"]
    names = {requirement.split(";")[0].split("[")[0].split("=")[0].split(">")[0].strip() for requirement in declared}
    held = {entry.split("==")[0] for entry in pinned(LOCKS / f"{service}.txt")}
    assert {name.lower() for name in names if not name.startswith(OWN)} <= held
