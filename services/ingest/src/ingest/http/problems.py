"""Problem bodies (RFC 9457) that name the field and the remedy."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from starlette.responses import Response

from ingest.domain.errors import FieldProblem

MEDIA_TYPE: Final = "application/problem+json"
TYPE_BASE: Final = "urn:floodgate:problem:"
_TITLES: Final[Mapping[int, str]] = {
    400: "The body is not JSON",
    401: "Not authenticated",
    404: "Not found",
    405: "Method not allowed",
    413: "The body is too large",
    415: "The body is not declared as JSON",
    422: "The request is not as described",
    503: "Not available now",
}


def problem_body(
    status: int, kind: str, detail: str, remedy: str, errors: Sequence[FieldProblem] = ()
) -> dict[str, Any]:
    body: dict[str, Any] = {
        "type": TYPE_BASE + kind,
        "title": _TITLES.get(status, "Error"),
        "status": status,
        "detail": detail,
        "remedy": remedy,
    }
    if errors:
        body["errors"] = [{"field": error.field, "detail": error.detail} for error in errors]
    return body


def problem(
    status: int,
    kind: str,
    detail: str,
    remedy: str,
    *,
    errors: Sequence[FieldProblem] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A response with a problem body.

    Args:
        status: HTTP status.
        kind: Last part of the problem's type, stable for programs to compare.
        detail: What is wrong with this request.
        remedy: What to do about it.
        errors: The fields that are wrong.
        headers: More headers, `Retry-After` say.
    """
    body = json.dumps(problem_body(status, kind, detail, remedy, errors), ensure_ascii=False)
    return Response(body, status_code=status, media_type=MEDIA_TYPE, headers=dict(headers or {}))


def too_large(limit_bytes: int) -> Response:
    # The rest of the body is not read, so the connection cannot be used again.
    return problem(
        413,
        "body-too-large",
        f"The body is longer than {limit_bytes} bytes.",
        "Send a shorter body; attachments are counted, not sent.",
        headers={"Connection": "close"},
    )


def unavailable(detail: str) -> Response:
    return problem(
        503,
        "kafka-unavailable",
        detail,
        "Send the same request again: repeating it does no harm.",
        headers={"Retry-After": "5"},
    )
