"""What the agent declares of the shop is what the shop's own description says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from agent.backends.declared import CALLS, SHOP
from agent.domain.calls import CallSpec
from agent.domain.types import Kind
from floodgate_local.shop.app import create_app
from floodgate_local.shop.seed import seed
from floodgate_local.shop.store import ShopStore


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    store = ShopStore(Path(tmp_path_factory.mktemp("shop")) / "shop.sqlite", today=None, seeder=seed)
    app: Any = create_app(store, "token")
    while not hasattr(app, "openapi"):
        app = next(part for part in (getattr(app, "app", None), getattr(app, "_app", None)) if part is not None)
    content: dict[str, Any] = app.openapi()
    return content


def operation(described: dict[str, Any], spec: CallSpec) -> dict[str, Any]:
    method = "post" if spec.changes else "get"
    wanted = re.sub(r"{\w+}", "{}", spec.path)
    for path, methods in described["paths"].items():
        if re.sub(r"{\w+}", "{}", path) == wanted and method in methods:
            found: dict[str, Any] = methods[method]
            return found
    raise AssertionError(f"{spec.name}: the shop describes no {method} {spec.path}")


def resolved(described: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        schema = described["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    options = [option for option in schema.get("anyOf", ()) if option.get("type") != "null"]
    return resolved(described, options[0]) if options else schema


NAMES = {"string": "string", "integer": "int", "boolean": "bool", "array": "list", "object": "record"}


def compare(described: dict[str, Any], kind: Kind, schema: dict[str, Any], where: str) -> None:
    schema = resolved(described, schema)
    assert NAMES[schema["type"]] == kind.base, where
    for name, field in kind.fields.items():
        assert name in schema["properties"], f"{where}.{name}"
        compare(described, field, schema["properties"][name], f"{where}.{name}")
    if kind.item is not None:
        compare(described, kind.item, schema["items"], f"{where}[]")


@pytest.mark.parametrize("name", sorted(CALLS))
def test_every_declared_call_exists_with_its_body(described, name):
    spec = CALLS[name]
    body = operation(described, spec).get("requestBody", {}).get("content", {}).get("application/json", {})
    fields = resolved(described, body.get("schema", {})).get("properties", {})
    assert {*spec.body, *spec.fixed_body} <= set(fields), name


@pytest.mark.parametrize("name", [name for name, spec in CALLS.items() if not spec.changes])
def test_what_a_look_up_answers_has_the_declared_types(described, name):
    schema = operation(described, CALLS[name])["responses"]["200"]["content"]["application/json"]["schema"]
    compare(described, CALLS[name].answer, schema, name)


def test_every_change_takes_the_declared_headers(described):
    for spec in CALLS.values():
        if spec.changes:
            headers = {parameter["name"].lower() for parameter in operation(described, spec)["parameters"]}
            assert {SHOP["idempotency_header"].lower(), SHOP["user_header"].lower()} <= headers, spec.name


def test_every_refusal_of_the_shop_is_declared_and_no_other():
    source = Path(__file__).parents[3] / "deploy/local/src/floodgate_local/shop/actions.py"
    text = source.read_text(encoding="utf-8")
    said = set(re.findall(r'ShopError\(\d{3}, "(\w+)"', text))
    declared = {code for spec in CALLS.values() for code in spec.refusals}
    assert declared == said
