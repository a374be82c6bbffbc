"""A rebuild writes the same again while OpenSearch asks for time, and gives up in the end."""

from __future__ import annotations

import json
from collections.abc import Callable

import httpx
import pytest
from console.adapters.kafka_projector import write_patiently
from console.adapters.opensearch_projection import OpenSearchProjection
from floodgate.settings import OpenSearchSettings
from keyflow.errors import FatalError, RetryableError
from keyflow.retry import Backoff

AT_ONCE = Backoff(base_seconds=0.0)
BUSY = {"error": {"type": "circuit_breaking_exception"}, "status": 429}
TAKEN = {"errors": False, "items": []}
HALF_TAKEN = {"errors": True, "items": [{"update": {"error": {"type": "rejected_execution_exception"}}}]}


class Store:
    """Answers bulk calls by a list, the last one for ever, and keeps what it was asked."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[bytes] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.content)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


async def write(store: Callable[[httpx.Request], httpx.Response], patience_seconds: float = 60.0) -> None:
    projection = OpenSearchProjection(
        OpenSearchSettings(url="http://nowhere:9200"), "console", transport=httpx.MockTransport(store)
    )
    try:
        updates = [("an-event", {"state": "open", "topic": "support.dead-letters"})]
        offsets = {"support.dead-letters": {"0": 7}}
        await write_patiently(
            projection, "console-000001", updates, offsets, backoff=AT_ONCE, patience_seconds=patience_seconds
        )
    finally:
        await projection.aclose()


async def test_the_same_is_written_again_until_it_is_taken_whole() -> None:
    store = Store(
        httpx.Response(429, json=BUSY),
        httpx.ConnectError("being restarted"),
        httpx.Response(200, json=HALF_TAKEN),
        httpx.Response(200, json=TAKEN),
    )
    await write(store)
    assert len(store.asked) == 4
    assert len(set(store.asked)) == 1
    assert json.loads(store.asked[0].splitlines()[-1]) == {"offsets": {"support.dead-letters": {"0": 7}}}


async def test_what_is_never_taken_ends_with_the_reason() -> None:
    store = Store(httpx.Response(429, json=BUSY))
    with pytest.raises(RetryableError, match="429 circuit_breaking_exception"):
        await write(store, patience_seconds=0.0)


async def test_credentials_that_are_refused_are_not_tried_again() -> None:
    store = Store(httpx.Response(401, json={"error": {"type": "security_exception"}}))
    with pytest.raises(FatalError, match=r"security_exception.*FLOODGATE_OPENSEARCH_USER"):
        await write(store)
    assert len(store.asked) == 1
