"""What AWS's overlay adds fits the manifests, the services' settings and the stacks."""

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[3]
OVERLAY = ROOT / "deploy/aws/overlay"
BASE = ROOT / "deploy/kubernetes/base"
STACKS = ROOT / "deploy/aws/src/floodgate_aws"


def documents(path: Path) -> list[dict]:
    return [each for each in yaml.safe_load_all(path.read_text(encoding="utf-8")) if each]


def test_every_secret_that_a_manifest_names_is_copied() -> None:
    manifests = " ".join(path.read_text(encoding="utf-8") for path in BASE.rglob("*.yaml"))
    named = set(re.findall(r"secretRef: \{name: ([a-z-]+)\}", manifests))
    copied = {
        each["metadata"]["name"] for each in documents(OVERLAY / "secrets.yaml") if each["kind"] == "ExternalSecret"
    }
    assert copied == named


def test_every_service_account_has_a_role() -> None:
    """By the names in the stacks: who has a secret has a role, and the manifests name nobody else."""
    accounts = {each["metadata"]["name"] for each in documents(BASE / "accounts.yaml")}
    data = (STACKS / "data.py").read_text(encoding="utf-8")
    declared = re.search(r"SECRETS: Final = \((.*?)\)", data, re.DOTALL)
    assert declared is not None
    assert set(re.findall(r'"([a-z]+)"', declared[1])) == accounts


def test_what_is_to_be_filled_in_is_an_output_of_a_stack() -> None:
    stacks = " ".join(path.read_text(encoding="utf-8") for path in STACKS.glob("*.py"))
    for path in OVERLAY.iterdir():
        for name in re.findall(r"FILL-IN-([A-Za-z]+)", path.read_text(encoding="utf-8")):
            assert f'"{name}"' in stacks or f'"Out{name}"' in stacks, f"{path.name}: {name}"
