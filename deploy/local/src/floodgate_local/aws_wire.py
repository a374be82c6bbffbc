"""What every AWS REST-JSON service does alike: who calls, how an error travels, how a request is checked."""

from __future__ import annotations

import hashlib
import json
import math
import re
import uuid
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import botocore.session
from botocore.model import ListShape, MapShape, ServiceModel, Shape, StructureShape
from starlette.requests import Request
from starlette.responses import Response

_CREDENTIAL: Final = re.compile(
    r"Credential=(?P<key>[^/,\s]+)/(?P<date>\d{8})/(?P<region>[a-z0-9-]+)/(?P<service>[a-z0-9-]+)/aws4_request"
)
_SHOWN_VALUE_LIMIT: Final = 64


class AwsError(Exception):
    """An error as the AWS services send it: HTTP status, error type, message."""

    def __init__(self, status: int, error_type: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{error_type}: {message}")
        self.status = status
        self.error_type = error_type
        self.message = message
        self.headers = dict(headers or {})


def validation_exception(message: str) -> AwsError:
    """The 400 by which Bedrock refuses a request."""
    return AwsError(400, "ValidationException", message)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who signed the request; the account is the access key, for nothing else tells callers apart here."""

    account: str
    region: str


def authenticate(request: Request, service: str) -> Caller:
    """Read the caller from the SigV4 header (or a Bedrock API key).

    The signature itself is not verified: the server holds no secrets.

    Raises:
        AwsError: 403, as AWS answers a request without a usable Authorization header.
    """
    header = request.headers.get("authorization", "")
    if not header:
        raise AwsError(403, "MissingAuthenticationTokenException", "Missing Authentication Token")
    if header.startswith("Bearer ") and len(header) > len("Bearer "):
        key = hashlib.sha256(header.encode()).hexdigest()[:16]
        return Caller(account=key, region="")
    if not header.startswith("AWS4-HMAC-SHA256 "):
        raise AwsError(
            403,
            "IncompleteSignatureException",
            "Authorization header requires existence of either a 'AWS4-HMAC-SHA256' or a 'Bearer' scheme.",
        )
    found = _CREDENTIAL.search(header)
    missing = [part for part in ("Credential=", "SignedHeaders=", "Signature=") if part not in header]
    if found is None or missing:
        part = (missing or ["Credential="])[0].rstrip("=")
        raise AwsError(403, "IncompleteSignatureException", f"Authorization header requires '{part}' parameter.")
    if found["service"] != service:
        raise AwsError(
            403,
            "InvalidSignatureException",
            f"Credential should be scoped to correct service: '{service}'.",
        )
    return Caller(account=found["key"], region=found["region"])


def json_bytes(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def json_response(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer with the request id that every AWS answer carries."""
    return Response(
        json_bytes(value),
        status_code=status,
        media_type="application/json",
        headers={"x-amzn-RequestId": str(uuid.uuid4()), **(headers or {})},
    )


def error_response(error: AwsError, request: Request | None = None) -> Response:
    """Status, `x-amzn-ErrorType` and `{"message"}`: how botocore learns which exception to raise.

    Services of the older JSON protocol, known by their target header, say the type in the body.
    """
    body = {"message": error.message}
    if request is not None and "x-amz-target" in request.headers:
        body["__type"] = error.error_type
    return json_response(body, error.status, {"x-amzn-ErrorType": error.error_type, **error.headers})


def parse_json_object(body: bytes) -> dict[str, Any]:
    """Parse a request body.

    Raises:
        AwsError: 400 SerializationException when it is not one JSON object.
    """
    try:
        value = json.loads(body or b"{}")
    except ValueError:
        raise AwsError(400, "SerializationException", "Unable to parse the request body as JSON") from None
    if not isinstance(value, dict):
        raise AwsError(400, "SerializationException", "Start of structure or map expected")
    return value


# --- Shapes -----------------------------------------------------------------------------------------------
# Request bodies are held against botocore's own service model, so what the server accepts is what the SDKs
# were generated from. A check yields the violated constraints in the words of the AWS front end.

Check = Callable[[Any, str], Iterator[str]]


@lru_cache(maxsize=8)
def service_model(service: str) -> ServiceModel:
    return botocore.session.get_session().get_service_model(service)


@lru_cache(maxsize=256)
def body_check(service: str, operation: str) -> Check:
    """The check for the JSON body of one operation (members bound to the URI or headers left out)."""
    shape = service_model(service).operation_model(operation).input_shape
    if not isinstance(shape, StructureShape):
        return _accept
    members = {
        name: member
        for name, member in shape.members.items()
        if member.serialization.get("location") not in {"uri", "header", "querystring"}
    }
    required = [name for name in shape.required_members if name in members]
    return _structure_check(_wire_names(members), required, shape, {})


def check_body(service: str, operation: str, body: Mapping[str, Any], error_type: str = "ValidationException") -> None:
    """Hold a request body against the service model.

    Raises:
        AwsError: 400 of the service's validation error, naming every violated constraint.
    """
    violations = list(body_check(service, operation)(body, ""))
    if violations:
        raise AwsError(400, error_type, violation_message(violations))


def violation_message(violations: list[str]) -> str:
    noun = "validation error" if len(violations) == 1 else "validation errors"
    return f"{len(violations)} {noun} detected: {'; '.join(violations)}"


def _accept(_value: Any, _path: str) -> Iterator[str]:
    return iter(())


def _wire_names(members: Mapping[str, Shape]) -> dict[str, Shape]:
    return {member.serialization.get("name", name): member for name, member in members.items()}


def _compile(shape: Shape, seen: dict[str, Check]) -> Check:
    if shape.name in seen:
        # Recursive shapes (a document inside a tool result) resolve when they are first used.
        def later(value: Any, path: str) -> Iterator[str]:
            return seen[shape.name](value, path)

        return later
    if shape.metadata.get("document") or getattr(shape, "is_document_type", False):
        return _accept
    if isinstance(shape, StructureShape):
        return _compile_structure(shape, seen)
    if isinstance(shape, ListShape):
        return _list_check(_compile(shape.member, seen), shape)
    if isinstance(shape, MapShape):
        return _map_check(_compile(shape.value, seen), shape)
    return _scalar_check(shape)


def _compile_structure(shape: StructureShape, seen: dict[str, Check]) -> Check:
    seen[shape.name] = _accept
    compiled = _structure_check(_wire_names(shape.members), list(shape.required_members), shape, seen)
    seen[shape.name] = compiled
    return compiled


def _structure_check(
    members: Mapping[str, Shape], required: list[str], shape: StructureShape, seen: dict[str, Check]
) -> Check:
    checks = {name: _compile(member, seen) for name, member in members.items()}
    union = bool(getattr(shape, "is_tagged_union", False)) or shape.name == "ContentBlock"

    def check(value: Any, path: str) -> Iterator[str]:
        if not isinstance(value, dict):
            raise _wrong_type("Start of structure or map expected")
        prefix = f"{path}." if path else ""
        for name in required:
            if value.get(name) is None:
                yield f"Value at '{prefix}{name}' failed to satisfy constraint: Member must not be null"
        present = [name for name in value if name in checks and value[name] is not None]
        if union and len(present) != 1:
            raise AwsError(
                400,
                "ValidationException",
                f"The union at '{path}' must have exactly one member set, one of: {', '.join(checks)}",
            )
        for name in present:
            yield from checks[name](value[name], f"{prefix}{name}")

    return check


def _list_check(member: Check, shape: ListShape) -> Check:
    length = _range_check(shape, "length", len)

    def check(value: Any, path: str) -> Iterator[str]:
        if not isinstance(value, list):
            raise _wrong_type("Expected list or null")
        yield from length(value, path)
        for position, item in enumerate(value, start=1):
            yield from member(item, f"{path}.{position}.member")

    return check


def _map_check(member: Check, shape: MapShape) -> Check:
    length = _range_check(shape, "length", len)

    def check(value: Any, path: str) -> Iterator[str]:
        if not isinstance(value, dict):
            raise _wrong_type("Start of structure or map expected")
        yield from length(value, path)
        for key, item in value.items():
            yield from member(item, f"{path}.{key}.member")

    return check


def _scalar_check(shape: Shape) -> Check:
    match shape.type_name:
        case "string":
            return _string_check(shape)
        case "integer" | "long":
            return _number_check(shape, integral=True)
        case "float" | "double":
            return _number_check(shape, integral=False)
        case "boolean":
            return _boolean_check
        case _:  # blobs travel as base64 text, timestamps do not occur in these bodies
            return _accept


def _string_check(shape: Shape) -> Check:
    enum = list(getattr(shape, "enum", []) or [])
    length = _range_check(shape, "length", len)
    pattern = shape.metadata.get("pattern")
    compiled = _compile_pattern(pattern) if pattern else None

    def check(value: Any, path: str) -> Iterator[str]:
        if not isinstance(value, str):
            raise _wrong_type("Expected string or null")
        if enum and value not in enum:
            yield _violation(value, path, f"Member must satisfy enum value set: [{', '.join(enum)}]")
        yield from length(value, path)
        if compiled is not None and not compiled.match(value):
            yield _violation(value, path, f"Member must satisfy regular expression pattern: {pattern}")

    return check


def _compile_pattern(pattern: str) -> re.Pattern[str] | None:
    # The patterns are Java's. The few that Python cannot read are left out: the service's own rules remain.
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            return re.compile(f"(?:{pattern})\\Z", re.DOTALL)
    except re.error:
        return None


def _number_check(shape: Shape, *, integral: bool) -> Check:
    value_range = _range_check(shape, "value", lambda number: number)

    def check(value: Any, path: str) -> Iterator[str]:
        if isinstance(value, bool) or not isinstance(value, int if integral else (int, float)):
            raise _wrong_type("Expected integer" if integral else "Expected number")
        if not math.isfinite(value):
            raise _wrong_type("Expected number")
        yield from value_range(value, path)

    return check


def _boolean_check(value: Any, _path: str) -> Iterator[str]:
    if not isinstance(value, bool):
        raise _wrong_type("Expected boolean")
    return iter(())


def _range_check(shape: Shape, what: str, measure: Callable[[Any], float]) -> Check:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if low is None and high is None:
        return _accept

    def check(value: Any, path: str) -> Iterator[str]:
        size = measure(value)
        if low is not None and size < low:
            yield _violation(value, path, f"Member must have {what} greater than or equal to {low}")
        if high is not None and size > high:
            yield _violation(value, path, f"Member must have {what} less than or equal to {high}")

    return check


def _violation(value: Any, path: str, constraint: str) -> str:
    # Long values and structures may be customer text: only the path is named then.
    shown = isinstance(value, (str, int, float)) and len(str(value)) <= _SHOWN_VALUE_LIMIT
    head = f"Value '{value}' at '{path}'" if shown else f"Value at '{path}'"
    return f"{head} failed to satisfy constraint: {constraint}"


def _wrong_type(message: str) -> AwsError:
    return AwsError(400, "SerializationException", message)
