"""The Dockerfiles keep to the rules that linters for them have, and everything in a shell can be parsed."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[3]
FILES: Final = {str(path.relative_to(ROOT)): path for path in sorted((ROOT / "deploy").rglob("Dockerfile"))}
SERVICE: Final = FILES["deploy/images/Dockerfile"].read_text("utf-8")
SCRIPTS: Final = [
    str(path.relative_to(ROOT))
    for folder in (".ci", "deploy/images", "deploy/compose")
    for path in sorted((ROOT / folder).rglob("*"))
    if path.is_file() and re.match(rb"#!\S*(/sh|env bash)\n", path.read_bytes())
]
_KNOWN: Final = {
    *("ARG", "FROM", "RUN", "COPY", "LABEL", "ENV", "USER", "WORKDIR", "EXPOSE", "STOPSIGNAL", "HEALTHCHECK"),
    *("ENTRYPOINT", "CMD"),
}


def instructions(text: str) -> list[tuple[str, str]]:
    """Name and the rest of every instruction; lines that go on are one."""
    lines = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#")).replace("\\\n", " ")
    parts = [line.split(None, 1) for line in lines.splitlines() if line.strip()]
    return [(name, rest) for name, rest in parts]


def complaints(text: str, syntax: Callable[[str], str] = lambda line: parsed("sh", line)) -> list[str]:
    """What is wrong with a Dockerfile."""
    found = ["a syntax line is pulled from a registry"] if re.match(r"#\s*syntax\s*=", text) else []
    stages: set[str] = set()
    for name, rest in instructions(text):
        if name not in _KNOWN:
            found.append(f"{name} is not wanted")
        elif name == "FROM":
            source, *alias = rest.split(" AS ")
            if source not in stages | {"scratch"} and not re.fullmatch(r"\$\{\w+\}|\S+:(?!latest$)\S+", source):
                found.append(f"FROM {source} names no version")
            stages.update(alias)
        elif name == "COPY":
            found += _copied(rest.split(), stages)
        elif name == "RUN":
            found += _run(rest) + [said for said in [syntax(rest)] if said]
        elif name in ("ENTRYPOINT", "CMD") and not _is_list(rest):
            found.append(f"{name} starts a shell that keeps signals to itself")
        elif name in ("ARG", "ENV") and re.search(r"TOKEN|SECRET|PASSWORD|_KEY\b", rest):
            found.append(f"{name} keeps a secret in the image")
    users = [rest for name, rest in instructions(text) if name == "USER"]
    return found if users and users[-1].split(":")[0] not in ("root", "0") else [*found, "it runs as root"]


def _copied(words: list[str], stages: set[str]) -> list[str]:
    stage = next((word.removeprefix("--from=") for word in words if word.startswith("--from=")), None)
    return [f"COPY from {stage}, which no stage before is called"] if stage is not None and stage not in stages else []


def _run(line: str) -> list[str]:
    found = []
    if "apt-get install" in line:
        wanted = ("apt-get update", " -y", "--no-install-recommends", "rm -rf /var/lib/apt/lists")
        found += [f"apt-get install without {part.strip()}" for part in wanted if part not in line]
    for command in re.findall(r"pip [^&|]*?\binstall\b[^&|]*", line):
        if "--no-index" not in command and not ("--require-hashes" in command and "--no-cache-dir" in command):
            found.append("pip install without hashes, or with a cache that stays")
    if re.search(r"\bsudo\b|(curl|wget)[^&]*\|\s*(ba)?sh", line):
        found.append("sudo, or what was downloaded is run")
    return found


def _is_list(rest: str) -> bool:
    try:
        return isinstance(json.loads(rest), list)
    except ValueError:
        return False


def parsed(shell: str, text: str) -> str:
    """What the shell says against it, without running it."""
    done = subprocess.run([shell, "-n"], input=text, capture_output=True, text=True, check=False)
    return done.stderr.strip()


@pytest.mark.parametrize("name", FILES)
def test_a_dockerfile_keeps_to_the_rules(name: str) -> None:
    assert complaints(FILES[name].read_text("utf-8")) == []


def test_everything_that_is_copied_into_a_service_image_is_there() -> None:
    for name, rest in instructions(SERVICE):
        words = [word for word in rest.split() if not word.startswith("--")]
        if name == "COPY" and "--from" not in rest:
            for source in words[:-1]:
                place = source.replace("${SERVICE}", "firewall").replace("${ROOM}", "services/firewall")
                assert (ROOT / place).exists(), source


def test_a_service_is_process_1_says_its_health_and_how_it_is_stopped() -> None:
    last = dict(instructions(SERVICE.rpartition("\nFROM ")[2].partition("\n")[2]))
    assert "exec python" in last["ENTRYPOINT"]
    assert "/healthz" in last["HEALTHCHECK"]
    assert last["STOPSIGNAL"] == "SIGTERM"


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_can_be_parsed(name: str) -> None:
    text = (ROOT / name).read_text("utf-8")
    assert parsed("bash" if "bash" in text.splitlines()[0] else "sh", text) == ""


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (SERVICE.replace("USER 10001:10001\n", ""), "it runs as root"),
        (SERVICE.replace("ARG PYTHON_IMAGE", "# syntax=docker/dockerfile:1\nARG PYTHON_IMAGE", 1)
         .partition("# No `# syntax=`")[2].partition("\n")[2], "a syntax line is pulled from a registry"),
        (SERVICE.replace("FROM scratch", "FROM debian"), "FROM debian names no version"),
        (SERVICE.replace("--from=libs", "--from=lib"), "COPY from lib, which no stage before is called"),
        (SERVICE.replace(" && rm -rf /var/lib/apt/lists/*", ""), "apt-get install without rm -rf /var/lib/apt/lists"),
        (SERVICE.replace("--require-hashes", "", 1), "pip install without hashes, or with a cache that stays"),
        (SERVICE.replace("COPY libs", "ADD libs"), "ADD is not wanted"),
        (SERVICE + "ENV SHOP_TOKEN=1\n", "ENV keeps a secret in the image"),
        (SERVICE + "CMD serve\n", "CMD starts a shell that keeps signals to itself"),
    ],
)  # fmt: skip
def test_a_broken_dockerfile_is_refused(broken: str, says: str) -> None:
    assert says in complaints(broken, syntax=lambda line: "")


def test_a_command_that_no_shell_takes_is_refused() -> None:
    assert complaints(SERVICE.replace("; done", ";", 1)) != []
