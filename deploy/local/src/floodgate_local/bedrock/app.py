"""The HTTP surface: Bedrock Runtime, the little control plane, and `/_local` for the operator."""

from __future__ import annotations

import base64
import binascii
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from typing import Any, Final, TypeVar
from urllib.parse import parse_qs, unquote

from pydantic import BaseModel, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from floodgate_local.aws_wire import (
    AwsError,
    Caller,
    authenticate,
    check_body,
    error_response,
    json_response,
    parse_json_object,
    validation_exception,
)
from floodgate_local.bedrock import control_plane, eventstream, invoke
from floodgate_local.bedrock.batch_jobs import LOCAL_MARK, Jobs
from floodgate_local.bedrock.batch_storage import S3Storage, Storage
from floodgate_local.bedrock.config import Latency, LatencySettings
from floodgate_local.bedrock.converse_rules import check_conversation, check_converse
from floodgate_local.bedrock.faults import Fault, FaultSettings
from floodgate_local.bedrock.models import ModelInfo, require_kind, resolve_model
from floodgate_local.bedrock.prompt import prompt_blocks
from floodgate_local.bedrock.runtime import Answer, Runtime
from floodgate_local.bedrock.tokens import count_tokens

SERVER_NAME: Final = "floodgate-local-bedrock"
MODEL_HEADER: Final = LOCAL_MARK

_log = logging.getLogger(SERVER_NAME)

Handler = Callable[[Request], Awaitable[Response]]
Settings = TypeVar("Settings", bound=BaseModel)


def create_app(
    runtime: Runtime, on_shutdown: Callable[[], None] = lambda: None, storage: Storage | None = None
) -> Starlette:
    """The application around one runtime.

    Args:
        runtime: The model behind.
        on_shutdown: Called at the end.
        storage: Where batch jobs read and write; the environment's S3 when left out.
    """
    jobs = Jobs(runtime, storage or S3Storage())

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        await jobs.close()
        runtime.close()
        on_shutdown()

    surface = _Surface(runtime, jobs)
    post = {
        "converse": surface.converse,
        "converse-stream": surface.converse_stream,
        "invoke": surface.invoke,
        "invoke-with-response-stream": surface.invoke_stream,
        "count-tokens": surface.count_tokens,
    }
    routes = [
        Route(f"/model/{{model_id:path}}/{name}", surface.guard(handler), methods=["POST"])
        for name, handler in post.items()
    ]
    routes += [
        Route("/foundation-models", surface.guard(surface.list_models)),
        Route("/foundation-models/{model_id:path}", surface.guard(surface.get_model)),
        Route("/inference-profiles", surface.guard(surface.list_profiles)),
        Route("/inference-profiles/{profile_id:path}", surface.guard(surface.get_profile)),
        Route("/model-invocation-job", surface.guard(surface.create_job), methods=["POST"]),
        Route("/model-invocation-jobs", surface.guard(surface.list_jobs)),
        Route("/model-invocation-job/{job:path}/stop", surface.guard(surface.stop_job), methods=["POST"]),
        Route("/model-invocation-job/{job:path}", surface.guard(surface.get_job)),
        Route("/", surface.guard(surface.query_or_json), methods=["POST"]),
        Route("/healthz", surface.healthz),
        Route("/_local/faults", surface.faults, methods=["GET", "PUT", "DELETE"]),
        Route("/_local/latency", surface.latency, methods=["GET", "PUT", "DELETE"]),
        Route("/_local/stats", surface.stats, methods=["GET", "DELETE"]),
        Route("/_local/cache", surface.cache, methods=["DELETE"]),
        Route("/{rest:path}", surface.unknown, methods=["GET", "POST", "PUT", "DELETE", "PATCH"]),
    ]
    return Starlette(routes=routes, lifespan=lifespan)


class _Surface:
    """The handlers; each turns one request into one response."""

    def __init__(self, runtime: Runtime, jobs: Jobs) -> None:
        self._runtime = runtime
        self._jobs = jobs

    def guard(self, handler: Handler) -> Handler:
        """Every AWS error leaves as AWS sends it, and the calls under way are counted."""
        stats = self._runtime.stats

        async def guarded(request: Request) -> Response:
            stats.begin()
            try:
                return await handler(request)
            except AwsError as error:
                stats.error(error.error_type)
                return error_response(error, request)
            except Exception:
                # Whatever the model behind does, a caller sees what AWS would send; the log says why.
                _log.exception("the local model failed")
                stats.error("InternalServerException")
                return error_response(_internal_error(), request)
            finally:
                stats.end()

        return guarded

    # --- Runtime ---

    async def converse(self, request: Request) -> Response:
        return json_response(await self._converse(request, "Converse"), headers=MODEL_HEADER)

    async def converse_stream(self, request: Request) -> Response:
        response = await self._converse(request, "ConverseStream")
        return _stream(eventstream.converse_events(response))

    async def _converse(self, request: Request, operation: str) -> dict[str, Any]:
        caller, model, fault = self._admit(request, operation)
        body = parse_json_object(await request.body())
        require_kind(model, "text")
        check_converse(model, body, operation)
        return invoke.converse_response(await self._runtime.answer(caller, model, body, fault))

    async def invoke(self, request: Request) -> Response:
        caller, model, fault = self._admit(request, "InvokeModel")
        body = invoke.parse_invoke_body(await request.body())
        if model.kind == "embedding":
            return await self._embed(body, fault)
        answer = await self._runtime.answer(caller, model, invoke.as_converse(model, body), fault)
        return json_response(invoke.native_response(model, answer), headers={**MODEL_HEADER, **_usage_headers(answer)})

    async def invoke_stream(self, request: Request) -> Response:
        caller, model, fault = self._admit(request, "InvokeModelWithResponseStream")
        body = invoke.parse_invoke_body(await request.body())
        if not model.is_anthropic:
            raise validation_exception("The model is unsupported for streaming.")
        answer = await self._runtime.answer(caller, model, invoke.as_converse(model, body), fault)
        return _stream(eventstream.anthropic_events(invoke.anthropic_response(model, answer)))

    async def _embed(self, body: Mapping[str, Any], fault: Fault | None) -> Response:
        text, dimensions, normalize, kinds = invoke.check_titan(body)
        vector = await self._runtime.embed(text, dimensions, fault)
        headers = {"X-Amzn-Bedrock-Input-Token-Count": str(count_tokens(text))}
        value = invoke.titan_response(vector, text, normalize=normalize, kinds=kinds)
        return json_response(value, headers={**MODEL_HEADER, **headers})

    async def count_tokens(self, request: Request) -> Response:
        _caller, model, _fault = self._admit(request, "CountTokens")
        body = parse_json_object(await request.body())
        require_kind(model, "text")
        check_body("bedrock-runtime", "CountTokens", body)
        converse = _counted(model, body["input"])
        return json_response({"inputTokens": sum(block.tokens for block in prompt_blocks(converse, model))})

    def _admit(self, request: Request, operation: str) -> tuple[Caller, ModelInfo, Fault | None]:
        caller = authenticate(request, "bedrock")
        fault = self._runtime.draw_fault(operation)
        model = resolve_model(unquote(request.path_params["model_id"]), caller.region)
        self._runtime.stats.call(operation, model.model_id)
        return caller, model, fault

    # --- Control plane ---

    async def list_models(self, request: Request) -> Response:
        caller = authenticate(request, "bedrock")
        return json_response(control_plane.foundation_models(caller.region, dict(request.query_params)))

    async def get_model(self, request: Request) -> Response:
        caller = authenticate(request, "bedrock")
        return json_response(control_plane.foundation_model(request.path_params["model_id"], caller.region))

    async def list_profiles(self, request: Request) -> Response:
        caller = authenticate(request, "bedrock")
        return json_response(control_plane.inference_profiles(caller.region))

    async def get_profile(self, request: Request) -> Response:
        caller = authenticate(request, "bedrock")
        return json_response(control_plane.inference_profile(request.path_params["profile_id"], caller.region))

    # --- Batch inference ---

    async def create_job(self, request: Request) -> Response:
        caller = authenticate(request, "bedrock")
        self._runtime.draw_fault("CreateModelInvocationJob")
        self._runtime.stats.call("CreateModelInvocationJob", "batch")
        return json_response(self._jobs.create(caller, parse_json_object(await request.body())))

    async def get_job(self, request: Request) -> Response:
        authenticate(request, "bedrock")
        return json_response(self._jobs.get(unquote(request.path_params["job"])))

    async def list_jobs(self, request: Request) -> Response:
        authenticate(request, "bedrock")
        return json_response(self._jobs.page(dict(request.query_params)))

    async def stop_job(self, request: Request) -> Response:
        authenticate(request, "bedrock")
        return json_response(self._jobs.stop(unquote(request.path_params["job"])))

    async def query_or_json(self, request: Request) -> Response:
        target = request.headers.get("x-amz-target", "")
        body = await request.body()
        if target.startswith("ServiceQuotasV20190624."):
            caller = authenticate(request, "servicequotas")
            action = target.partition(".")[2]
            return json_response(control_plane.service_quotas(action, parse_json_object(body), caller.region))
        if parse_qs(body.decode("utf-8", "replace")).get("Action") == ["GetCallerIdentity"]:
            caller = authenticate(request, "sts")
            return Response(control_plane.caller_identity(caller.account), media_type="text/xml")
        raise _unknown_operation()

    # --- Operator ---

    async def healthz(self, _request: Request) -> Response:
        return json_response({"status": "ok", "server": SERVER_NAME, "model": "local"})

    async def faults(self, request: Request) -> Response:
        if request.method == "PUT":
            return await _settle(request, FaultSettings, self._runtime.faults.set)
        if request.method == "DELETE":
            self._runtime.faults.set(FaultSettings())
        return json_response(self._runtime.faults.settings.model_dump())

    async def latency(self, request: Request) -> Response:
        def apply(settings: LatencySettings) -> None:
            self._runtime.latency = Latency(settings)

        if request.method == "PUT":
            return await _settle(request, LatencySettings, apply)
        if request.method == "DELETE":
            apply(LatencySettings())
        return json_response(self._runtime.latency.settings.model_dump())

    async def stats(self, request: Request) -> Response:
        if request.method == "DELETE":
            self._runtime.stats.reset()
        return json_response(self._runtime.stats.snapshot(len(self._runtime.cache)))

    async def cache(self, _request: Request) -> Response:
        self._runtime.cache.clear()
        return json_response({"entries": 0})

    async def unknown(self, _request: Request) -> Response:
        return error_response(_unknown_operation())


async def _settle(request: Request, settings_class: type[Settings], apply: Callable[[Settings], None]) -> Response:
    try:
        settings = settings_class.model_validate_json(await request.body())
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        return json_response({"message": f"{where}: {first['msg']}" if where else first["msg"]}, 400)
    apply(settings)
    return json_response(settings.model_dump())


def _unknown_operation() -> AwsError:
    return AwsError(404, "UnknownOperationException", "This local server does not offer that operation.")


def _internal_error() -> AwsError:
    return AwsError(500, "InternalServerException", "The local model failed; the server's log says why.")


def _usage_headers(answer: Answer) -> dict[str, str]:
    usage = answer.usage
    return {
        "X-Amzn-Bedrock-Input-Token-Count": str(usage.input_tokens),
        "X-Amzn-Bedrock-Output-Token-Count": str(usage.output_tokens),
        "X-Amzn-Bedrock-Cache-Read-Input-Token-Count": str(usage.cache_read_tokens),
        "X-Amzn-Bedrock-Cache-Write-Input-Token-Count": str(usage.cache_write_tokens),
        "X-Amzn-Bedrock-Invocation-Latency": str(answer.latency_ms),
    }


def _counted(model: ModelInfo, counted: Mapping[str, Any]) -> Mapping[str, Any]:
    if "converse" in counted:
        converse: Mapping[str, Any] = counted["converse"]
    else:
        try:
            raw = base64.b64decode(counted["invokeModel"]["body"], validate=True)
        except (binascii.Error, ValueError):
            raise validation_exception("input.invokeModel.body is not base64") from None
        body = invoke.parse_invoke_body(raw)
        converse = invoke.converse_of_anthropic(body) if model.is_anthropic else invoke.converse_of_nova(body)
    check_conversation(model, converse)
    return converse


def _stream(events: Iterator[bytes]) -> Response:
    return StreamingResponse(
        events,
        media_type=eventstream.CONTENT_TYPE,
        headers={**MODEL_HEADER, "X-Amzn-Bedrock-Content-Type": "application/json"},
    )
