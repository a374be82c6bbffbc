"""The command's root: its environment, its help, its errors."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from floodgate.cli.environment import load_local_environment, read_env_file
from floodgate.cli.main import COMMANDS, SERVICES
from keyflow.errors import FatalError

ROOT = Path(__file__).parents[3]


def floodgate(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "floodgate.cli.main", *arguments]
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("FLOODGATE_", "AWS_"))}
    return subprocess.run(command, capture_output=True, text=True, env={**clean, **env}, check=False)


def test_the_help_lists_every_contributed_command(tmp_path: Path) -> None:
    done = floodgate("--help", FLOODGATE_STATE=str(tmp_path), COLUMNS="200")
    assert done.returncode == 0, done.stderr
    for entry in entry_points(group=COMMANDS):
        assert entry.name in done.stdout


@pytest.mark.parametrize("name", sorted({entry.name for entry in entry_points(group=COMMANDS)}))
def test_every_command_has_help(name: str, tmp_path: Path) -> None:
    done = floodgate(name, "--help", FLOODGATE_STATE=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "Usage" in done.stdout


def test_every_service_is_listed_and_can_be_built() -> None:
    names = {entry.name for entry in entry_points(group=SERVICES)}
    projects = [tomllib.loads(path.read_text("utf-8")) for path in sorted(ROOT.glob("services/*/pyproject.toml"))]
    declared = [project["project"].get("entry-points", {}).get(SERVICES, {}) for project in projects]
    assert names == {name for services in declared for name in services}
    assert {"ingest", "firewall", "agent", "summarizer", "delivery", "pulse", "console"} <= names
    assert all(callable(entry.load()) for entry in entry_points(group=SERVICES))


def test_a_missing_setting_is_one_line_that_names_it(tmp_path: Path) -> None:
    done = floodgate("topics", "apply", FLOODGATE_STATE=str(tmp_path))
    assert done.returncode == 1
    assert "FLOODGATE_KAFKA_BOOTSTRAP_SERVERS is not set" in done.stderr.replace("\n", " ")
    assert "Traceback" not in done.stderr


def test_an_unknown_service_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    done = floodgate("run", "nothing", FLOODGATE_STATE=str(tmp_path), COLUMNS="200")
    assert done.returncode == 2
    assert "firewall" in done.stderr


def test_the_env_file_is_read_and_what_is_set_already_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "env"
    path.write_text("# the stack\nexport FIRST_FG=1\nSECOND_FG='two'\n\n", encoding="utf-8")
    monkeypatch.setenv("FIRST_FG", "mine")
    monkeypatch.delenv("SECOND_FG", raising=False)
    load_local_environment(path)
    assert (os.environ["FIRST_FG"], os.environ["SECOND_FG"]) == ("mine", "two")
    monkeypatch.delenv("SECOND_FG")


@pytest.mark.parametrize(("broken", "why"), [("broken", "not KEY=VALUE"), ("BAD='one", "a quotation does not end")])
def test_a_broken_env_file_is_named_with_its_line(tmp_path: Path, broken: str, why: str) -> None:
    path = tmp_path / "env"
    path.write_text(f"GOOD=1\n{broken}\n", encoding="utf-8")
    with pytest.raises(FatalError, match=rf"env:2: {why}"):
        read_env_file(path)


def test_values_of_an_env_file_are_unquoted_as_a_shell_does_it(tmp_path: Path) -> None:
    path = tmp_path / "env"
    path.write_text("PLAIN=a\\b\nQUOTED='it'\"'\"'s one'\nJSON='{\"a\": \"b\"}'\nEMPTY=''\n", encoding="utf-8")
    assert read_env_file(path) == {"PLAIN": "a\\b", "QUOTED": "it's one", "JSON": '{"a": "b"}', "EMPTY": ""}
