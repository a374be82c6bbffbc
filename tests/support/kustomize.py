"""What `kustomize build` makes of the manifests here, by a reader of the few fields that they use.

The reader refuses what it does not know. Where the tool is installed, a test compares both.
"""

from __future__ import annotations

import copy
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import yaml

Manifest = dict[str, Any]
_KNOWN: Final = {
    "apiVersion", "kind", "resources", "components", "namespace", "configMapGenerator", "patches", "labels",
}  # fmt: skip
_MERGE_KEYS: Final = {
    "containers": "name", "env": "name", "volumes": "name", "volumeMounts": "mountPath", "ports": "containerPort",
    "topologySpreadConstraints": "topologyKey",
}  # fmt: skip


def tool() -> list[str] | None:
    """The command that builds, where there is one."""
    if shutil.which("kustomize"):
        return ["kustomize", "build"]
    return ["kubectl", "kustomize"] if shutil.which("kubectl") else None


def build_by_tool(folder: Path) -> list[Manifest]:
    command = tool()
    assert command is not None
    done = subprocess.run([*command, str(folder)], capture_output=True, text=True, check=True)
    return list(yaml.safe_load_all(done.stdout))


def build(folder: Path, inherited: list[Manifest] | None = None) -> list[Manifest]:
    """The manifests of a kustomization; a component changes what it inherits."""
    wanted = yaml.safe_load((folder / "kustomization.yaml").read_text("utf-8"))
    assert set(wanted) <= _KNOWN, f"{folder}: the reader does not know {set(wanted) - _KNOWN}"
    found = list(inherited or ())
    for name in wanted.get("resources", ()):
        place = folder / name
        found += build(place) if place.is_dir() else list(yaml.safe_load_all(place.read_text("utf-8")))
    for generated in wanted.get("configMapGenerator", ()):
        _generate(found, generated, folder)
    for name in wanted.get("components", ()):
        found = build(folder / name, found)
    for patch in wanted.get("patches", ()):
        _patch(found, patch, folder)
    for label in wanted.get("labels", ()):
        for manifest in found:
            _label(manifest, label["pairs"])
    if namespace := wanted.get("namespace"):
        for manifest in found:
            if manifest["kind"] != "Namespace":
                manifest["metadata"]["namespace"] = namespace
    return found


def _generate(found: list[Manifest], wanted: Manifest, folder: Path) -> None:
    lines = [line for name in wanted["envs"] for line in (folder / name).read_text("utf-8").splitlines()]
    data = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    name = wanted["name"]
    if wanted.get("behavior") == "merge":
        next(m for m in found if m["kind"] == "ConfigMap" and m["metadata"]["name"] == name)["data"].update(data)
    else:
        found.append({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data})


def _patch(found: list[Manifest], patch: Manifest, folder: Path) -> None:
    ((key, kinds),) = patch["target"].items()
    assert key == "kind", f"the reader knows no target by {key}"
    content = yaml.safe_load((folder / patch["path"]).read_text("utf-8") if "path" in patch else patch["patch"])
    for manifest in found:
        if not re.fullmatch(kinds, manifest["kind"]):
            continue
        if isinstance(content, list):
            for step in content:
                _replace(manifest, step)
        else:
            kept = {name: value for name, value in content.items() if name not in ("apiVersion", "kind", "metadata")}
            _merge(manifest, copy.deepcopy(kept))


def _replace(manifest: Manifest, step: Manifest) -> None:
    assert step["op"] == "replace", f"the reader knows no {step['op']}"
    *parents, last = step["path"].strip("/").split("/")
    for name in parents:
        manifest = manifest[name]
    assert last in manifest
    manifest[last] = step["value"]


def _merge(into: Manifest, patch: Manifest) -> None:
    for name, value in patch.items():
        if isinstance(value, dict) and isinstance(into.get(name), dict):
            _merge(into[name], value)
        elif isinstance(value, list) and name in _MERGE_KEYS and name in into:
            _merge_items(into[name], value, _MERGE_KEYS[name])
        else:
            into[name] = value


def _merge_items(into: list[Manifest], items: list[Manifest], key: str) -> None:
    by_key = {item[key]: item for item in into}
    for item in items:
        if item[key] in by_key:
            _merge(by_key[item[key]], item)
        else:
            into.append(item)


def _label(manifest: Manifest, pairs: dict[str, str]) -> None:
    manifest["metadata"].setdefault("labels", {}).update(pairs)
    for path in (("spec", "template"), ("spec", "jobTemplate"), ("spec", "jobTemplate", "spec", "template")):
        place: Any = manifest
        for name in path:
            place = place.get(name, {}) if isinstance(place, dict) else {}
        if place:
            place.setdefault("metadata", {}).setdefault("labels", {}).update(pairs)
