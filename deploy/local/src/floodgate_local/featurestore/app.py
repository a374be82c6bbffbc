"""The HTTP surface of the Feature Store server."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final

from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from floodgate_local.aws_wire import (
    AwsError,
    authenticate,
    error_response,
    json_response,
    parse_json_object,
)
from floodgate_local.featurestore.faults import FaultInjector, FaultSettings
from floodgate_local.featurestore.groups import validation_error
from floodgate_local.featurestore.service import FeatureStore
from floodgate_local.featurestore.store import Store

SERVER_NAME: Final = "floodgate-local-featurestore"
SIGNING_NAME: Final = "sagemaker"
_MAX_OFFLINE_ROWS: Final = 10_000

Handler = Callable[[Request], Awaitable[Response]]


def create_app(store: Store) -> Starlette:
    """The application around one store."""

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        store.close()

    surface = _Surface(store)
    group = "/FeatureGroup/{name:path}"
    return Starlette(
        routes=[
            Route(f"{group}/ListRecords", surface.guard("ListRecords", surface.list_records), methods=["POST"]),
            Route(group, surface.guard("PutRecord", surface.put), methods=["PUT"]),
            Route(group, surface.guard("GetRecord", surface.get), methods=["GET"]),
            Route(group, surface.guard("DeleteRecord", surface.delete), methods=["DELETE"]),
            Route("/BatchGetRecord", surface.guard("BatchGetRecord", surface.batch_get), methods=["POST"]),
            Route("/BatchWriteRecord", surface.guard("BatchWriteRecord", surface.batch_write), methods=["POST"]),
            Route("/", surface.guard("SageMaker", surface.groups), methods=["POST"]),
            Route("/healthz", surface.healthz),
            Route("/_local/faults", surface.faults, methods=["GET", "PUT", "DELETE"]),
            Route("/_local/stats", surface.stats),
            Route("/_local/offline/{name}", surface.offline),
            Route("/{rest:path}", surface.unknown, methods=["GET", "POST", "PUT", "DELETE"]),
        ],
        lifespan=lifespan,
    )


class _Surface:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._faults = FaultInjector()
        self._service = FeatureStore(store, self._faults)
        self._calls: Counter[str] = Counter()
        self._errors: Counter[str] = Counter()

    def guard(self, operation: str, handler: Handler) -> Handler:
        """Sign-in, faults and errors, alike for every operation."""

        async def guarded(request: Request) -> Response:
            self._calls[operation] += 1
            try:
                authenticate(request, SIGNING_NAME)
                self._faults.strike()
                return await handler(request)
            except AwsError as error:
                self._errors[error.error_type] += 1
                return error_response(error, request)

        return guarded

    async def put(self, request: Request) -> Response:
        self._service.put_record(request.path_params["name"], parse_json_object(await request.body()))
        return json_response({})

    async def get(self, request: Request) -> Response:
        query = request.query_params
        identifier = _required(query.get("RecordIdentifierValueAsString"), "RecordIdentifierValueAsString")
        with_expiry = query.get("ExpirationTimeResponse") == "Enabled"
        names = query.getlist("FeatureName")
        found = self._service.get_record(request.path_params["name"], identifier, names, with_expiry=with_expiry)
        return json_response(found)

    async def delete(self, request: Request) -> Response:
        query = request.query_params
        self._service.delete_record(
            request.path_params["name"],
            _required(query.get("RecordIdentifierValueAsString"), "RecordIdentifierValueAsString"),
            _required(query.get("EventTime"), "EventTime"),
            query.getlist("TargetStores"),
            query.get("DeletionMode") or "SoftDelete",
        )
        return json_response({})

    async def batch_get(self, request: Request) -> Response:
        return json_response(self._service.batch_get(parse_json_object(await request.body())))

    async def batch_write(self, request: Request) -> Response:
        return json_response(self._service.batch_write(parse_json_object(await request.body())))

    async def list_records(self, request: Request) -> Response:
        body = parse_json_object(await request.body())
        return json_response(self._service.list_records(request.path_params["name"], body))

    async def groups(self, request: Request) -> Response:
        region = authenticate(request, SIGNING_NAME).region
        body = parse_json_object(await request.body())
        name = str(body.get("FeatureGroupName", ""))
        match request.headers.get("x-amz-target", "").partition(".")[2]:
            case "CreateFeatureGroup":
                return json_response(self._service.create_group(body, region))
            case "DescribeFeatureGroup":
                return json_response(self._service.describe_group(name, region))
            case "ListFeatureGroups":
                return json_response(self._service.list_groups(region))
            case "UpdateFeatureGroup":
                return json_response(self._service.update_group(body, region))
            case "DeleteFeatureGroup":
                self._service.delete_group(name)
                return json_response({})
            case _:
                raise _unknown_operation()

    async def healthz(self, _request: Request) -> Response:
        return json_response({"status": "ok", "server": SERVER_NAME})

    async def faults(self, request: Request) -> Response:
        if request.method == "PUT":
            try:
                self._faults.set(FaultSettings.model_validate_json(await request.body()))
            except ValidationError as error:
                first = error.errors(include_url=False, include_input=False)[0]
                return json_response({"message": f"{'.'.join(map(str, first['loc']))}: {first['msg']}"}, 400)
        elif request.method == "DELETE":
            self._faults.set(FaultSettings())
        return json_response(self._faults.settings.model_dump())

    async def stats(self, _request: Request) -> Response:
        value: dict[str, Any] = {"calls": dict(self._calls), "errors": dict(self._errors)}
        return json_response({**value, "records": self._store.counts()})

    async def offline(self, request: Request) -> Response:
        try:
            after = int(request.query_params.get("after", 0))
            limit = min(int(request.query_params.get("limit", 1_000)), _MAX_OFFLINE_ROWS)
        except ValueError:
            return json_response({"message": "after and limit must be whole numbers"}, 400)
        return json_response({"rows": self._store.offline_rows(request.path_params["name"], after, limit)})

    async def unknown(self, _request: Request) -> Response:
        return error_response(_unknown_operation())


def _required(value: str | None, name: str) -> str:
    if not value:
        raise validation_error(f"{name} must not be null")
    return value


def _unknown_operation() -> AwsError:
    return AwsError(404, "UnknownOperationException", "This local server does not offer that operation.")
