"""The local servers as processes: what only a real connection shows. Needs nothing but a loopback port."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from floodgate.intercom import IntercomClient, IntercomSettings, IntercomUnavailableError, where
from support.processes import free_port

TOKENS = {
    "FLOODGATE_INTERCOM_TOKEN": "local-token",
    "FLOODGATE_INTERCOM_CLIENT_SECRET": "client-secret",
    "FLOODGATE_SHOP_TOKEN": "shop-token",
}
Start = Callable[[str], tuple[str, subprocess.Popen[bytes]]]


def wait_until_healthy(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            if httpx.get(f"{url}/healthz").status_code == 200:
                return
        except httpx.TransportError:
            pass
        assert process.poll() is None, "the server ended"
        assert time.monotonic() < deadline, "the server did not become healthy"
        time.sleep(0.05)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a local server by its module's name; every start uses the same state directory."""
    processes: list[subprocess.Popen[bytes]] = []

    def starting(module: str) -> tuple[str, subprocess.Popen[bytes]]:
        port = free_port()
        command = [sys.executable, "-m", module, "--port", str(port), "--state-dir", str(tmp_path / module)]
        process = subprocess.Popen(command, env={**os.environ, **TOKENS})
        processes.append(process)
        wait_until_healthy(f"http://127.0.0.1:{port}", process)
        return f"http://127.0.0.1:{port}", process

    yield starting
    for process in processes:
        process.kill()
        process.wait()


def client_of(url: str, *, timeout_seconds: float = 10.0) -> IntercomClient:
    settings = IntercomSettings(
        token="local-token",
        client_secret="client-secret",
        base_url=url,
        bot_admin_id="5001",
        timeout_seconds=timeout_seconds,
    )
    return IntercomClient(settings)


def begin(url: str) -> str:
    begun = httpx.post(f"{url}/_local/conversations", json={"external_id": "cust-0001", "text": "Hello"})
    conversation_id: str = begun.json()["conversation_id"]
    return conversation_id


def set_fault(url: str, **rule: object) -> None:
    assert httpx.put(f"{url}/_local/faults", json={"rules": [rule]}).status_code == 200


@pytest.fixture
def stand_in(start: Start) -> str:
    url, _ = start("floodgate_local.intercom")
    return url


@pytest.mark.parametrize(("kind", "replies"), [("lost", 1), ("drop", 0), ("error_after", 1), ("error", 0)])
async def test_a_reply_whose_answer_never_came_is_there_once_or_not_at_all(stand_in, kind, replies):
    conversation_id = begin(stand_in)
    set_fault(stand_in, kind=kind, path="/reply$", times=1, status=500)
    async with client_of(stand_in) as client:
        with pytest.raises(IntercomUnavailableError) as caught:
            await client.reply(conversation_id, "hello")
        assert caught.value.maybe_done
        assert len((await client.get_conversation(conversation_id)).parts) == replies


@pytest.mark.parametrize("kind", ["stall", "stall_after"])
async def test_a_call_that_outlasts_our_patience_is_carried_out_all_the_same(stand_in, kind):
    conversation_id = begin(stand_in)
    set_fault(stand_in, kind=kind, path="/reply$", times=1, seconds=1)
    async with client_of(stand_in, timeout_seconds=0.5) as impatient, client_of(stand_in) as client:
        with pytest.raises(IntercomUnavailableError) as caught:
            await impatient.reply(conversation_id, "hello")
        assert caught.value.maybe_done
        deadline = time.monotonic() + 60
        while not (await client.get_conversation(conversation_id)).parts:
            assert time.monotonic() < deadline, "the reply was never carried out"
            await asyncio.sleep(0.05)


async def test_a_server_that_is_gone_was_never_reached():
    async with client_of(f"http://127.0.0.1:{free_port()}") as client:
        with pytest.raises(IntercomUnavailableError) as caught:
            await client.reply("1", "hello")
        assert not caught.value.maybe_done


async def test_what_the_stand_in_answered_survives_its_being_killed(start):
    url, process = start("floodgate_local.intercom")
    async with client_of(url) as client:
        for n in range(20):
            await client.reply(begin(url), f"reply {n}")
    process.send_signal(signal.SIGKILL)
    process.wait()
    url, _ = start("floodgate_local.intercom")
    async with client_of(url) as client:
        found = [c async for c in client.search_all_conversations(where("created_at", ">", 1))]
        assert len(found) == 20
        bodies = {(await client.get_conversation(c.id)).parts[0].body for c in found}
        assert bodies == {f"reply {n}" for n in range(20)}


def test_the_shop_does_a_change_once_though_its_answer_was_lost_and_it_was_killed(start):
    url, process = start("floodgate_local.shop")
    headers = {
        "Authorization": "Bearer shop-token",
        "X-Contact-Id": "cust-0001",
        "Idempotency-Key": "over-the-wire-1",
    }
    body = {"amount_cents": 1_000, "reason": "cannot come"}
    set_fault(url, kind="lost", path="refund", times=1)
    with pytest.raises(httpx.TransportError):
        httpx.post(f"{url}/v1/orders/TK-40001/refund", json=body, headers=headers)
    process.send_signal(signal.SIGKILL)
    process.wait()
    url, _ = start("floodgate_local.shop")
    again = httpx.post(f"{url}/v1/orders/TK-40001/refund", json=body, headers=headers)
    assert again.headers["Idempotent-Replay"] == "true"
    assert again.json()["result"]["refunded_cents"] == 1_000
    (action,) = httpx.get(f"{url}/_local/actions").json()["actions"]
    assert (action["times_requested"], action["times_done"]) == (2, 1)


@pytest.mark.parametrize("module", ["floodgate_local.intercom", "floodgate_local.shop"])
def test_what_is_missing_or_unusable_gives_one_clear_line(tmp_path: Path, module: str):
    bare = {name: value for name, value in os.environ.items() if name not in TOKENS}
    command = [sys.executable, "-m", module, "--port", "1", "--state-dir"]
    missing = subprocess.run([*command, str(tmp_path)], env=bare, capture_output=True, text=True, check=False)
    assert missing.returncode == 2
    assert "TOKEN" in missing.stderr
    file = tmp_path / "a-file"
    file.write_text("")
    unusable = subprocess.run(
        [*command, str(file)], env={**bare, **TOKENS}, capture_output=True, text=True, check=False
    )
    assert unusable.returncode == 2
    for stderr in (missing.stderr, unusable.stderr):
        assert len(stderr.strip().splitlines()) == 1, stderr
