"""What every service shares: dead letters, state, health by progress."""

from __future__ import annotations

import socket
from dataclasses import replace
from uuid import UUID

import httpx
import pytest
from floodgate.events import DeadLetter
from floodgate.events.serde import AvroSerde
from floodgate.monitor import monitor_app
from floodgate.service import DeadLetters, HttpApp, Service, encode_state, main, make_processor, run
from floodgate.settings import KafkaSettings, load
from keyflow import CircuitBreaker, FailedRecord, FatalError, Outcome, Record, Tools
from keyflow.lag import Lag
from keyflow.status import Status
from prometheus_client.parser import text_string_to_metric_families
from pydantic import BaseModel

FAILED = FailedRecord(
    topic="support.messages",
    partition=2,
    offset=41,
    timestamp_ms=1_795_000_000_000,
    raw_key=b"intercom:7",
    raw_value=b"\x00broken",
    headers=(("event-id", b"00000000-0000-5000-8000-000000000001"), ("trace", b"\xff")),
    error_class="poison",
    error_type="ValueError",
    reason="cannot be decoded",
    attempts=3,
)


class Handler:
    async def handle(self, record: Record, state: State | None, tools: Tools) -> Outcome[State]:
        return Outcome()


class State(BaseModel):
    seen: tuple[str, ...] = ()
    human: bool = False


def test_a_dead_letter_keeps_the_record_as_it_stood() -> None:
    emit = DeadLetters("firewall", {"catalogue": "abc"})(FAILED)
    letter = emit.value
    assert isinstance(letter, DeadLetter)
    assert (emit.topic, emit.key) == ("support.dead-letters", "intercom:7")
    assert (letter.key, letter.value) == (FAILED.raw_key, FAILED.raw_value)
    assert [(header.key, header.value) for header in letter.headers] == list(FAILED.headers)
    assert (letter.origin_topic, letter.origin_partition, letter.origin_offset) == ("support.messages", 2, 41)
    assert letter.causation_id == UUID("00000000-0000-5000-8000-000000000001")
    assert letter.versions["catalogue"] == "abc"
    assert letter.attempts == 3


def test_the_same_failed_record_gives_the_same_dead_letter_id_and_another_service_another() -> None:
    ids = [DeadLetters(name, {})(FAILED).value.event_id for name in ("firewall", "firewall", "agent")]
    assert ids[0] == ids[1] != ids[2]


def test_what_failed_without_a_record_of_its_own_is_told_apart_by_its_key() -> None:
    failed = [replace(FAILED, offset=-1, timestamp_ms=0, raw_key=key, raw_value=None) for key in (b"a", b"b")]
    first, second = [DeadLetters("agent", {})(each).value for each in failed]
    assert first.event_id != second.event_id
    assert (first.origin_offset, first.value) == (-1, None)


def test_a_dead_letter_without_a_key_is_keyed_by_its_own_id() -> None:
    bare = FailedRecord("t", 0, 1, 0, None, None, (("event-id", b"not a uuid"),))
    emit = DeadLetters("firewall", {})(bare)
    assert emit.key == str(emit.value.event_id)
    assert emit.value.causation_id is None


def test_a_processor_follows_the_naming_of_topics() -> None:
    made = make_processor("firewall", ["support.messages"], Handler(), AvroSerde("http://nowhere"), state_model=State)
    assert made.state is not None
    assert (made.state.changelog, made.redrive_topic) == ("support.firewall.state", "support.firewall.redrive")
    state = State(seen=("a",))
    assert encode_state(state) == b'{"seen":["a"]}'
    assert made.state.decode(made.state.encode(state)) == state


def test_a_missing_setting_is_named_and_a_wrong_one_does_not_show_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FLOODGATE_KAFKA_BOOTSTRAP_SERVERS", raising=False)
    monkeypatch.setenv("FLOODGATE_KAFKA_MAX_IN_FLIGHT", "very many")
    with pytest.raises(FatalError) as failed:
        load(KafkaSettings)
    assert "FLOODGATE_KAFKA_BOOTSTRAP_SERVERS is not set" in str(failed.value)
    assert "FLOODGATE_KAFKA_MAX_IN_FLIGHT" in str(failed.value)
    assert "very many" not in str(failed.value)


async def test_health_goes_by_progress() -> None:
    busy, idle = Status("busy"), Status("idle")
    busy.buffered, busy.finished["outcome"] = 5, 3
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(monitor_app([busy, idle], stall_seconds=-1.0)), base_url="http://test"
    ) as stalled:
        assert (await stalled.get("/healthz")).status_code == 503
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(monitor_app([busy, idle], stall_seconds=60.0)), base_url="http://test"
    ) as healthy:
        assert (await healthy.get("/healthz")).json()["healthy"] is True
        figures = (await healthy.get("/metrics")).text
    assert 'keyflow_finished_total{kind="outcome",processor="busy"} 3.0' in figures
    assert 'keyflow_buffered{processor="busy"} 5.0' in figures


async def test_a_service_that_holds_lag_and_finishes_nothing_is_unhealthy_until_it_does() -> None:
    now = [0.0]
    status = Status("firewall", CircuitBreaker(), lambda: now[0])
    app = monitor_app([status], stall_seconds=120.0)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        status.watched(Lag({"support.messages": 7, "support.replies": 0}))
        now[0] = 119.0
        assert (await client.get("/healthz")).status_code == 200
        now[0] = 121.0
        stalled = await client.get("/healthz")
        assert (stalled.status_code, stalled.json()["lag"]) == (503, {"firewall": 7})
        status.committed(0.02)
        assert (await client.get("/healthz")).status_code == 200


async def test_the_engines_figures_follow_the_conventions_of_prometheus() -> None:
    status = Status("firewall", CircuitBreaker())
    status.parked, status.retries = 2, 3
    status.watched(Lag({"support.messages": 7, "support.replies": 0}, oldest_seconds=12.5))
    status.committed(0.02)
    status.committed(9.0)
    app = monitor_app([status], stall_seconds=120.0)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        text = (await client.get("/metrics")).text
    read = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.labels.pop("processor", "") == "firewall"
    }
    assert read["keyflow_lag", "support.messages"] == 7
    assert read["keyflow_oldest_unfinished_seconds",] == 12.5
    assert read["keyflow_parked_keys",] == 2
    assert read["keyflow_retries_total",] == 3
    assert [read["keyflow_breaker", state] for state in ("closed", "half_open", "open")] == [1, 0, 0]
    buckets = [read["keyflow_commit_seconds_bucket", bound] for bound in ("0.01", "0.025", "5.0", "+Inf")]
    assert buckets == [0, 1, 1, 2]
    assert (read["keyflow_commit_seconds_count",], read["keyflow_commit_seconds_sum",]) == (2, 9.02)


def test_a_taken_port_is_one_line_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOODGATE_KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9")
    monkeypatch.setattr("floodgate.service.configure_logging", lambda _: None)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        service = Service(name="test", http=HttpApp(monitor_app([], 1.0), "127.0.0.1", port))
        with pytest.raises(FatalError, match=rf"cannot listen on 127\.0\.0\.1:{port} .* set another port"):
            run(service)


def test_a_service_that_cannot_go_on_ends_with_one_line_and_exit_code_1() -> None:
    def build() -> Service:
        raise FatalError("topic 'x' does not exist: create the topics first")

    with pytest.raises(SystemExit) as ended:
        main(build)
    assert ended.value.code == "FatalError: topic 'x' does not exist: create the topics first"
