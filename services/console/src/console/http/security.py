"""Who asks, and whether they may: headers, hosts, sessions, tokens of forms, roles."""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final
from urllib.parse import parse_qs, urlsplit

from keyflow.errors import FatalError
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from console.domain.access import Person, Role, RoleGroups
from console.settings import ConsoleSettings

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
_LOOPBACK_NAMES: Final = frozenset({"localhost", "127.0.0.1", "::1", "[::1]"})
_MAX_FORM_BYTES: Final = 4_000_000
_MAX_FIELDS: Final = 20_000
PROXY_SECRET_HEADER: Final = "X-Console-Proxy-Secret"  # noqa: S105 (the name of a header)


class RefusedError(Exception):
    """Somebody may not do what they asked for.

    Args:
        status: HTTP status.
        reason: What to do about it.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class SafeHeaders:
    """Sets the headers of safety on every answer; what is no static file is not kept by browsers."""

    def __init__(self, app: ASGIApp, *, is_https: bool) -> None:
        self._app = app
        self._headers = dict(_HEADERS)
        if is_https:
            self._headers["Strict-Transport-Security"] = "max-age=31536000"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        keeps = scope["path"].startswith("/static/")

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                extra = {**self._headers, "Cache-Control": "public, max-age=300" if keeps else "no-store"}
                message["headers"] = [
                    *message.get("headers", []),
                    *((name.lower().encode(), value.encode()) for name, value in extra.items()),
                ]
            await send(message)

        await self._app(scope, receive, with_headers)


class KnownHosts:
    """Refuses requests for another host, so that no page elsewhere reaches loopback by a name of its own."""

    def __init__(self, app: ASGIApp, settings: ConsoleSettings) -> None:
        self._app = app
        self._hosts = set(_LOOPBACK_NAMES) if settings.on_loopback else {settings.host}
        if settings.public_url:
            self._hosts.add(urlsplit(settings.public_url).hostname or "")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            host = urlsplit(f"//{_host(scope)}")
            try:
                known = (host.hostname or "") in self._hosts
            except ValueError:
                known = False
            if not known and scope["path"] != "/healthz":
                await PlainTextResponse("unknown host\n", 421)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _host(scope: Scope) -> str:
    value = Headers(scope=scope).get("host", "")
    return "" if any(letter in value for letter in "/\\?#@ ") else value


class Access:
    """Knows who asks.

    Args:
        settings: How people are known.
        local_user: Who works at this machine.
    """

    def __init__(self, settings: ConsoleSettings, local_user: str) -> None:
        self._settings = settings
        self._local_user = local_user
        self._groups = RoleGroups(settings.viewers, settings.reviewers, settings.operators)

    def person(self, request: Request) -> Person | None:
        """Who asks; None when nobody signed in.

        Raises:
            RefusedError: The request did not come through the proxy.
        """
        match self._settings.access:
            case "local":
                return Person(self._local_user, Role.OPERATOR)
            case "proxy":
                return self._from_proxy(request)
        session = request.session
        if not session.get("user") or float(session.get("until", 0)) < time.time():
            return None
        return Person(str(session["user"]), self._groups.role(list(session.get("groups", []))))

    def _from_proxy(self, request: Request) -> Person:
        secret = self._settings.proxy_secret
        if secret is None:
            raise FatalError("access=proxy needs FLOODGATE_CONSOLE_PROXY_SECRET")
        given = request.headers.get(PROXY_SECRET_HEADER, "")
        if not hmac.compare_digest(given.encode(), secret.get_secret_value().encode()):
            raise RefusedError(403, "Come in through the proxy: the console answers no one else.")
        name = request.headers.get(self._settings.proxy_user_header, "").strip()
        if not name:
            raise RefusedError(403, "The proxy did not say who you are.")
        groups = request.headers.get(self._settings.proxy_groups_header, "").split(",")
        return Person(name, self._groups.role([group.strip() for group in groups]))


def token(request: Request) -> str:
    """The token that forms of this session carry."""
    found = request.session.get("csrf")
    if not found:
        found = request.session["csrf"] = secrets.token_urlsafe(24)
    return str(found)


Form = Mapping[str, list[str]]


async def checked_form(request: Request) -> Form:
    """The fields of a form that this session's own page sent.

    Raises:
        RefusedError: It came from elsewhere, or is no form.
    """
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise RefusedError(403, "This form was sent from another site.")
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > _MAX_FORM_BYTES:
            raise RefusedError(413, "The form is too long.")
    try:
        form = parse_qs(body.decode(), keep_blank_values=True, strict_parsing=bool(body), max_num_fields=_MAX_FIELDS)
    except ValueError as error:
        raise RefusedError(400, "This is no form.") from error
    given, wanted = form.get("csrf", [""])[0], str(request.session.get("csrf", ""))
    if not wanted or not hmac.compare_digest(given.encode(), wanted.encode()):
        raise RefusedError(403, "The page was open for too long: load it again and repeat what you did.")
    return form


def field(form: Form, name: str) -> str:
    """One field of a form, empty when it is not there."""
    return form.get(name, [""])[-1].strip()


Handler = Callable[[Request, Person], Awaitable[Response]]
