"""`floodgate bedrock` against the local server."""

import json
from typing import Any

import pytest
from floodgate.bedrock.cli import app
from floodgate_local.bedrock.faults import FaultSettings
from keyflow.errors import FatalError
from typer.testing import CliRunner

CHECKS = ["region", "endpoint", "credentials", "model access", "quota", "price", "prompt cache", "budget", "call"]


@pytest.fixture
def environment(server: Any, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", server.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("MAX_USD", "1")
    return monkeypatch


def report(*arguments: str) -> tuple[int, dict[str, Any]]:
    result = CliRunner().invoke(app, ["doctor", "--json", *arguments])
    return result.exit_code, json.loads(result.stdout)


def by_name(findings: dict[str, Any]) -> dict[str, Any]:
    return {finding["check"]: finding for finding in findings["checks"]}


@pytest.mark.usefixtures("environment")
def test_a_healthy_local_server_passes_every_check() -> None:
    code, findings = report()
    assert code == 0, findings
    assert findings["local"] is True
    assert [finding["check"] for finding in findings["checks"]] == [*CHECKS, "embedding"]
    assert {finding["status"] for finding in findings["checks"]} == {"ok"}
    assert "local Bedrock server" in by_name(findings)["endpoint"]["detail"]
    assert "2,000 requests/min, 4,000,000 tokens/min" in by_name(findings)["quota"]["detail"]
    assert "local model (as amazon.nova-lite-v1:0)" in by_name(findings)["call"]["detail"]


def test_a_model_of_another_geography_fails_with_a_remedy(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("FLOODGATE_BEDROCK_MODEL_ID", "us.amazon.nova-lite-v1:0")
    code, findings = report()
    assert code == 1
    assert "use the eu. profile" in by_name(findings)["region"]["remedy"]


def test_an_unknown_model_fails_at_access_price_and_call(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("FLOODGATE_BEDROCK_MODEL_ID", "eu.amazon.nova-imaginary-v1:0")
    code, findings = report()
    assert code == 1
    found = by_name(findings)
    assert found["model access"]["status"] == found["price"]["status"] == found["call"]["status"] == "fail"
    assert "FLOODGATE_BEDROCK_PRICE_FILE" in found["price"]["detail"]


def test_an_unverified_price_warns_but_does_not_fail(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("FLOODGATE_BEDROCK_MODEL_ID", "eu.anthropic.claude-haiku-5-5")
    code, findings = report()
    assert (code, by_name(findings)["price"]["status"]) == (0, "warn")


def test_no_region_fails_with_what_to_set(environment: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        environment.delenv(name, raising=False)
    environment.setenv("AWS_CONFIG_FILE", "does-not-exist")
    code, findings = report()
    assert code == 1
    assert findings["checks"] == [
        {
            "check": "region",
            "status": "fail",
            "detail": "no AWS region is set",
            "remedy": "set AWS_REGION, for instance eu-central-1",
        }
    ]


def test_missing_credentials_fail_without_a_traceback(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("AWS_ACCESS_KEY_ID")
    environment.delenv("AWS_SECRET_ACCESS_KEY")
    environment.setenv("AWS_EC2_METADATA_DISABLED", "true")
    environment.setenv("AWS_SHARED_CREDENTIALS_FILE", "does-not-exist")
    code, findings = report()
    assert code == 1
    assert "no usable AWS credentials" in by_name(findings)["credentials"]["detail"]


def test_nothing_listening_fails_with_make_up(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "http://127.0.0.1:9")
    code, findings = report()
    assert code == 1
    assert "make up" in by_name(findings)["endpoint"]["remedy"]


def test_a_throttled_call_fails_the_doctor(environment: pytest.MonkeyPatch, server: Any) -> None:
    environment.setenv("FLOODGATE_BEDROCK_MAX_ATTEMPTS", "1")
    server.runtime.faults.set(FaultSettings(throttle_rate=1, operations=("Converse",)))
    code, findings = report()
    assert code == 1
    assert "ThrottlingException" in by_name(findings)["call"]["detail"]


@pytest.mark.usefixtures("environment")
def test_the_table_names_status_and_finding() -> None:
    result = CliRunner().invoke(app, ["doctor"], env={"COLUMNS": "200"})
    assert result.exit_code == 0
    assert "local Bedrock server at" in result.stdout


@pytest.mark.usefixtures("environment")
def test_faults_are_set_shown_and_cleared(server: Any) -> None:
    run = CliRunner().invoke
    assert run(app, ["faults", "set", "--throttle-rate", "0.02", "--malformed-rate", "0.01"]).exit_code == 0
    assert server.runtime.faults.settings.throttle_rate == 0.02
    assert json.loads(run(app, ["faults", "show"]).stdout)["malformed_rate"] == 0.01
    assert run(app, ["faults", "clear"]).stdout == "no faults\n"
    assert server.runtime.faults.settings == FaultSettings()
    assert json.loads(run(app, ["stats"]).stdout)["model"] == "local"


@pytest.mark.usefixtures("environment")
def test_rates_that_exceed_every_call_are_refused_in_one_line() -> None:
    result = CliRunner().invoke(app, ["faults", "set", "--throttle-rate", "0.7", "--stall-rate", "0.7"])
    assert isinstance(result.exception, FatalError)
    assert "more than every call" in str(result.exception)


def test_faults_are_for_the_local_server_only(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "https://bedrock-runtime.eu-west-1.amazonaws.com")
    result = CliRunner().invoke(app, ["faults", "show"])
    assert isinstance(result.exception, FatalError)
    assert "no local Bedrock server answers" in str(result.exception)
