"""Intercom's published OpenAPI description as a judge of requests and responses.

The description is not part of this repository: it is looked for in `../shared/reference/intercom/` beside the checkout
(or under `FLOODGATE_SHARED`), and what needs it is skipped where it is absent.
"""

import json
import os
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from floodgate.intercom import IntercomClient, IntercomSettings
from floodgate_local.inprocess import serving
from floodgate_local.intercom.app import create_app
from floodgate_local.intercom.settings import StandInSettings
from jsonschema import FormatChecker
from openapi_schema_validator import OAS30Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT4

_DESCRIPTION = "reference/intercom/api.intercom.io-2.16.yaml"
_ERROR = {"$ref": "intercom#/components/schemas/error"}
_TEMPLATES = (
    "/me",
    "/admins",
    "/teams",
    "/tags",
    "/data_attributes",
    "/conversations/attributes",
    "/conversations/search",
    "/conversations",
    "/conversations/{conversation_id}",
    "/conversations/{conversation_id}/reply",
    "/conversations/{conversation_id}/parts",
    "/conversations/{conversation_id}/tags",
    "/conversations/{conversation_id}/tags/{tag_id}",
    "/contacts/{contact_id}",
)


class Description:
    """The published description, as far as the calls of `_TEMPLATES` go."""

    def __init__(self, document: dict[str, Any]) -> None:
        # A quirk of the description: an id of exactly 24 characters cannot be a uuid, which has 36.
        request = document["components"]["schemas"]["create_conversation_request"]
        del request["properties"]["from"]["properties"]["id"]["format"]
        self._paths = document["paths"]
        resource = Resource.from_contents(_absolute(document), default_specification=DRAFT4)
        self._registry: Registry[Any] = Registry().with_resource("intercom", resource)
        self._formats = FormatChecker(formats=["email"])
        self._formats.checks("uuid")(lambda value: not isinstance(value, str) or _is_uuid(value))

    def operation(self, method: str, path: str) -> tuple[str, dict[str, Any]]:
        """The template and the operation of a request.

        Raises:
            AssertionError: The description has no such call.
        """
        for template in _TEMPLATES:
            if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path):
                operation = self._paths[template].get(method.lower())
                assert operation is not None, f"{method} {template} is not described"
                return template, operation
        raise AssertionError(f"{path} is not described")

    def problems_of_request(self, request: httpx.Request) -> list[str]:
        """What the description has against a request: its parameters and its body."""
        template, operation = self.operation(request.method, request.url.path)
        problems = []
        for parameter in operation.get("parameters", []):
            value = _parameter(parameter, template, request)
            if value is None:
                if parameter.get("required"):
                    problems.append(f"parameter {parameter['name']} is missing")
                continue
            read = _as_type(value, parameter["schema"].get("type"))
            problems += [f"parameter {parameter['name']}: {p}" for p in self._problems(parameter["schema"], read)]
        described = operation.get("requestBody")
        if described is not None:
            assert request.headers["content-type"] == "application/json"
            schema = described["content"]["application/json"]["schema"]
            problems += self._problems(schema, json.loads(request.content))
        elif request.content:
            problems.append("a body where none is described")
        return problems

    def problems_of_body(self, method: str, path: str, body: Any) -> list[str]:
        _, operation = self.operation(method, path)
        return self._problems(operation["requestBody"]["content"]["application/json"]["schema"], body)

    def problems_of_response(self, request: httpx.Request, response: httpx.Response) -> list[str]:
        """What the description has against a response. Undescribed refusals must be error lists."""
        _, operation = self.operation(request.method, request.url.path)
        described = operation["responses"].get(str(response.status_code))
        if described is None:
            assert response.status_code >= 400, f"{response.status_code} is not described"
            schema = _ERROR
        else:
            schema = described["content"]["application/json"]["schema"]
        return self._problems(schema, response.json())

    def _problems(self, schema: Mapping[str, Any], instance: Any) -> list[str]:
        validator = OAS30Validator(_absolute(schema), registry=self._registry, format_checker=self._formats)
        return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(instance)]


@dataclass
class Exchanges(httpx.AsyncBaseTransport):
    """Passes requests on and keeps what was asked and answered."""

    inner: httpx.AsyncBaseTransport
    kept: list[tuple[httpx.Request, httpx.Response]] = field(default_factory=list)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self.inner.handle_async_request(request)
        await response.aread()
        if not request.url.path.startswith("/_local"):
            self.kept.append((request, response))
        return response


@pytest.fixture(scope="session")
def description() -> Description:
    shared = os.environ.get("FLOODGATE_SHARED")
    root = Path(shared) if shared else Path(__file__).parents[4] / "shared"
    path = root / _DESCRIPTION
    if not path.is_file():
        pytest.skip(f"needs Intercom's OpenAPI description at shared/{_DESCRIPTION} (FLOODGATE_SHARED names shared/)")
    return Description(yaml.load(path.read_text(encoding="utf-8"), Loader=_loader()))


@pytest.fixture
async def exchanges(tmp_path: Path) -> AsyncIterator[Exchanges]:
    settings = StandInSettings(token="local-token", client_secret="client-secret", state_dir=tmp_path)
    async with serving(create_app(settings)) as transport:
        yield Exchanges(transport)


@pytest.fixture
async def local(exchanges: Exchanges) -> AsyncIterator[httpx.AsyncClient]:
    """Raw calls with the token."""
    headers = {"Authorization": "Bearer local-token", "Intercom-Version": "2.16"}
    async with httpx.AsyncClient(transport=exchanges, base_url="http://intercom.test", headers=headers) as client:
        yield client


@pytest.fixture
async def client(exchanges: Exchanges) -> AsyncIterator[IntercomClient]:
    settings = IntercomSettings(
        token="local-token", client_secret="client-secret", base_url="http://intercom.test", bot_admin_id="5001"
    )
    async with IntercomClient(settings, transport=exchanges) as client:
        yield client


@pytest.fixture
async def begun(local: httpx.AsyncClient) -> dict[str, str]:
    """A conversation: `conversation_id`, `contact_id`."""
    body = {
        "external_id": "cust-0001",
        "name": "Bram Verhoeve",
        "language": "nl",
        "country": "NL",
        "path": "tickets/resend",
        "text": "Waar zijn mijn kaartjes?",
    }
    answer = await local.post("/_local/conversations", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def _loader() -> Any:
    # Times in the examples would otherwise become datetimes, which JSON has not.
    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # chosen at run time
        pass

    Loader.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    return Loader


def _absolute(node: Any) -> Any:
    """References within the description, made to be found from anywhere."""
    if isinstance(node, Mapping):
        return {
            key: f"intercom{value}"
            if key == "$ref" and isinstance(value, str) and value[0] == "#"
            else _absolute(value)
            for key, value in node.items()
        }
    return [_absolute(item) for item in node] if isinstance(node, list) else node


def _is_uuid(value: str) -> bool:
    return re.fullmatch(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", value) is not None


def _parameter(parameter: Mapping[str, Any], template: str, request: httpx.Request) -> str | None:
    name = parameter["name"]
    match parameter["in"]:
        case "header":
            return request.headers.get(name)
        case "query":
            return request.url.params.get(name)
    index = template.split("/").index(f"{{{name}}}")
    return request.url.path.split("/")[index]


def _as_type(value: str, kind: str | None) -> Any:
    if kind == "integer" and value.isdigit():
        return int(value)
    if kind == "boolean" and value in ("true", "false"):
        return value == "true"
    return value
