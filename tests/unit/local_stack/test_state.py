"""The state folder: ports and secrets chosen once, an env file that a shell and Python read alike."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from floodgate_local import state as state_module
from floodgate_local.environment import stack_env
from floodgate_local.stack import Stack
from floodgate_local.state import SECRET_KEYS, StateDir, read_env
from hypothesis import given
from hypothesis import strategies as st

_PORTS = ["kafka", "kafka-controller", "apicurio", "opensearch", "moto", "bedrock", "featurestore", "intercom"]


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StateDir:
    numbers: Iterator[int] = iter(range(20_000, 30_000))
    monkeypatch.setattr(state_module, "free_ports", lambda count, _taken: [next(numbers) for _ in range(count)])
    return StateDir(tmp_path / "state")


def test_ports_are_chosen_once_and_kept(state: StateDir) -> None:
    first = state.choose_ports(_PORTS)
    assert state.choose_ports(_PORTS) == first
    assert StateDir(state.root).ports() == first
    assert len(set(first.values())) == len(_PORTS)


def test_a_new_component_gets_a_port_and_the_others_keep_theirs(state: StateDir) -> None:
    first = state.choose_ports(["kafka"])
    second = state.choose_ports(["kafka", "shop"])
    assert second["kafka"] == first["kafka"]
    assert second["shop"] != second["kafka"]


def test_a_port_given_up_is_chosen_anew(state: StateDir) -> None:
    first = state.choose_ports(["kafka", "shop"])
    state.forget_ports(["shop"])
    second = state.choose_ports(["kafka", "shop"])
    assert second["kafka"] == first["kafka"]
    assert second["shop"] != first["shop"]


def test_secrets_are_made_once_and_differ_between_stacks(state: StateDir, tmp_path: Path) -> None:
    first = state.secrets()
    assert set(first) == set(SECRET_KEYS)
    assert state.secrets() == first
    assert all(len(value) >= 32 for value in first.values())
    assert len(set(first.values())) == len(first)
    assert not set(StateDir(tmp_path / "other").secrets().values()) & set(first.values())


def test_secrets_are_readable_for_their_owner_alone(state: StateDir) -> None:
    state.secrets()
    state.write_env({"A": "b"})
    for name in ("secrets.json", "env"):
        assert stat.S_IMODE((state.root / name).stat().st_mode) == 0o600, name


@given(
    st.dictionaries(
        st.from_regex(r"[A-Z][A-Z_]{0,9}", fullmatch=True),
        st.text(st.characters(codec="ascii", categories=["L", "N", "P", "S", "Zs"])),
    )
)
def test_the_env_file_reads_back(tmp_path_factory: pytest.TempPathFactory, values: dict[str, str]) -> None:
    state = StateDir(tmp_path_factory.mktemp("env"))
    state.write_env(values)
    assert read_env(state.env_file) == values


def test_what_a_later_step_added_to_the_env_stays(state: StateDir) -> None:
    state.write_env({"A": "1"})
    Stack(state.root).set_env({"FLOODGATE_SQS_QUEUE_URL": "http://127.0.0.1/queue"})
    state.write_env({"A": "2"})
    assert read_env(state.env_file) == {"A": "2", "FLOODGATE_SQS_QUEUE_URL": "http://127.0.0.1/queue"}


def test_the_env_of_a_stack_that_never_ran_is_empty(tmp_path: Path) -> None:
    assert Stack(tmp_path / "none").env() == {}
    assert not (tmp_path / "none").exists()


def test_purging_removes_data_ports_and_secrets(state: StateDir) -> None:
    state.create()
    state.data("kafka").mkdir(parents=True)
    state.choose_ports(_PORTS)
    state.secrets()
    state.write_env({"A": "1"})
    state.purge()
    assert list(state.root.iterdir()) == []


def test_every_server_of_the_env_is_on_loopback(state: StateDir) -> None:
    ports = dict.fromkeys([*_PORTS, "shop"], 20_000)
    env = stack_env(ports, state.secrets())
    addresses = [value for key, value in env.items() if "URL" in key or "SERVERS" in key]
    assert len(addresses) >= 10
    assert all(value.removeprefix("http://").startswith("127.0.0.1:20000") for value in addresses)


def test_the_env_has_every_key_that_the_services_read(state: StateDir) -> None:
    env = stack_env(dict.fromkeys([*_PORTS, "shop"], 20_000), state.secrets())
    assert env.keys() >= {
        "FLOODGATE_KAFKA_BOOTSTRAP_SERVERS",
        "FLOODGATE_SCHEMA_REGISTRY_URL",
        "FLOODGATE_OPENSEARCH_URL",
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_BEDROCK",
        "AWS_ENDPOINT_URL_BEDROCK_RUNTIME",
        "AWS_ENDPOINT_URL_SERVICE_QUOTAS",
        "AWS_ENDPOINT_URL_SAGEMAKER_FEATURESTORE_RUNTIME",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "FLOODGATE_INTERCOM_BASE_URL",
        "FLOODGATE_SHOP_BASE_URL",
        "FLOODGATE_S3_BUCKET",
        *SECRET_KEYS,
    }
    assert env["FLOODGATE_SCHEMA_REGISTRY_URL"].endswith("/apis/ccompat/v7")
