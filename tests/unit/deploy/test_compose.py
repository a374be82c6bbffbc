"""The compose file gives every service what it needs, and nothing that no code reads."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from keyflow import EngineConfig
from support.service_settings import SERVICES, known, needed

ROOT: Final = Path(__file__).parents[3]
FOLDER: Final = ROOT / "deploy/compose"
TEXT: Final = (FOLDER / "compose.yaml").read_text("utf-8")
COMPOSE: Final[dict[str, Any]] = yaml.safe_load(TEXT)
PARTS: Final[dict[str, dict[str, Any]]] = COMPOSE["services"]
OURS: Final = {
    name: part for name, part in PARTS.items() if str(part["image"]).startswith("floodgate/") and name != "opensearch"
}
EXAMPLE: Final = (FOLDER / ".env.example").read_text("utf-8")
SECRET: Final = re.compile(r"(TOKEN|SECRET|KEY|PASSWORD|PASSWORD_HASH)$")
STOP: Final = EngineConfig(bootstrap_servers="", group_id="").stop_deadline_seconds + 10


def image(part: dict[str, Any]) -> str:
    return str(part["image"]).removeprefix("floodgate/").split(":")[0]


def test_every_service_is_there() -> None:
    assert set(SERVICES) <= {image(part) for part in OURS.values()}
    assert {"summarizer-batch", "summarizer-ledger"} <= set(PARTS)


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_given_every_setting_that_it_cannot_start_without(service: str) -> None:
    # The settings of what runs beside the summarizer are the summarizer's too.
    assert needed(service) <= set(PARTS[service]["environment"])


@pytest.mark.parametrize("name", sorted(OURS))
def test_nothing_is_set_that_no_code_reads(name: str) -> None:
    assert set(OURS[name].get("environment", ())) <= known() | {"AWS_REGION"}


@pytest.mark.parametrize("name", sorted(OURS))
def test_our_containers_are_locked_down_and_have_time_to_stop(name: str) -> None:
    part = OURS[name]
    assert part["read_only"] is True
    assert part["user"] == "10001:10001"
    assert part["cap_drop"] == ["ALL"]
    assert part["security_opt"] == ["no-new-privileges:true"]
    assert float(part["stop_grace_period"].removesuffix("s")) >= STOP


def test_a_secret_is_known_to_those_who_need_it_alone() -> None:
    holders = {
        "FLOODGATE_PSEUDONYM_KEY": {"ingest", "agent"},
        "FLOODGATE_INGEST_API_KEY": {"ingest"},
        "FLOODGATE_INTERCOM_TOKEN": {"ingest", "delivery", "intercom"},
        "FLOODGATE_INTERCOM_CLIENT_SECRET": {"ingest", "delivery", "intercom"},
        "FLOODGATE_SHOP_TOKEN": {"agent", "shop"},
        "FLOODGATE_CONSOLE_PROXY_SECRET": {"console", "door"},
        "FLOODGATE_CONSOLE_SESSION_SECRET": {"console"},
        "CONSOLE_PASSWORD_HASH": {"door"},
    }
    for secret, expected in holders.items():
        assert {name for name, part in PARTS.items() if secret in part.get("environment", ())} == expected


def test_no_secret_has_a_default_and_the_example_names_each() -> None:
    secrets = {name for name, default in re.findall(r"\$\{([A-Z_]+)(:?[-?][^}]*)?\}", TEXT) if SECRET.search(name)}
    for secret in secrets - {"AWS_SECRET_ACCESS_KEY"}:
        assert f"${{{secret}:?" in TEXT, secret
        assert re.search(rf"^{secret}=(generate|password)$", EXAMPLE, re.MULTILINE), secret


def test_every_variable_of_the_example_is_one_of_the_compose_file() -> None:
    named = set(re.findall(r"^#?([A-Z_]+)=", EXAMPLE, re.MULTILINE))
    assert named <= set(re.findall(r"\$\{([A-Z_0-9]+)", TEXT)) | {"COMPOSE_PROFILES"}


def test_nothing_is_published_beyond_this_machine() -> None:
    for part in PARTS.values():
        assert all(port.startswith("127.0.0.1:") for port in part.get("ports", ()))


def test_nobody_waits_for_what_is_not_there_and_services_wait_for_their_topics() -> None:
    for name, part in PARTS.items():
        assert set(part.get("depends_on", ())) <= set(PARTS), name
    for service in SERVICES:
        assert PARTS[service]["depends_on"]["setup"]["condition"] == "service_completed_successfully"


def test_prometheus_scrapes_every_service_and_what_is_mounted_is_there() -> None:
    jobs = yaml.safe_load((FOLDER / "prometheus.yaml").read_text("utf-8"))["scrape_configs"]
    targets = {target.split(":")[0] for job in jobs for group in job["static_configs"] for target in group["targets"]}
    # The knowledge job opens no port.
    assert targets == {*SERVICES, "summarizer-batch", "summarizer-ledger"} - {"knowledge"}
    for part in PARTS.values():
        for volume in part.get("volumes", ()):
            source = volume.split(":")[0]
            assert (FOLDER / source).exists() if source.startswith(".") else source in COMPOSE["volumes"]


def test_compose_itself_takes_the_file(tmp_path: Path) -> None:
    if (
        shutil.which("docker") is None
        or subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode
    ):
        # The checks above hold without the plugin.
        return
    env = tmp_path / "env"
    env.write_text(EXAMPLE.replace("=generate", "=0123456789abcdef").replace("=password", "='$2a$14$x'"), "utf-8")
    done = subprocess.run(
        ["docker", "compose", "--project-directory", str(FOLDER), "--env-file", str(env), "config", "--quiet"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
