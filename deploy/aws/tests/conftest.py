"""Every test asks templates that are synthesised once for a profile."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest
from aws_cdk.assertions import Template
from floodgate_aws.app import build
from floodgate_aws.profile import PROFILES, Site

ACCOUNT = "111122223333"
PLACE = {"account": ACCOUNT, "region": "eu-central-1"}


class Synthesised:
    """The templates of one site, by the last part of the stack's name."""

    def __init__(self, **context: str) -> None:
        self.folder = Path(mkdtemp(prefix="floodgate-aws-"))
        self.site = Site.read({**PLACE, **context})
        build(self.site, str(self.folder)).synth()
        self.files = sorted(self.folder.glob("*.template.json"))
        self.templates: dict[str, dict[str, Any]] = {
            file.name.removeprefix("Floodgate").removesuffix(".template.json"): json.loads(file.read_text())
            for file in self.files
        }

    def __getitem__(self, stack: str) -> Template:
        return Template.from_json(self.templates[stack])

    def resources(self, kind: str | None = None) -> Iterator[tuple[str, dict[str, Any]]]:
        for stack, template in self.templates.items():
            for name, resource in template["Resources"].items():
                if kind is None or resource["Type"] == kind:
                    yield f"{stack}/{name}", resource

    def properties(self, kind: str) -> list[dict[str, Any]]:
        return [resource.get("Properties", {}) for _, resource in self.resources(kind)]

    def statements(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Every statement of every policy, with where it stands."""
        for where, resource in self.resources():
            for document in documents(resource.get("Properties", {})):
                for statement in document["Statement"]:
                    yield where, statement

    def role_statements(self, role: str) -> list[dict[str, Any]]:
        """Of the policies that are written for one role."""
        return [
            statement
            for where, resource in self.resources("AWS::IAM::Policy")
            if where.startswith(f"Identity/{role.title()}RoleDefaultPolicy")
            for statement in resource["Properties"]["PolicyDocument"]["Statement"]
        ]


def documents(value: Any) -> Iterator[dict[str, Any]]:
    """Policy documents anywhere in a resource."""
    if isinstance(value, dict):
        if "Statement" in value:
            yield value
        else:
            for each in value.values():
                yield from documents(each)
    elif isinstance(value, list):
        for each in value:
            yield from documents(each)


def listed(value: Any) -> list[Any]:
    """CloudFormation writes a list of one as the one."""
    return value if isinstance(value, list) else [value]


@cache
def synthesised(profile: str) -> Synthesised:
    return Synthesised(profile=profile)


@pytest.fixture(scope="session", params=sorted(PROFILES))
def site(request: pytest.FixtureRequest) -> Synthesised:
    return synthesised(request.param)


@pytest.fixture(scope="session")
def small() -> Synthesised:
    return synthesised("small")
