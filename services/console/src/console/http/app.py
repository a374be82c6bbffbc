"""The web side put together: pages, changes, live events, sign-in, health."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from floodgate import __version__
from floodgate.telemetry import get_logger
from keyflow.errors import KeyflowError
from starlette.exceptions import HTTPException
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from console.domain.access import Person
from console.http.rendering import Renderer
from console.http.routes import Pages, SignInNeededError
from console.http.security import Access, KnownHosts, RefusedError, SafeHeaders
from console.http.sign_in import SignIn
from console.settings import ConsoleSettings

log = get_logger(__name__)

_STATIC: Final = Path(__file__).parent.parent / "static"


def make_app(
    settings: ConsoleSettings, access: Access, pages: Pages, renderer: Renderer, sign_in: SignIn | None
) -> ASGIApp:
    """The application of the service.

    Args:
        settings: Access and cookies.
        access: Knows who asks.
        pages: What is shown and changed.
        renderer: Shows errors.
        sign_in: OIDC; None where people are known otherwise.
    """
    api = FastAPI(
        title="Floodgate console",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        default_response_class=HTMLResponse,
    )
    api.include_router(pages.router())
    if sign_in is not None:
        api.include_router(sign_in.router())
    api.add_api_route("/healthz", _healthz(pages), include_in_schema=False)
    api.add_api_route("/openapi.json", _described(api, pages), include_in_schema=False)
    api.mount("/static", StaticFiles(directory=_STATIC))
    _add_error_handlers(api, access, renderer, has_sign_in=sign_in is not None)
    secret = settings.session_secret.get_secret_value() if settings.session_secret else secrets.token_urlsafe(32)
    sessions = SessionMiddleware(
        api,
        secret_key=secret,
        session_cookie="floodgate_console",
        max_age=round(settings.session_hours * 3600),
        same_site="lax",
        https_only=settings.is_https,
    )
    return SafeHeaders(KnownHosts(sessions, settings), is_https=settings.is_https)


def _healthz(pages: Pages) -> Callable[[], Awaitable[JSONResponse]]:
    async def healthz() -> JSONResponse:
        problem = pages.projection_problem()
        return JSONResponse({"healthy": not problem, "projection": problem or "follows"}, 503 if problem else 200)

    return healthz


def _described(api: FastAPI, pages: Pages) -> Callable[[Request], Awaitable[JSONResponse]]:
    async def described(request: Request) -> JSONResponse:
        pages.person(request)
        return JSONResponse(api.openapi())

    return described


def _add_error_handlers(api: FastAPI, access: Access, renderer: Renderer, *, has_sign_in: bool) -> None:
    def shown(request: Request, status: int, title: str, remedy: str) -> Response:
        person: Person | None
        try:
            person = access.person(request)
        except RefusedError:
            person = None
        return renderer.page(request, "error", person, {"status": status, "title": title, "remedy": remedy}, status)

    async def sign_in_needed(request: Request, _: Exception) -> Response:
        if has_sign_in and request.method == "GET":
            request.session["after_sign_in"] = request.url.path
            return RedirectResponse("/sign-in", 303)
        return shown(request, 401, "Please sign in", "Your session is over.")

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, RefusedError)
        return shown(request, error.status, "Not done", error.reason)

    async def not_available(request: Request, error: Exception) -> Response:
        log.warning("console.not_available", path=request.scope["path"], error=str(error))
        return shown(request, 503, "Not available just now", str(error))

    async def invalid(request: Request, _: Exception) -> Response:
        return shown(request, 422, "That address does not hold together", "Go back and choose from the page.")

    async def plain(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        titles = {404: "Nothing here", 405: "That cannot be done here"}
        return shown(
            request, error.status_code, titles.get(error.status_code, "Not done"), "Choose a page on the left."
        )

    api.add_exception_handler(SignInNeededError, sign_in_needed)
    api.add_exception_handler(RefusedError, refused)
    api.add_exception_handler(KeyflowError, not_available)
    api.add_exception_handler(RequestValidationError, invalid)
    api.add_exception_handler(HTTPException, plain)
