"""The manifests are what Kubernetes takes, by its own schemas, and what the operators take, by operators.yaml."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any, Final

import kubernetes_validate
import pytest
import yaml
from jsonschema import Draft202012Validator, ValidationError
from support.kustomize import Manifest, build, build_by_tool, tool

OVERLAYS: Final = sorted((Path(__file__).parents[3] / "deploy/kubernetes/overlays").iterdir())
VERSION: Final = "1.33"
_OF_OPERATORS: Final[dict[str, Any]] = yaml.safe_load(Path(__file__).with_name("operators.yaml").read_text("utf-8"))
_REFUSALS: Final = (ValidationError, kubernetes_validate.ValidationError, kubernetes_validate.InvalidSchemaError)


def check(manifest: Manifest) -> None:
    """Raises what is wrong with it."""
    if schema := _OF_OPERATORS.get(manifest["kind"]):
        Draft202012Validator(schema).validate(manifest)
    else:
        kubernetes_validate.validate(manifest, VERSION, strict=True)


def first(kind: str) -> Manifest:
    large = next(overlay for overlay in OVERLAYS if overlay.name == "large")
    return deepcopy(next(each for each in build(large) if each["kind"] == kind))


@pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda path: path.name)
def test_every_manifest_keeps_to_its_schema(overlay: Path) -> None:
    manifests = build(overlay)
    for manifest in manifests:
        check(manifest)
    assert len(manifests) > 30


@pytest.mark.parametrize(
    ("kind", "spoil"),
    [
        ("StatefulSet", lambda spec: spec.update(replica=2)),
        ("StatefulSet", lambda spec: spec["template"]["spec"]["containers"][0].update(image=7)),
        ("NetworkPolicy", lambda spec: spec.update(policyTypes="Egress")),
        ("PodDisruptionBudget", lambda spec: spec["selector"].update(matchLabel={})),
        ("ScaledObject", lambda spec: spec.update(maxReplicas=3)),
        ("ScaledObject", lambda spec: spec["triggers"][0]["metadata"].update(lagThreshold=500)),
        ("TriggerAuthentication", lambda spec: spec["secretTargetRef"][0].update(parameter="user")),
        ("PodMonitor", lambda spec: spec["podMetricsEndpoints"][0].update(interval="15")),
    ],
)
def test_a_spoiled_manifest_is_refused(kind: str, spoil: Callable[[Manifest], None]) -> None:
    manifest = first(kind)
    check(manifest)
    spoil(manifest["spec"])
    with pytest.raises(_REFUSALS):
        check(manifest)


@pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda path: path.name)
def test_kustomize_builds_what_the_tests_read(overlay: Path) -> None:
    if tool() is None:
        # `kustomize` or `kubectl` where they are; the reader of the tests refuses what it does not know.
        return
    assert _sorted(_without_hashes(build_by_tool(overlay))) == _sorted(build(overlay))


def _sorted(manifests: list[Manifest]) -> list[str]:
    return sorted(json.dumps(_ordered(each), sort_keys=True) for each in manifests)


def _ordered(value: Any) -> Any:
    """Lists whose order says nothing, in one order."""
    if isinstance(value, dict):
        return {name: _ordered(each) for name, each in value.items()}
    if isinstance(value, list):
        items = [_ordered(each) for each in value]
        return sorted(items, key=lambda each: json.dumps(each, sort_keys=True))
    return value


def _without_hashes(manifests: list[Manifest]) -> list[Manifest]:
    names = [each["metadata"]["name"] for each in manifests if each["kind"] == "ConfigMap"]
    text = json.dumps(manifests)
    for name in names:
        text = text.replace(name, name.rsplit("-", 1)[0])
    built: list[Manifest] = json.loads(text)
    return built
