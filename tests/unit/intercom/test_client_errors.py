"""Whatever goes wrong at Intercom comes out as one of the engine's failure classes."""

import json

import httpx
import pytest
from floodgate.intercom import IntercomClient, IntercomRefusedError, IntercomSettings, IntercomUnavailableError
from floodgate.surrogates import without_lone_surrogates
from keyflow.errors import FatalError, PoisonMessageError, RetryableError

NOW = 1_795_000_000.0


def client_answering(answer) -> IntercomClient:
    settings = IntercomSettings(token="secret-token", client_secret="client-secret", bot_admin_id="5001")
    return IntercomClient(settings, transport=httpx.MockTransport(answer), wall_clock=lambda: NOW)


def answering(status: int, *, headers: dict[str, str] | None = None, code: str = "some_code"):
    body = {"type": "error.list", "request_id": "r-1", "errors": [{"code": code, "message": "Jan's secret text"}]}
    return client_answering(lambda request: httpx.Response(status, json=body, headers=headers))


def raising(error: Exception):
    def answer(request):
        raise error

    return client_answering(answer)


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refused_token_is_fatal_and_the_line_names_the_remedy(status):
    with pytest.raises(FatalError, match="FLOODGATE_INTERCOM_TOKEN"):
        await answering(status).reply("1", "hello")


@pytest.mark.parametrize("status", [400, 404, 409, 410, 422])
async def test_a_refused_request_is_poison_with_intercoms_code(status):
    with pytest.raises(IntercomRefusedError) as caught:
        await answering(status, code="not_found").reply("1", "hello")
    assert isinstance(caught.value, PoisonMessageError)
    assert (caught.value.status, caught.value.code) == (status, "not_found")


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"X-RateLimit-Reset": str(int(NOW) + 4)}, 4.0),
        ({"X-RateLimit-Reset": str(int(NOW) - 4)}, 0.0),
        ({"X-RateLimit-Reset": str(int(NOW) + 40_000)}, 10.0),
        ({"X-RateLimit-Reset": "soon"}, 10.0),
        ({"Retry-After": "3", "X-RateLimit-Reset": str(int(NOW) + 9)}, 3.0),
        ({}, 10.0),
    ],
)
async def test_throttling_says_how_long_to_wait_and_was_not_done(headers, seconds):
    with pytest.raises(IntercomUnavailableError) as caught:
        await answering(429, headers=headers).reply("1", "hello")
    assert isinstance(caught.value, RetryableError)
    assert caught.value.retry_after_seconds == seconds
    assert not caught.value.maybe_done


@pytest.mark.parametrize(("status", "maybe_done"), [(500, True), (502, True), (503, False), (504, True), (408, True)])
async def test_a_server_error_tells_whether_the_call_may_have_been_done(status, maybe_done):
    with pytest.raises(IntercomUnavailableError) as caught:
        await answering(status).reply("1", "hello")
    assert caught.value.maybe_done is maybe_done
    with pytest.raises(IntercomUnavailableError) as caught:
        await answering(status).get_conversation("1")
    assert caught.value.maybe_done is False


@pytest.mark.parametrize(
    ("error", "maybe_done"),
    [
        (httpx.ConnectError("no route"), False),
        (httpx.ConnectTimeout("slow"), False),
        (httpx.PoolTimeout("busy"), False),
        (httpx.ReadTimeout("slow"), True),
        (httpx.WriteError("cut"), True),
        (httpx.RemoteProtocolError("cut"), True),
    ],
)
async def test_a_broken_connection_is_retryable_and_tells_whether_it_may_have_been_done(error, maybe_done):
    with pytest.raises(IntercomUnavailableError) as caught:
        await raising(error).reply("1", "hello")
    assert caught.value.maybe_done is maybe_done


@pytest.mark.parametrize("content", [b"", b"<html>gateway</html>", b"[]", b'{"id": {"a": "Jan"}}'])
async def test_an_answer_that_is_not_what_was_described_is_retryable(content):
    client = client_answering(lambda request: httpx.Response(200, content=content))
    with pytest.raises(IntercomUnavailableError) as caught:
        await client.get_conversation("1")
    assert "Jan" not in str(caught.value)


async def test_no_error_repeats_what_was_sent_or_the_token():
    with pytest.raises(IntercomRefusedError) as caught:
        await answering(422, code="Jan wrote: my card is 4111").reply("1", "very private words")
    said = str(caught.value)
    assert "private" not in said
    assert "Jan" not in said
    assert "secret-token" not in said


@pytest.mark.parametrize("body", [b"", b"oops", b'{"errors": []}', b'{"errors": "x"}', b"null"])
async def test_an_error_without_intercoms_shape_is_still_translated(body):
    client = client_answering(lambda request: httpx.Response(404, content=body))
    with pytest.raises(IntercomRefusedError) as caught:
        await client.get_conversation("1")
    assert caught.value.code == "unknown"


async def test_every_call_carries_the_token_and_the_api_version():
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={"type": "admin", "id": "7"})

    client = client_answering(answer)
    await client.me()
    assert seen[0].headers["Intercom-Version"] == "2.16"
    assert seen[0].headers["Authorization"] == "Bearer secret-token"
    assert str(seen[0].url) == "https://api.intercom.io/me"


async def test_the_bot_admin_is_asked_once_when_it_is_not_configured():
    paths: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        paths.append(request.url.path)
        return httpx.Response(200, json={"type": "admin", "id": "7"})

    settings = IntercomSettings(token="secret-token", client_secret="client-secret")
    client = IntercomClient(settings, transport=httpx.MockTransport(answer))
    await client.reply("1", "hello")
    await client.reply("1", "hello again")
    assert paths == ["/me", "/conversations/1/reply", "/conversations/1/reply"]


@pytest.mark.parametrize(
    ("region", "host"),
    [("us", "api.intercom.io"), ("eu", "api.eu.intercom.io"), ("au", "api.au.intercom.io")],
)
def test_each_region_has_its_host_and_an_explicit_address_wins(region, host):
    settings = IntercomSettings(token="t", client_secret="c", region=region)
    assert settings.url == f"https://{host}"
    explicit = IntercomSettings(token="t", client_secret="c", region=region, base_url="http://127.0.0.1:9/")
    assert explicit.url == "http://127.0.0.1:9"


def test_the_settings_never_show_their_secrets():
    settings = IntercomSettings(token="very-secret", client_secret="also-secret")
    assert "secret" not in repr(settings).replace("client_secret", "")


async def test_an_id_cannot_leave_its_place_in_the_path():
    paths: list[bytes] = []

    def answer(request: httpx.Request) -> httpx.Response:
        paths.append(request.url.raw_path)
        return httpx.Response(404, json={})

    with pytest.raises(IntercomRefusedError):
        await client_answering(answer).get_conversation("../me?x=")
    assert paths[0].startswith(b"/conversations/..%2Fme%3Fx%3D")


def test_half_of_an_emoji_is_replaced_and_whole_ones_stay() -> None:
    cut = b'{"body": "cut \\ud83d, whole \\ud83d\\ude00", "n": 1}'
    assert json.loads(without_lone_surrogates(cut)) == {"body": "cut \ufffd, whole \U0001f600", "n": 1}
    assert without_lone_surrogates(b'{"plain": true}') == b'{"plain": true}'
    assert without_lone_surrogates(b"\\ud83d not json") == b"\\ud83d not json"
