"""Signing in with a pretended provider: code flow with PKCE, state and nonce; groups become a role; a session ends."""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import httpx2
import pytest
from console.http.security import Access, RefusedError
from console.http.sign_in import SignIn
from console.settings import ConsoleSettings
from fastapi import FastAPI
from joserfc import jwt
from joserfc.jwk import RSAKey
from starlette.applications import Starlette
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

ISSUER = "https://id.example"
KEY = RSAKey.generate_key(2048, {"kid": "one"})


class Provider:
    """Speaks OpenID Connect."""

    def __init__(self) -> None:
        self.claims: dict[str, Any] = {"sub": "7", "preferred_username": "mila", "groups": ["floodgate-operators"]}
        self.nonce = self.challenge = ""
        self.is_down = False

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self.metadata),
                Route("/keys", self.keys),
                Route("/token", self.token, methods=["POST"]),
            ]
        )

    def metadata(self, _: Request) -> Response:
        if self.is_down:
            return Response(status_code=503)
        places = {
            name: f"{ISSUER}/{path}" for name, path in (("authorization_endpoint", "go"), ("token_endpoint", "token"))
        }
        return JSONResponse({"issuer": ISSUER, "jwks_uri": f"{ISSUER}/keys", **places})

    def keys(self, _: Request) -> Response:
        return JSONResponse({"keys": [KEY.as_dict(private=False)]})

    async def token(self, request: Request) -> Response:
        form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        assert base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == self.challenge
        now = int(time.time())
        standard = {"iss": ISSUER, "aud": "console", "iat": now, "exp": now + 60, "nonce": self.nonce}
        signed = jwt.encode({"alg": "RS256", "kid": "one"}, {**standard, **self.claims}, KEY)
        return JSONResponse({"access_token": "a", "token_type": "Bearer", "expires_in": 60, "id_token": signed})


@pytest.fixture
def provider() -> Provider:
    return Provider()


@pytest.fixture
async def client(provider: Provider) -> AsyncIterator[httpx.AsyncClient]:
    settings = ConsoleSettings.model_validate(
        {
            "access": "oidc",
            "oidc_issuer": ISSUER,
            "oidc_client_id": "console",
            "oidc_client_secret": "s",
            "public_url": "https://console.example",
            "session_secret": "s" * 32,
        }
    )
    app = FastAPI()
    app.include_router(SignIn(settings, transport=httpx2.ASGITransport(app=provider.app())).router())
    access = Access(settings, "nobody")

    async def who(request: Request) -> JSONResponse:
        person = access.person(request)
        return JSONResponse(None if person is None else [person.name, person.role.label])

    async def refused(_: Request, error: Exception) -> Response:
        assert isinstance(error, RefusedError)
        return Response(error.reason, error.status)

    app.add_api_route("/who", who)
    app.add_exception_handler(RefusedError, refused)
    inside = SessionMiddleware(app, secret_key="s" * 32, https_only=True)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=inside), base_url="https://console.example"
    ) as found:
        yield found


async def go(client: httpx.AsyncClient, provider: Provider) -> str:
    """Begins; the provider remembers what it was asked. Returns the state."""
    answer = await client.get("/sign-in")
    asked = {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["location"]).query).items()}
    assert asked["redirect_uri"] == "https://console.example/sign-in/done"
    assert asked["code_challenge_method"] == "S256"
    provider.nonce, provider.challenge = asked["nonce"], asked["code_challenge"]
    return asked["state"]


async def test_who_signs_in_has_the_role_of_their_groups(client: httpx.AsyncClient, provider: Provider) -> None:
    assert (await client.get("/who")).json() is None
    state = await go(client, provider)
    done = await client.get("/sign-in/done", params={"code": "c", "state": state})
    assert (done.status_code, done.headers["location"]) == (303, "/")
    assert (await client.get("/who")).json() == ["mila", "operator"]


async def test_without_a_group_somebody_may_only_look(client: httpx.AsyncClient, provider: Provider) -> None:
    provider.claims["groups"] = ["guests"]
    await client.get("/sign-in/done", params={"code": "c", "state": await go(client, provider)})
    assert (await client.get("/who")).json() == ["mila", "viewer"]


async def test_another_state_signs_nobody_in(client: httpx.AsyncClient, provider: Provider) -> None:
    await go(client, provider)
    assert (await client.get("/sign-in/done", params={"code": "c", "state": "forged"})).status_code == 401
    assert (await client.get("/who")).json() is None


async def test_a_token_for_another_sign_in_signs_nobody_in(client: httpx.AsyncClient, provider: Provider) -> None:
    state = await go(client, provider)
    provider.nonce = "of somebody else"
    assert (await client.get("/sign-in/done", params={"code": "c", "state": state})).status_code == 401
    assert (await client.get("/who")).json() is None


async def test_a_silent_provider_is_said_so(client: httpx.AsyncClient, provider: Provider) -> None:
    provider.is_down = True
    answer = await client.get("/sign-in")
    assert answer.status_code == 503
    assert "does not answer" in answer.text
