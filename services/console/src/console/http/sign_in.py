"""Signing in with OpenID Connect: code flow with PKCE, state and nonce; what is kept is a name and groups."""

from __future__ import annotations

import time
from typing import Any, Final

import httpx2
from authlib.integrations.base_client import OAuthError
from authlib.integrations.starlette_client import OAuth
from fastapi import APIRouter
from floodgate.telemetry import get_logger
from joserfc.errors import JoseError
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from console.http.security import RefusedError, checked_form
from console.settings import ConsoleSettings

log = get_logger(__name__)

_PROVIDER_ERRORS: Final = (httpx2.HTTPError, OAuthError, JoseError, ValueError, KeyError, RuntimeError)
_TIMEOUT_SECONDS: Final = 10.0
_NAMES: Final = ("preferred_username", "email", "sub")


class SignIn:
    """The three routes of signing in and out.

    Args:
        settings: The provider, and what claim holds the groups.
        transport: Takes the place of the network.
    """

    def __init__(self, settings: ConsoleSettings, *, transport: httpx2.AsyncBaseTransport | None = None) -> None:
        self._settings = settings
        secret = settings.oidc_client_secret
        self._oauth = OAuth()
        self._oauth.register(
            "provider",
            client_id=settings.oidc_client_id,
            client_secret=None if secret is None else secret.get_secret_value(),
            server_metadata_url=f"{settings.oidc_issuer.rstrip('/')}/.well-known/openid-configuration",
            client_kwargs={
                "scope": "openid profile email",
                "code_challenge_method": "S256",
                "timeout": _TIMEOUT_SECONDS,
                **({} if transport is None else {"transport": transport}),
            },
        )

    def router(self) -> APIRouter:
        """The routes."""
        router = APIRouter(include_in_schema=False)
        router.add_api_route("/sign-in", self.begin)
        router.add_api_route("/sign-in/done", self.done)
        router.add_api_route("/sign-out", self.sign_out, methods=["POST"])
        return router

    async def begin(self, request: Request) -> Response:
        """Sends the browser to the provider."""
        try:
            answer: Response = await self._provider().authorize_redirect(
                request, f"{self._settings.public_url.rstrip('/')}/sign-in/done"
            )
        except _PROVIDER_ERRORS as error:
            log.warning("console.provider_silent", error=type(error).__name__)
            raise RefusedError(503, "The sign-in provider does not answer: try again in a minute.") from error
        return answer

    async def done(self, request: Request) -> Response:
        """Takes what the provider says and opens a session."""
        try:
            answer = await self._provider().authorize_access_token(request)
        except _PROVIDER_ERRORS as error:
            log.warning("console.sign_in_failed", error=type(error).__name__)
            raise RefusedError(401, "The sign-in did not succeed: try again.") from error
        claims = answer.get("userinfo") or {}
        name = next((str(claims[key]) for key in _NAMES if claims.get(key)), "")
        if not name:
            raise RefusedError(401, "The provider did not say who you are.")
        goes_to = str(request.session.get("after_sign_in", "/"))
        groups = claims.get(self._settings.oidc_groups_claim, [])
        # A new session, so that none that somebody else prepared is taken over.
        request.session.clear()
        request.session.update(
            {
                "user": name,
                "groups": [str(group) for group in groups] if isinstance(groups, list) else [str(groups)],
                "until": time.time() + self._settings.session_hours * 3600,
            }
        )
        return RedirectResponse(goes_to if goes_to.startswith("/") and not goes_to.startswith("//") else "/", 303)

    async def sign_out(self, request: Request) -> Response:
        """Ends the session."""
        await checked_form(request)
        request.session.clear()
        return RedirectResponse("/sign-in", 303)

    def _provider(self) -> Any:
        return self._oauth.create_client("provider")
