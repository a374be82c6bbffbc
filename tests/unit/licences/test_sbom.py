"""The bill of materials is whole and valid, and every licence in it is one that we allow where the part is."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def sbom() -> ModuleType:
    spec = importlib.util.spec_from_file_location("floodgate_sbom", ROOT / "deploy/sbom/generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def parts(sbom: ModuleType) -> list[Any]:
    found: list[Any] = sbom.parts()
    return found


def test_every_licence_is_known_and_allowed_where_the_part_is(sbom: ModuleType, parts: list[Any]) -> None:
    assert sbom.faults(parts) == []


@pytest.mark.parametrize(
    ("licence", "shipped", "fault"),
    [
        ("", False, "no licence known"),
        ("GPL-3.0-only", False, "is not allowed here"),
        ("SSPL-1.0", False, "is not allowed here"),
        ("AGPL-3.0-only", True, "is not allowed in an image of a service"),
        ("MIT AND GPL-3.0-only", True, "is not allowed in an image of a service"),
    ],
)
def test_an_unknown_or_forbidden_licence_is_a_fault(
    sbom: ModuleType, parts: list[Any], licence: str, shipped: bool, fault: str
) -> None:
    [said] = sbom.faults([replace(parts[0], license=licence, shipped=shipped)])
    assert fault in said


@pytest.mark.parametrize("licence", ["MIT", "GPL-3.0-only OR MIT", "(MIT OR GPL-3.0-only) AND BSD-3-Clause"])
def test_one_allowed_side_of_a_choice_is_enough(sbom: ModuleType, parts: list[Any], licence: str) -> None:
    assert sbom.faults([replace(parts[0], license=licence, shipped=True)]) == []


def test_the_document_is_cyclonedx(sbom: ModuleType, parts: list[Any]) -> None:
    problem = JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(sbom.bill(parts)))
    assert problem is None, str(problem)[:500]


def test_the_same_locks_give_the_same_bytes(sbom: ModuleType, parts: list[Any]) -> None:
    assert json.dumps(sbom.bill(parts)) == json.dumps(sbom.bill(sbom.parts()))


def test_nothing_that_a_lock_holds_is_missing(parts: list[Any]) -> None:
    known = {part.purl for part in parts}
    for path in (ROOT / "requirements.lock", ROOT / "deploy/aws/requirements.lock"):
        for name, version in re.findall(r"^([a-z0-9][a-z0-9._-]*)==([^\s;\\]+)", path.read_text("utf-8"), re.MULTILINE):
            assert f"pkg:pypi/{name}@{version}" in known
    coordinates = re.findall(r'^"([^:"]+):([^:"]+):([^:"]+)', (ROOT / "deploy/local/jvm.lock").read_text("utf-8"), re.M)
    assert len(coordinates) > 100
    for group, artifact, version in coordinates:
        assert any(purl.startswith(f"pkg:maven/{group}/{artifact}@{version}?") for purl in known)


def test_every_image_of_the_compose_file_is_listed(parts: list[Any]) -> None:
    text = (ROOT / "deploy/compose/compose.yaml").read_text("utf-8")
    used = {found.split(":")[0] for found in re.findall(r"image: \$\{\w+:-([^}]+)\}", text)}
    assert used
    assert used <= {part.name for part in parts}


def test_weights_of_models_are_listed(parts: list[Any]) -> None:
    models = {part.name for part in parts if part.kind == "machine-learning-model"}
    assert models == {"bge-small-en-v1.5", "floodgate-nlu-weights"}
