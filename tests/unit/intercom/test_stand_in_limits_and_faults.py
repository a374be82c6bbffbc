"""The stand-in's rate limit and faults, seen through the client that the services use."""

import pytest
from floodgate.intercom import IntercomClient, IntercomRefusedError, IntercomSettings, IntercomUnavailableError
from keyflow.errors import FatalError


async def test_calls_beyond_the_windows_share_are_throttled_until_the_window_ends(client, local, clock):
    clock.now = 1_795_000_003.0
    await local.put("/_local/rate-limit", json={"per_minute": 12})
    await client.me()
    await client.me()
    with pytest.raises(IntercomUnavailableError) as caught:
        await client.me()
    assert caught.value.status == 429
    assert caught.value.retry_after_seconds == 7.0
    clock.now += 7
    await client.me()


async def test_every_answer_tells_the_limit_what_remains_and_when_it_resets(local, clock):
    clock.now = 1_795_000_003.0
    answer = await local.get("/me", headers={"Authorization": "Bearer local-token"})
    assert answer.headers["X-RateLimit-Limit"] == "1666"
    assert answer.headers["X-RateLimit-Remaining"] == "1665"
    assert answer.headers["X-RateLimit-Reset"] == "1795000010"


@pytest.mark.parametrize("header", [None, "Bearer wrong", "local-token", "Basic local-token"])
async def test_a_missing_or_wrong_token_is_unauthorised(local, header):
    answer = await local.get("/me", headers={} if header is None else {"Authorization": header})
    assert answer.status_code == 401
    assert answer.json()["type"] == "error.list"
    assert answer.json()["errors"][0]["code"] == "unauthorized"


async def test_a_wrong_token_stops_the_client_for_good(transport):
    settings = IntercomSettings(token="wrong-token", client_secret="x", base_url="http://intercom.test")
    async with IntercomClient(settings, transport=transport) as client:
        with pytest.raises(FatalError):
            await client.me()


async def set_fault(local, **rule):
    assert (await local.put("/_local/faults", json={"rules": [rule]})).status_code == 200


async def test_an_injected_429_or_5xx_leaves_the_reply_unsent(client, local, conversation_id):
    for status in (429, 503):
        await set_fault(local, kind="error", path="/reply$", times=1, status=status, retry_after_seconds=2)
        with pytest.raises(IntercomUnavailableError) as caught:
            await client.reply(conversation_id, "hello")
        assert caught.value.retry_after_seconds == 2
        assert not caught.value.maybe_done
    assert (await local.get("/_local/summary")).json()["bot"]["replies"] == 0


async def test_a_lost_answer_leaves_the_reply_sent_once(client, local, conversation_id):
    await set_fault(local, kind="error_after", path="/reply$", times=1, status=502)
    with pytest.raises(IntercomUnavailableError) as caught:
        await client.reply(conversation_id, "hello")
    assert caught.value.maybe_done
    assert [part.body for part in (await client.get_conversation(conversation_id)).parts] == ["hello"]


async def test_an_unknown_address_is_an_error_list_too(local):
    answer = await local.get("/nothing/here", headers={"Authorization": "Bearer local-token"})
    assert answer.status_code == 404
    assert answer.json()["type"] == "error.list"


async def test_unknown_conversations_admins_assignees_and_tags_are_not_found(client, conversation_id):
    for call in (
        client.get_conversation("42"),
        client.reply("42", "hello"),
        client.reply(conversation_id, "hello", admin_id="42"),
        client.assign(conversation_id, "42"),
        client.assign(conversation_id, "1002", to="admin"),
        client.attach_tag(conversation_id, "42"),
        client.detach_tag(conversation_id, "9001"),
        client.get_contact("0" * 24),
        client.create_conversation("0" * 24, "hello"),
        client.reply_as_contact(conversation_id, "0" * 24, "hello"),
    ):
        with pytest.raises(IntercomRefusedError) as caught:
            await call
        assert caught.value.status == 404
