"""What the doctor says where an account may not look things up, without a socket."""

from datetime import date
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from floodgate.bedrock import BedrockSettings
from floodgate.bedrock.doctor import Doctor, Finding
from keyflow.errors import FatalError


def denied(operation: str) -> ClientError:
    response: Any = {
        "Error": {"Code": "AccessDeniedException", "Message": "not authorized"},
        "ResponseMetadata": {"HTTPStatusCode": 403, "HTTPHeaders": {}},
    }
    return ClientError(response, operation)


class Denying:
    """A client of one service; what is not given is denied."""

    def __init__(self, answers: dict[str, Any]) -> None:
        self._answers = answers
        self.meta = SimpleNamespace(endpoint_url="https://bedrock-runtime.eu-central-1.amazonaws.com")

    def __getattr__(self, name: str) -> Any:
        def call(**_arguments: Any) -> Any:
            if name not in self._answers:
                raise denied(name)
            return self._answers[name]

        return call

    def get_paginator(self, name: str) -> Any:
        def paginate(**_arguments: Any) -> Any:
            if name not in self._answers:
                raise denied(name)
            return [self._answers[name]]

        return SimpleNamespace(paginate=paginate)


class Session:
    """Stands for boto3's session."""

    region_name = None

    def __init__(self, **services: dict[str, Any]) -> None:
        self._services = services

    def client(self, service: str, **_arguments: Any) -> Denying:
        return Denying(self._services.get(service.replace("-", "_"), {}))


def examine(
    session: Session, monkeypatch: pytest.MonkeyPatch, today: date = date(2026, 11, 22), **settings: Any
) -> dict[str, Finding]:
    monkeypatch.setattr(Doctor, "_with_model", _no_call)
    doctor = Doctor(BedrockSettings(**{"region": "eu-central-1", **settings}), lambda: today, session)
    return {finding.check: finding for finding in doctor.examine()}


def _no_call(_self: Doctor, _ask: Any) -> Any:
    raise FatalError("Bedrock Converse: access denied")


PROFILE = {"inferenceProfileName": "EU Nova Lite"}
MODEL = {"modelDetails": {"modelName": "Nova Lite", "modelLifecycle": {"status": "ACTIVE"}}}
IDENTITY = {"Account": "111122223333", "Arn": "arn:aws:iam::111122223333:user/example"}


def test_a_missing_permission_to_look_up_is_a_warning_with_what_to_allow(monkeypatch: pytest.MonkeyPatch) -> None:
    found = examine(Session(sts={"get_caller_identity": IDENTITY}), monkeypatch)
    assert found["endpoint"].detail.startswith("Amazon Bedrock at https://bedrock-runtime.eu-central-1")
    assert found["credentials"].status == "ok"
    assert (found["model access"].status, found["quota"].status) == ("warn", "warn")
    assert "bedrock:GetInferenceProfile" in found["model access"].remedy
    assert "servicequotas:ListServiceQuotas" in found["quota"].remedy
    assert found["call"].status == "fail"


def test_the_quotas_of_the_profile_are_found_by_the_models_name(monkeypatch: pytest.MonkeyPatch) -> None:
    quotas = [
        ("On-demand model inference requests per minute for Amazon Nova Lite", 1.0),
        ("Cross-region model inference requests per minute for Amazon Nova Lite", 200.0),
        ("Cross-Region InvokeModel tokens per minute for Amazon Nova Lite", 200_000.0),
        ("Cross-region model inference requests per minute for Amazon Nova Pro", 5.0),
    ]
    page = {"Quotas": [{"QuotaName": name, "Value": value} for name, value in quotas]}
    session = Session(
        bedrock={"get_inference_profile": PROFILE, "get_foundation_model": MODEL},
        service_quotas={"list_service_quotas": page},
    )
    found = examine(session, monkeypatch)
    assert found["model access"].detail == "eu.amazon.nova-lite-v1:0 (Nova Lite)"
    assert found["quota"].detail.startswith("200 requests/min, 200,000 tokens/min")
    assert "FLOODGATE_BEDROCK_REQUESTS_PER_MINUTE=200 and FLOODGATE_BEDROCK_TOKENS" in found["quota"].remedy
    generous = examine(session, monkeypatch, requests_per_minute=500, tokens_per_minute=100)["quota"]
    assert (generous.status, generous.remedy) == ("warn", "set FLOODGATE_BEDROCK_REQUESTS_PER_MINUTE=200")
    fitting = examine(session, monkeypatch, requests_per_minute=200, tokens_per_minute=100, instances=3)["quota"]
    assert (fitting.status, fitting.remedy) == ("ok", "")
    assert "shared by 3 processes" in fitting.detail


def test_a_model_reached_through_its_profile_need_not_be_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    found = examine(Session(bedrock={"get_inference_profile": PROFILE}), monkeypatch)
    assert found["model access"] == Finding("model access", "ok", "eu.amazon.nova-lite-v1:0 (by its inference profile)")


def test_a_legacy_model_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    legacy = {"modelDetails": {"modelName": "Nova Lite", "modelLifecycle": {"status": "LEGACY"}}}
    found = examine(Session(bedrock={"get_foundation_model": legacy}), monkeypatch, model_id="amazon.nova-lite-v1:0")
    assert (found["model access"].status, "legacy" in found["model access"].detail) == ("warn", True)


def test_an_old_price_table_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    found = examine(Session(), monkeypatch, today=date(2027, 11, 1))
    assert "365 days old" in found["price"].remedy


def test_the_cap_on_spending_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    found = examine(Session(), monkeypatch, max_usd=2.5)
    assert found["budget"].detail == "each process stops before 2.5 USD"
