"""The server as its own process: state outlives it, and a wrong file is one clear line."""

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

import boto3
from floodgate_local.featurestore.__main__ import main
from support.processes import free_port

GROUPS = [
    {
        "FeatureGroupName": "things",
        "RecordIdentifierFeatureName": "id",
        "EventTimeFeatureName": "at",
        "FeatureDefinitions": [
            {"FeatureName": "id", "FeatureType": "String"},
            {"FeatureName": "at", "FeatureType": "Fractional"},
        ],
        "OnlineStoreConfig": {"EnableOnlineStore": True},
    }
]


def start(port: int, state_dir: Path, groups: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "floodgate_local.featurestore", "--port", str(port)]
    process = subprocess.Popen(
        [*command, "--state-dir", str(state_dir), "--feature-groups", str(groups)], env=os.environ
    )
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=1) as answer:
                assert json.load(answer)["status"] == "ok"
                return process
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.05)
    process.kill()
    raise AssertionError(f"the server did not come up; exit code {process.wait()}")


def client(port: int) -> Any:
    return boto3.client(
        "sagemaker-featurestore-runtime",
        endpoint_url=f"http://127.0.0.1:{port}",
        region_name="eu-central-1",
        aws_access_key_id="a",
        aws_secret_access_key="b",
    )


def test_declared_groups_work_and_records_outlive_a_killed_process(tmp_path: Path) -> None:
    groups = tmp_path / "groups.json"
    groups.write_text(json.dumps(GROUPS))
    for step, ending in enumerate((signal.SIGKILL, signal.SIGTERM)):
        port = free_port()
        process = start(port, tmp_path / "state", groups)
        store = client(port)
        try:
            if step == 0:
                features = [("id", "x"), ("at", "1700000000.5")]
                store.put_record(
                    FeatureGroupName="things",
                    Record=[{"FeatureName": name, "ValueAsString": value} for name, value in features],
                )
            found = store.get_record(FeatureGroupName="things", RecordIdentifierValueAsString="x")
            assert found["Record"][0]["ValueAsString"] == "x"
        finally:
            store.close()
            process.send_signal(ending)
            process.wait(15)


def test_a_wrong_declaration_is_one_line_that_names_file_and_entry(tmp_path: Path, capsys: Any) -> None:
    groups = tmp_path / "groups.json"
    groups.write_text(json.dumps([{**GROUPS[0], "EventTimeFeatureName": "when"}]))
    code = main(["--port", "1", "--state-dir", str(tmp_path), "--feature-groups", str(groups)])
    line = capsys.readouterr().err
    assert code == 2
    assert line.count("\n") == 1
    assert "groups.json: feature group 1: Validation Error: EventTimeFeatureName when" in line
