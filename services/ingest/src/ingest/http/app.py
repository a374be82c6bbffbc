"""The HTTP side put together: webhook beside FastAPI, health, problems, the OpenAPI page."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any, Final

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from floodgate import __version__
from floodgate.telemetry import get_logger
from keyflow.errors import FatalError, OutageError, PoisonMessageError, RetryableError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from ingest.domain.errors import FieldProblem
from ingest.http.body import BodyTooLargeError, NotDeclaredJsonError
from ingest.http.gate import ApiGate
from ingest.http.problems import problem, too_large, unavailable
from ingest.http.rest import RestApi
from ingest.http.timing import Timed
from ingest.http.webhook import PATH as WEBHOOK_PATH
from ingest.settings import IngestSettings
from ingest.telemetry import REST_REQUESTS

Readiness = Callable[[], Awaitable[dict[str, str]]]
"""What is not ready, by name, and why; empty when all is."""

log = get_logger(__name__)
_DESCRIPTION: Final = (
    "Messages of any channel in, what became of them out. Every body that is refused names the field and the remedy."
)
_MEDIA_TYPE: Final = re.compile(r"[A-Za-z0-9.+-]{1,40}/[A-Za-z0-9.+-]{1,80}")
_WEBHOOK_DOCS: Final[dict[str, Any]] = {
    "head": {"summary": "Intercom checks the address", "responses": {"200": {"description": "It is there"}}},
    "post": {
        "summary": "Intercom's notifications",
        "description": "Signed by Intercom over the raw body; not for other callers.",
        "parameters": [
            {
                "name": "X-Hub-Signature",
                "in": "header",
                "required": True,
                "description": "sha1= and the HMAC-SHA1 of the raw body with the app's client secret",
                "schema": {"type": "string"},
            }
        ],
        "requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}},
        "responses": {
            "202": {"description": "Kafka has it, or it means nothing here"},
            "401": {"description": "The signature does not match"},
            "413": {"description": "The body is over the bound"},
            "503": {"description": "Kafka did not take it: send it again"},
        },
    },
}


class EdgeApp:
    """The webhook on the shortest way, everything else through FastAPI."""

    def __init__(self, api: ASGIApp, webhook: ASGIApp | None) -> None:
        self._api = api
        self._webhook = webhook

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._webhook is not None and scope["type"] == "http" and scope["path"] == WEBHOOK_PATH:
            await self._webhook(scope, receive, send)
        else:
            await self._api(scope, receive, send)


def make_app(settings: IngestSettings, rest: RestApi, webhook: ASGIApp | None, readiness: Readiness) -> ASGIApp:
    """The application of the service.

    Args:
        settings: Keys and bounds.
        rest: The routes under /v1.
        webhook: Intercom's endpoint; None where Intercom is not set up (404 then).
        readiness: Asked by /readyz.
    """
    api = FastAPI(title="Floodgate ingest", version=__version__, description=_DESCRIPTION, redoc_url=None)
    api.include_router(rest.router())
    _add_health(api, readiness)
    _add_error_handlers(api, settings)
    if webhook is not None:
        _describe_webhook(api)
    return Timed(EdgeApp(ApiGate(api, settings.api_keys, settings.max_body_bytes), webhook))


def _add_health(api: FastAPI, readiness: Readiness) -> None:
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    async def readyz() -> JSONResponse:
        missing = await readiness()
        return JSONResponse(
            {"status": "ready" if not missing else "not ready", "missing": missing},
            status_code=503 if missing else 200,
        )

    api.add_api_route("/healthz", healthz, summary="The process answers")
    api.add_api_route("/readyz", readyz, summary="It can take messages", responses={503: {}})


def _add_error_handlers(api: FastAPI, settings: IngestSettings) -> None:
    async def invalid(_: Request, error: Exception) -> Response:
        return _invalid(error) if isinstance(error, RequestValidationError) else _unexpected(error)

    async def body_too_large(_: Request, __: Exception) -> Response:
        return too_large(settings.max_body_bytes)

    async def not_declared_json(_: Request, error: Exception) -> Response:
        REST_REQUESTS.labels("any", "415").inc()
        declared = error.declared if isinstance(error, NotDeclaredJsonError) else ""
        return _not_declared_json(declared)

    async def refused(_: Request, error: Exception) -> Response:
        REST_REQUESTS.labels("any", "422").inc()
        return problem(422, "record-refused", str(error), "Shorten or correct the message and send it again.")

    async def not_available(request: Request, error: Exception) -> Response:
        log.warning("rest.not_available", path=request.scope["route"].path, error=str(error))
        REST_REQUESTS.labels("any", "503").inc()
        return unavailable(str(error))

    async def plain(_: Request, error: Exception) -> Response:
        return _plain(error) if isinstance(error, HTTPException) else _unexpected(error)

    api.add_exception_handler(RequestValidationError, invalid)
    api.add_exception_handler(BodyTooLargeError, body_too_large)
    api.add_exception_handler(NotDeclaredJsonError, not_declared_json)
    api.add_exception_handler(PoisonMessageError, refused)
    for unavailable_error in (RetryableError, OutageError, FatalError):
        api.add_exception_handler(unavailable_error, not_available)
    api.add_exception_handler(HTTPException, plain)


def _invalid(error: RequestValidationError) -> Response:
    problems = []
    for item in error.errors():
        if item["type"] == "json_invalid":
            REST_REQUESTS.labels("any", "400").inc()
            position = item["loc"][-1] if item["loc"] else 0
            return problem(400, "not-json", f"The body is not JSON at character {position}.", "Send a JSON object.")
        place = [str(part) for part in item["loc"] if part not in ("body", "path")]
        problems.append(FieldProblem(".".join(place) or "body", str(item["msg"])))
    REST_REQUESTS.labels("any", "422").inc()
    return problem(
        422,
        "invalid-request",
        f"Wrong or missing: {', '.join(entry.field for entry in problems)}.",
        "Correct the fields under errors and send it again; /docs describes them.",
        errors=problems,
    )


def _not_declared_json(declared: str) -> Response:
    # What is declared may be anything: only a plain media type is told back.
    media_type = declared.partition(";")[0].strip()
    shown = media_type if _MEDIA_TYPE.fullmatch(media_type) else "something else" if media_type else "nothing"
    return problem(
        415,
        "not-declared-as-json",
        f"The header Content-Type says {shown}; this body has to be application/json.",
        "Send the header Content-Type: application/json with a JSON object as the body.",
        headers={"Accept-Post": "application/json"},
    )


def _plain(error: HTTPException) -> Response:
    if isinstance(error.__cause__, BodyTooLargeError) or isinstance(error.__context__, BodyTooLargeError):
        return problem(
            413, "body-too-large", "The body is too long.", "Send a shorter body.", headers={"Connection": "close"}
        )
    return problem(
        error.status_code,
        f"http-{error.status_code}",
        str(error.detail),
        "See /docs for what is served here.",
        headers=error.headers,
    )


def _unexpected(error: Exception) -> Response:
    raise error


def _describe_webhook(api: FastAPI) -> None:
    described = api.openapi

    def with_webhook() -> dict[str, Any]:
        schema = described()
        schema["paths"].setdefault(WEBHOOK_PATH, _WEBHOOK_DOCS)
        return schema

    # FastAPI's documented way to extend the schema is to replace this method.
    setattr(api, "openapi", with_webhook)  # noqa: B010 (mypy refuses the plain assignment to a method)
