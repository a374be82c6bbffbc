"""The script of the pipeline that installs Chromium: what it does where, and that it never fails."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / ".ci" / "chromium"


class Machine:
    """A PATH of pretended commands."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "log"

    def has(self, name: str, body: str = "") -> None:
        path = self.folder / name
        path.write_text(f"#!/bin/sh\necho {name} $* >> {self.log}\n{body}\n", encoding="utf-8")
        path.chmod(0o755)

    def run(self) -> tuple[int, str, str]:
        done = subprocess.run(
            ["/bin/bash", str(SCRIPT)], env={"PATH": str(self.folder)}, capture_output=True, text=True, check=False
        )
        return done.returncode, done.stdout, self.log.read_text(encoding="utf-8") if self.log.exists() else ""


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_what_is_there_is_enough(machine: Machine) -> None:
    machine.has("chromium")
    assert machine.run() == (0, "", "")


def test_root_installs_the_small_one(machine: Machine) -> None:
    machine.has("id", "echo 0")
    machine.has("apt-get")
    code, said, log = machine.run()
    assert (code, said) == (0, "")
    assert "install -y -qq --no-install-recommends chromium-headless-shell" in log


def test_the_whole_one_is_taken_where_there_is_no_small_one(machine: Machine) -> None:
    machine.has("id", "echo 0")
    machine.has("apt-get", 'case "$*" in *headless*) exit 100;; esac')
    assert "recommends chromium fonts" in machine.run()[2]


@pytest.mark.parametrize(("user", "apt"), [("1000", True), ("0", False), ("0", None)])
def test_it_says_why_when_it_cannot(machine: Machine, user: str, apt: bool | None) -> None:
    machine.has("id", f"echo {user}")
    if apt is not False:
        machine.has("apt-get", "exit 0" if apt else "exit 100")
    code, said, _ = machine.run()
    assert code == 0
    assert "the browser tests will be skipped" in said
