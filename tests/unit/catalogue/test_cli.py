"""`floodgate catalogue lint` for people and for machines."""

from __future__ import annotations

import json
from typing import Any

from floodgate.catalogue.cli import app
from typer.testing import CliRunner

RUNNER = CliRunner()


def test_a_sound_catalogue_ends_with_success(on_disk: Any) -> None:
    result = RUNNER.invoke(app, ["lint", str(on_disk.directory)])

    assert result.exit_code == 0
    assert "can be used: 0 errors" in result.stdout


def test_an_error_ends_with_failure_and_names_the_place(on_disk: Any) -> None:
    on_disk.edit("categories/refunds.yaml", "team: orders", "team: nobody")

    result = RUNNER.invoke(app, ["lint", str(on_disk.directory), "--json"])

    assert result.exit_code == 1
    answer = json.loads(result.stdout)
    assert answer["usable"] is False
    assert answer["problems"] == [
        {
            "severity": "error",
            "file": "categories/refunds.yaml",
            "line": 4,
            "message": "category 'refunds' names the unknown team 'nobody'",
            "remedy": "correct it or add it to teams.yaml",
        }
    ]


def test_the_directory_comes_from_the_environment_when_none_is_named(on_disk: Any) -> None:
    result = RUNNER.invoke(app, ["lint", "--json"], env={"FLOODGATE_CATALOGUE_DIR": str(on_disk.directory)})

    assert json.loads(result.stdout)["usable"] is True


def test_warnings_fail_only_when_asked_to(on_disk: Any) -> None:
    on_disk.edit("teams.yaml", "2030-01-01", "2020-01-01")

    assert RUNNER.invoke(app, ["lint", str(on_disk.directory)]).exit_code == 0
    assert RUNNER.invoke(app, ["lint", str(on_disk.directory), "--strict"]).exit_code == 1
