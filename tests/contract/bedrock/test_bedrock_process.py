"""The server as its own process: start, configuration, stop."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from floodgate_local.bedrock.__main__ import main
from support.processes import free_port

MODEL = """
from floodgate_nlu.types import Completion

class Echo:
    def __init__(self, catalogue_dir):
        self.catalogue_dir = catalogue_dir

    def complete(self, call):
        return Completion(f"{self.catalogue_dir.name}: {call.messages[-1].text}", None)

    def embed(self, text, dimensions):
        return [1.0] * dimensions
"""
AUTHORIZATION = (
    "AWS4-HMAC-SHA256 Credential=AKID/20261122/eu-west-1/bedrock/aws4_request, SignedHeaders=host, Signature=ab"
)


def fetch(url: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, headers={"authorization": AUTHORIZATION})
    with urllib.request.urlopen(request, timeout=5) as answer:
        return json.load(answer)


def await_health(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        try:
            assert fetch(f"{url}/healthz")["status"] == "ok"
            return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.05)
    raise AssertionError(f"the server did not come up; exit code {process.poll()}")


def test_it_serves_the_configured_model_and_leaves_its_counters_behind(tmp_path: Path) -> None:
    (tmp_path / "echo_model.py").write_text(MODEL)
    config = tmp_path / "bedrock.yaml"
    config.write_text("model: echo_model:Echo\nlatency: {median_ms: 1, p95_ms: 2}\n")
    catalogue = tmp_path / "catalogue"
    catalogue.mkdir()
    port = free_port()
    options = {"--port": port, "--state-dir": tmp_path / "state", "--config": config, "--catalogue": catalogue}
    arguments = [str(part) for pair in options.items() for part in pair]
    process = subprocess.Popen(
        [sys.executable, "-m", "floodgate_local.bedrock", *arguments],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )
    url = f"http://127.0.0.1:{port}"
    try:
        await_health(url, process)
        body = {"messages": [{"role": "user", "content": [{"text": "hello"}]}]}
        answer = fetch(f"{url}/model/amazon.nova-lite-v1%3A0/converse", body)
        assert answer["output"]["message"]["content"] == [{"text": "catalogue: hello"}]
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(15)
    saved = json.loads((tmp_path / "state" / "bedrock-stats.json").read_text())
    assert (saved["model"], saved["calls"]) == ("local", 1)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ("latency: {median_ms: 5, p95_ms: 1}", "latency: Value error, p95_ms must not be below median_ms"),
        ("model: no_such_module:Model", "'no_such_module:Model' cannot be loaded"),
        ("faults: {throttle_rate: 2}", "faults.throttle_rate"),
        ("a: [", "is not valid YAML or JSON"),
    ],
)
def test_a_wrong_configuration_is_one_line(tmp_path: Path, capsys: Any, config: str, words: str) -> None:
    file = tmp_path / "bedrock.yaml"
    file.write_text(config)
    code = main(["--port", "1", "--state-dir", str(tmp_path / "state"), "--config", str(file)])
    line = capsys.readouterr().err
    assert code == 2
    assert words in line
    assert line.count("\n") == 1


def test_a_catalogue_that_is_not_there_is_one_line(tmp_path: Path, capsys: Any) -> None:
    code = main(["--port", "1", "--state-dir", str(tmp_path), "--catalogue", str(tmp_path / "none")])
    assert code == 2
    assert "does not exist" in capsys.readouterr().err
