"""The manifests fit the services: slots, ports, settings, time to stop, who may speak to whom."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from floodgate.events.topics import topics
from keyflow import EngineConfig
from support.kustomize import Manifest, build
from support.service_settings import SERVICES, known, needed

ROOT: Final = Path(__file__).parents[3]
OVERLAYS: Final = {path.name: build(path) for path in sorted((ROOT / "deploy/kubernetes/overlays").iterdir())}
LARGE: Final = OVERLAYS["large"]
JOBS: Final = {"setup", "knowledge"}
STOP: Final = EngineConfig(bootstrap_servers="", group_id="").stop_deadline_seconds + 10
SECRETS: Final = {
    # What each service's own Secret has to hold, as docs/deploy.md says.
    "ingest": {"FLOODGATE_PSEUDONYM_KEY", "FLOODGATE_INTERCOM_TOKEN", "FLOODGATE_INTERCOM_CLIENT_SECRET"},
    "agent": {"FLOODGATE_PSEUDONYM_KEY", "FLOODGATE_SHOP_TOKEN"},
    "delivery": {"FLOODGATE_INTERCOM_TOKEN", "FLOODGATE_INTERCOM_CLIENT_SECRET"},
}


def of_kind(manifests: list[Manifest], *kinds: str) -> dict[str, Manifest]:
    return {each["metadata"]["name"]: each for each in manifests if each["kind"] in kinds}


def pod(manifest: Manifest) -> Manifest:
    spec = manifest["spec"]
    found: Manifest = (spec["jobTemplate"]["spec"] if "jobTemplate" in spec else spec)["template"]
    return found


WORK: Final = of_kind(LARGE, "StatefulSet", "Deployment", "Job", "CronJob")
ENGINES: Final = of_kind(LARGE, "StatefulSet")


def container(name: str) -> Manifest:
    (only,) = pod(WORK[name])["spec"]["containers"]
    return dict(only)


def env_names(name: str) -> Iterator[str]:
    yield from (entry["name"] for entry in container(name).get("env", ()))
    yield from of_kind(LARGE, "ConfigMap")["settings"]["data"]


def labels(name: str) -> dict[str, str]:
    return dict(pod(WORK[name])["metadata"]["labels"])


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_service_is_there_once(overlay: str) -> None:
    names = of_kind(OVERLAYS[overlay], "StatefulSet", "Deployment", "CronJob")
    assert set(names) == {*SERVICES, "summarizer-batch", "summarizer-ledger"}


def test_who_has_processors_is_a_stateful_set_and_its_ordinal_is_the_slot() -> None:
    for name in SERVICES:
        code = (ROOT / f"services/{name}/src/{name}/bootstrap.py").read_text("utf-8")
        assert (name in ENGINES) == ("make_processor(" in code), name
    for name in ENGINES:
        (slot,) = [entry for entry in container(name)["env"] if entry["name"] == "FLOODGATE_KAFKA_INSTANCE"]
        assert slot["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.labels['apps.kubernetes.io/pod-index']"


@pytest.mark.parametrize("name", sorted(WORK))
def test_a_pod_is_locked_down(name: str) -> None:
    spec, only = pod(WORK[name])["spec"], container(name)
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] == 10001
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert spec["automountServiceAccountToken"] is False
    assert only["securityContext"] == {
        "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
    }  # fmt: skip
    assert only["resources"]["limits"]["memory"]
    assert only["resources"]["requests"].keys() == {"cpu", "memory"}
    assert of_kind(LARGE, "ServiceAccount")[spec["serviceAccountName"]]["automountServiceAccountToken"] is False


@pytest.mark.parametrize("name", sorted(set(WORK) - JOBS))
def test_a_stop_has_the_time_that_the_engine_and_the_edge_take(name: str) -> None:
    waits = container(name).get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
    assert pod(WORK[name])["spec"]["terminationGracePeriodSeconds"] >= STOP + waits


@pytest.mark.parametrize("name", sorted(set(WORK) - JOBS))
def test_health_is_asked_where_the_image_answers(name: str) -> None:
    dockerfile = (ROOT / "deploy/images/Dockerfile").read_text("utf-8")
    ports = {port["name"]: port["containerPort"] for port in container(name)["ports"]}
    assert f"FLOODGATE_METRICS_PORT={ports['metrics']}" in dockerfile
    for probe in ("startupProbe", "livenessProbe"):
        assert container(name)[probe]["httpGet"] == {"path": "/healthz", "port": "metrics"}


@pytest.mark.parametrize("name", sorted(WORK))
def test_every_variable_is_one_that_some_code_reads(name: str) -> None:
    assert set(env_names(name)) <= known()


@pytest.mark.parametrize("name", SERVICES)
def test_what_a_service_cannot_start_without_comes_from_the_settings_or_its_own_secret(name: str) -> None:
    sources = container(name)["envFrom"]
    assert sources == [{"configMapRef": {"name": "settings"}}, {"secretRef": {"name": name}}]
    assert needed(name) - set(env_names(name)) <= SECRETS.get(name, set())


def test_no_secret_stands_in_the_settings() -> None:
    for manifests in OVERLAYS.values():
        names = of_kind(manifests, "ConfigMap")["settings"]["data"]
        assert [name for name in names if re.search(r"TOKEN|SECRET|_KEY$|PASSWORD", name)] == []
        assert of_kind(manifests, "Secret") == {}


def test_each_pod_may_reach_what_its_service_uses_and_nothing_more() -> None:
    uses = {"kafka": "KafkaSettings", "registry": "RegistrySettings", "opensearch": "OpenSearchSettings"}
    for name in SERVICES:
        code = (ROOT / f"services/{name}/src/{name}/bootstrap.py").read_text("utf-8")
        for use, settings in uses.items():
            wanted = settings in code or (use == "kafka" and "Service(" in code)
            assert (f"floodgate/{use}" in labels(name)) == wanted, f"{name}: {use}"
        assert ("floodgate/edge" in labels(name)) == ("HttpApp(" in code), name
    policies = of_kind(LARGE, "NetworkPolicy")
    assert policies["nothing-else"]["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    known_uses = {use for name in WORK for use in labels(name) if use.startswith("floodgate/")} - {"floodgate/engine"}
    chosen = {use for each in policies.values() for use in each["spec"]["podSelector"].get("matchLabels", {})}
    assert known_uses <= chosen


def test_selectors_find_their_pods_and_every_service_has_a_disruption_budget() -> None:
    for name in set(WORK) - JOBS:
        assert WORK[name]["spec"]["selector"]["matchLabels"].items() <= labels(name).items()
    budgets = of_kind(LARGE, "PodDisruptionBudget")
    assert set(budgets) == set(SERVICES) - JOBS
    for name, budget in budgets.items():
        assert budget["spec"]["selector"]["matchLabels"].items() <= labels(name).items()


def test_each_group_is_scaled_by_its_own_lag_and_by_no_more_than_there_are_partitions() -> None:
    settings = of_kind(LARGE, "ConfigMap")["settings"]["data"]
    declared = {reader for topic in topics().values() for reader in topic.readers}
    for name, scaled in of_kind(LARGE, "ScaledObject").items():
        spec = scaled["spec"]
        assert spec["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": name}
        assert 0 < spec["minReplicaCount"] <= spec["maxReplicaCount"] <= int(settings["FLOODGATE_KAFKA_PARTITIONS"])
        groups = {trigger["metadata"]["consumerGroup"].removeprefix("floodgate.") for trigger in spec["triggers"]}
        code = "\n".join(path.read_text("utf-8") for path in (ROOT / f"services/{name}").rglob("*.py"))
        own = {reader for reader in declared if re.fullmatch(rf"{name}(-(closed|status|store))?", reader)}
        assert groups == own, name
        assert all(f'"{group}"' in code for group in groups)
        for trigger in spec["triggers"]:
            assert trigger["type"] == "kafka"
            assert trigger["metadata"]["excludePersistentLag"] == "true"
            assert trigger["metadata"]["bootstrapServersFromEnv"] in set(env_names(name))
    # One process counts.
    assert set(of_kind(LARGE, "ScaledObject")) == set(ENGINES) - {"pulse"}


def test_without_autoscaling_there_is_one_process_of_each() -> None:
    small: dict[str, Any] = of_kind(OVERLAYS["small"], "StatefulSet", "Deployment")
    assert all(each["spec"].get("replicas", 1) == 1 for each in small.values())
    assert of_kind(OVERLAYS["small"], "ScaledObject") == {}
