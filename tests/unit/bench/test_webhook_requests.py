"""The benchmark's requests: Intercom's are taken, forged ones are not, and each is a message of its own."""

from __future__ import annotations

import json
from itertools import islice

import pytest
from floodgate.events import Pseudonyms
from floodgate.intercom.webhooks import verify_signature
from ingest.domain.intercom import map_envelope
from ingest.domain.intercom_parts import IntercomRules

from bench.webhook.requests import KINDS, requests

SECRET = b"a client secret of tests"
RULES = IntercomRules(pseudonyms=Pseudonyms(b"a key of at least sixteen bytes"), bot_admin_ids=frozenset())


def parts(request: bytes) -> tuple[dict[str, str], bytes]:
    head, _, body = request.partition(b"\r\n\r\n")
    return dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:]), body


@pytest.mark.parametrize("kind", KINDS)
def test_only_what_intercom_sent_is_signed_by_its_secret(kind: str) -> None:
    headers, body = parts(next(requests(kind, SECRET, "r")))
    assert verify_signature(SECRET, body, headers.get("X-Hub-Signature")) == (kind in {"accepted", "replayed"})
    assert (int(headers["Content-Length"]) == len(body)) == (kind != "oversized")


@pytest.mark.parametrize(("kind", "distinct"), [("accepted", 30), ("replayed", 1)])
def test_each_request_is_one_message_and_a_replay_is_the_same_one(kind: str, distinct: int) -> None:
    bodies = [parts(request)[1] for request in islice(requests(kind, SECRET, "r"), 30)]
    mapped = [map_envelope(json.loads(body), RULES).events for body in bodies]
    assert all(len(events) == 1 for events in mapped)
    assert len({events[0].event_id for events in mapped}) == distinct
