"""Requests made from the OpenAPI description that ingest publishes: it says of each what is wrong."""

from __future__ import annotations

import warnings
from typing import Any

from ingest.edge import EdgeWriter
from ingest.http.app import make_app
from ingest.http.rest import RestApi
from ingest.settings import IngestSettings
from ingest_fakes import FakeSink, FakeTimeline, clock
from ingest_samples import PSEUDONYMS
from pydantic import SecretStr
from schemathesis import Case
from support.openapi_fuzzing import fuzz, operations

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Starlette announces another client for its tests
    from starlette.testclient import TestClient

KEY = "the-key-of-the-test"


async def nothing_missing() -> dict[str, str]:
    return {}


def client() -> TestClient:
    notices = {"": "This is automated."}
    rest = RestApi(
        EdgeWriter(FakeSink(), "rest", timeout_seconds=1),
        FakeTimeline(),
        PSEUDONYMS,
        clock,
        lambda name: notices.get(name, ""),
    )
    app = make_app(IngestSettings(api_key=SecretStr(KEY)), rest, None, nothing_missing)
    return TestClient(app, headers={"X-API-Key": KEY}, raise_server_exceptions=False)


def test_nothing_made_from_the_description_breaks_ingest() -> None:
    with client() as http:
        description = http.get("/openapi.json").json()
        answered = set()

        def check(case: Case) -> None:
            asked: dict[str, Any] = case.as_transport_kwargs(base_url="http://testserver")
            del asked["cookies"]
            if isinstance(asked.get("data"), bytes):
                asked["content"] = asked.pop("data")
            answer = http.request(**asked)
            assert answer.status_code < 500, (case.method, case.path, case.body, answer.text)
            assert answer.headers["content-type"] in ("application/json", "application/problem+json"), case.path
            answered.add(answer.status_code)

        for operation in operations(description):
            fuzz(operation, check, examples=40)
    assert answered >= {200, 202, 404, 422}
