"""Refusals in Intercom's shape."""

from __future__ import annotations

import json
import uuid

from starlette.responses import Response


class ApiError(Exception):
    """A refusal: an HTTP status with one error of an `error.list`."""

    def __init__(self, status: int, code: str, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.field = field

    def response(self, headers: dict[str, str] | None = None) -> Response:
        error = {"code": self.code, "message": self.message}
        if self.field is not None:
            error["field"] = self.field
        body = {"type": "error.list", "request_id": str(uuid.uuid4()), "errors": [error]}
        return Response(json.dumps(body), status_code=self.status, headers=headers, media_type="application/json")


def not_found(what: str = "Resource") -> ApiError:
    return ApiError(404, "not_found", f"{what} Not Found")


def invalid(message: str, *, field: str | None = None) -> ApiError:
    return ApiError(400, "parameter_invalid", message, field=field)


def injected(status: int, retry_after_seconds: float | None) -> Response:
    """The answer of a fault that was switched on."""
    codes = {429: "rate_limit_exceeded", 503: "service_unavailable", 408: "request_timeout"}
    headers = {} if retry_after_seconds is None else {"Retry-After": f"{retry_after_seconds:g}"}
    return ApiError(status, codes.get(status, "server_error"), "Injected fault").response(headers)
