"""How a client signs in: one place says it, for every kind of client."""

from __future__ import annotations

import ast
import base64
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import botocore.session
import httpx
import pytest
from floodgate.kafka_tokens import ClientCredentialTokens, IamTokens
from floodgate.settings import KafkaSettings, OpenSearchSettings, RegistrySettings, load
from keyflow.errors import FatalError, RetryableError
from pydantic import SecretStr

ROOT = Path(__file__).parents[3]
SECRET = "correct horse battery staple"


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOODGATE_KAFKA_BOOTSTRAP_SERVERS", "broker:9096")
    monkeypatch.setenv("FLOODGATE_SCHEMA_REGISTRY_URL", "https://registry")
    monkeypatch.delenv("AWS_REGION", raising=False)


def configured(monkeypatch: pytest.MonkeyPatch, **values: str) -> KafkaSettings:
    for name, value in values.items():
        monkeypatch.setenv(f"FLOODGATE_KAFKA_{name}", value)
    return load(KafkaSettings)


def test_without_settings_nobody_signs_in() -> None:
    assert load(KafkaSettings).connection() == {"bootstrap.servers": "broker:9096"}


def test_scram_is_encrypted_by_itself(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    authority = tmp_path / "ca.pem"
    authority.touch()
    settings = configured(monkeypatch, AUTH="scram", USERNAME="firewall", PASSWORD=SECRET, CA_FILE=str(authority))
    assert settings.connection() == {
        "bootstrap.servers": "broker:9096",
        "security.protocol": "SASL_SSL",
        "ssl.ca.location": str(authority),
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "firewall",
        "sasl.password": SECRET,
    }


def test_scram_goes_unencrypted_only_where_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = configured(monkeypatch, AUTH="scram", USERNAME="firewall", PASSWORD=SECRET, TLS="false")
    assert settings.connection()["security.protocol"] == "SASL_PLAINTEXT"


def test_a_certificate_signs_in_by_itself(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    certificate, key = tmp_path / "it.crt", tmp_path / "it.key"
    certificate.touch()
    key.touch()
    settings = configured(
        monkeypatch, AUTH="certificate", CERTIFICATE_FILE=str(certificate), KEY_FILE=str(key), KEY_PASSWORD=SECRET
    )
    assert settings.connection() == {
        "bootstrap.servers": "broker:9096",
        "security.protocol": "SSL",
        "ssl.certificate.location": str(certificate),
        "ssl.key.location": str(key),
        "ssl.key.password": SECRET,
    }


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"AUTH": "scram"}, "FLOODGATE_KAFKA_AUTH=scram needs FLOODGATE_KAFKA_USERNAME, FLOODGATE_KAFKA_PASSWORD"),
        ({"AUTH": "iam"}, "FLOODGATE_KAFKA_AUTH=iam needs FLOODGATE_KAFKA_IAM_REGION"),
        ({"AUTH": "certificate"}, "needs FLOODGATE_KAFKA_CERTIFICATE_FILE, FLOODGATE_KAFKA_KEY_FILE"),
        ({"AUTH": "iam", "IAM_REGION": "eu-west-1", "TLS": "false"}, "needs TLS"),
        ({"CA_FILE": "/nowhere/ca.pem"}, "FLOODGATE_KAFKA_CA_FILE: /nowhere/ca.pem cannot be read"),
    ],
)
def test_what_is_missing_stops_the_start_with_its_name(
    monkeypatch: pytest.MonkeyPatch, values: dict[str, str], said: str
) -> None:
    with pytest.raises(FatalError) as caught:
        configured(monkeypatch, **values)
    assert said in str(caught.value)
    assert "Value error" not in str(caught.value)


def test_a_secret_may_be_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "FLOODGATE_KAFKA_PASSWORD").write_text(f"{SECRET}\n")
    (tmp_path / "FLOODGATE_OPENSEARCH_PASSWORD").write_text("another")
    monkeypatch.setenv("FLOODGATE_SECRETS_DIR", str(tmp_path))
    monkeypatch.setenv("FLOODGATE_OPENSEARCH_URL", "https://search")
    assert configured(monkeypatch, AUTH="scram", USERNAME="firewall").connection()["sasl.password"] == SECRET
    assert load(OpenSearchSettings).password == SecretStr("another")


def test_a_folder_of_secrets_that_is_not_there_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOODGATE_SECRETS_DIR", "/nowhere/secrets")
    with pytest.raises(FatalError, match="FLOODGATE_SECRETS_DIR: there is no folder /nowhere/secrets"):
        load(KafkaSettings)


def test_no_secret_stands_in_the_text_of_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = configured(
        monkeypatch,
        **{"AUTH": "scram", "USERNAME": "it", "PASSWORD": SECRET, "CLIENT": f'{{"sasl.password": "{SECRET}"}}'},
    )
    monkeypatch.setenv("FLOODGATE_SCHEMA_REGISTRY_TOKEN", SECRET)
    assert SECRET not in f"{settings!r} {settings} {load(RegistrySettings)!r}"


def test_readers_and_engines_sign_in_as_all_others(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = configured(monkeypatch, AUTH="scram", USERNAME="it", PASSWORD=SECRET)
    assert settings.connection().items() <= settings.reader("tail").items()
    assert settings.reader("tail")["group.id"] == "floodgate.reader.tail"


def test_no_client_is_built_past_the_settings() -> None:
    sources = [path for room in ("libs/floodgate", "services") for path in (ROOT / room).rglob("src/**/*.py")]
    strings = {
        (path.name, node.value)
        for path in sources
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    places = {
        name for name, value in strings if value in ("bootstrap.servers", "sasl.password", "basic.auth.user.info")
    }
    assert places == {"settings.py", "faust_credentials.py"}


# Tokens


def test_an_iam_token_is_a_signed_request_to_connect() -> None:
    session = botocore.session.Session()
    session.set_credentials("AKIDEXAMPLE", SECRET, "a-session-token")
    token, until = IamTokens("eu-west-1", session)("")
    address = urlsplit(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode())
    asked = parse_qs(address.query)
    assert (address.scheme, address.hostname) == ("https", "kafka.eu-west-1.amazonaws.com")
    assert asked["Action"] == ["kafka-cluster:Connect"]
    assert asked["X-Amz-Credential"][0].startswith("AKIDEXAMPLE/")
    assert asked["X-Amz-Credential"][0].endswith("/eu-west-1/kafka-cluster/aws4_request")
    assert (asked["X-Amz-Expires"], asked["X-Amz-Security-Token"]) == (["900"], ["a-session-token"])
    assert asked["User-Agent"][0].startswith("floodgate/")
    assert SECRET not in str(address)
    assert 0 < until - time.time() <= 900


def provider(request: httpx.Request) -> httpx.Response:
    assert request.headers["Authorization"] == "Basic " + base64.b64encode(f"it:{SECRET}".encode()).decode()
    assert parse_qs(request.content.decode()) == {"grant_type": ["client_credentials"], "scope": ["kafka"]}
    return httpx.Response(200, json={"access_token": "t-1", "expires_in": 60})


def test_client_credentials_become_a_token() -> None:
    tokens = ClientCredentialTokens(
        "https://identity/token", "it", SecretStr(SECRET), "kafka", transport=httpx.MockTransport(provider)
    )
    token, until = tokens("")
    assert token == "t-1"
    assert 0 < until - time.time() <= 60


def test_a_provider_that_refuses_is_named_and_the_secret_is_not() -> None:
    refusing = httpx.MockTransport(lambda _: httpx.Response(401, text=SECRET))
    with pytest.raises(RetryableError) as caught:
        ClientCredentialTokens("https://identity/token", "it", SecretStr(SECRET), transport=refusing)("")
    assert str(caught.value) == "https://identity/token answers 401 to this client"


# The registry


def test_the_registry_is_signed_in_to_by_password_or_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOODGATE_SCHEMA_REGISTRY_USERNAME", "it")
    monkeypatch.setenv("FLOODGATE_SCHEMA_REGISTRY_PASSWORD", SECRET)
    assert load(RegistrySettings).connection() == {"url": "https://registry", "basic.auth.user.info": f"it:{SECRET}"}
    monkeypatch.delenv("FLOODGATE_SCHEMA_REGISTRY_USERNAME")
    monkeypatch.delenv("FLOODGATE_SCHEMA_REGISTRY_PASSWORD")
    monkeypatch.setenv("FLOODGATE_SCHEMA_REGISTRY_TOKEN", SECRET)
    assert load(RegistrySettings).connection()["bearer.auth.token"] == SECRET


def test_a_secret_never_goes_to_a_registry_in_the_clear(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOODGATE_SCHEMA_REGISTRY_URL", "http://registry")
    monkeypatch.setenv("FLOODGATE_SCHEMA_REGISTRY_TOKEN", SECRET)
    with pytest.raises(FatalError, match="https:// only"):
        load(RegistrySettings)
