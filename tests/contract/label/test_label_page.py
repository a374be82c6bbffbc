"""The labelling page over HTTP on loopback: who may ask, and what comes back."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from functools import partial
from http.client import HTTPConnection
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest
from floodgate_eval.calibrating.label import HOST, Desk, Page

ROW = {"language": "en", "turns": [{"role": "customer", "text": "<img src=x onerror=alert(1)> where is my ticket"}]}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ThreadingHTTPServer]:
    source = tmp_path / "drop.jsonl"
    source.write_text(json.dumps(ROW) + "\n", encoding="utf-8")
    desk = Desk(source, tmp_path / "labels.jsonl")
    page = partial(Page, desk, "secret", {"topics": ["tickets"], "intents": ["resend"]})
    with ThreadingHTTPServer((HOST, 0), page) as serving:
        thread = threading.Thread(target=serving.serve_forever)
        thread.start()
        yield serving
        serving.shutdown()
        thread.join()


def ask(
    server: ThreadingHTTPServer, method: str, path: str, body: object = None, **headers: str
) -> tuple[int, str, str]:
    connection = HTTPConnection(HOST, server.server_port, timeout=10)
    connection.request(method, path, None if body is None else json.dumps(body), headers)
    answer = connection.getresponse()
    read = answer.read().decode()
    connection.close()
    return answer.status, read, answer.headers.get("Content-Security-Policy", "")


def test_the_page_holds_no_customer_text_and_runs_only_its_own_script(server):
    status, page, policy = ask(server, "GET", "/")
    assert status == 200
    assert "where is my ticket" not in page
    assert "innerHTML" not in page
    assert re.findall(r"script-src ([^;]*)", policy) == ["'nonce-secret'"]


def test_an_interaction_is_labelled(server, tmp_path):
    status, body, _ = ask(server, "GET", "/next", **{"X-Floodgate-Token": "secret"})
    shown = json.loads(body)
    assert (status, shown["left"], shown["topics"]) == (200, 1, ["tickets"])
    labels = {"sentiment": "negative", "resolution_status": "pending", "urgency": 0.4, "csat": 0.2}
    given = {"number": shown["number"], "labels": labels}
    status, body, _ = ask(server, "POST", "/label", given, **{"X-Floodgate-Token": "secret"})
    assert (status, json.loads(body)["left"]) == (200, 0)
    assert json.loads((tmp_path / "labels.jsonl").read_text("utf-8"))["labels"] == labels
    assert ask(server, "POST", "/label", given, **{"X-Floodgate-Token": "secret"})[0] == 400


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/next", {}, 404),
        ("GET", "/next", {"X-Floodgate-Token": "wrong"}, 404),
        ("POST", "/label", {}, 403),
        ("GET", "/", {"Host": "evil.example"}, 403),
        ("POST", "/label", {"Host": "evil.example", "X-Floodgate-Token": "secret"}, 403),
    ],
)
def test_who_does_not_come_from_the_page_gets_nothing(server, method, path, headers, status):
    assert ask(server, method, path, {"number": 0, "labels": {}}, **headers)[0] == status


@pytest.mark.parametrize(
    "body", [{}, {"number": 0, "labels": {"sentiment": "angry"}}, {"number": "x", "labels": {}}, []]
)
def test_labels_that_are_none_are_refused(server, body):
    assert ask(server, "POST", "/label", body, **{"X-Floodgate-Token": "secret"})[0] == 400
