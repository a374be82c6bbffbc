"""Faults that can be switched on while the server runs, drawn from a seeded generator."""

from __future__ import annotations

import copy
import random
import time
from collections.abc import Callable, Mapping
from enum import StrEnum
from threading import Lock
from typing import Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from floodgate_local.aws_wire import AwsError

Rate = float


class Fault(StrEnum):
    """What can go wrong with one call."""

    THROTTLE = "throttle"
    SERVER_ERROR = "server_error"
    MODEL_TIMEOUT = "model_timeout"
    MODEL_ERROR = "model_error"
    STALL = "stall"
    MALFORMED = "malformed"
    SCHEMA_BREAKING = "schema_breaking"
    OUTAGE = "outage"


class FaultSettings(BaseModel):
    """What `PUT /_local/faults` takes. Rates are shares of the calls; at most one fault hits a call.

    `operations` limits the faults to some operations (all model calls when empty), `max_faults` ends them
    after that many (an outage is not counted). Batch jobs have faults of their own: `batch_outcome` of every job,
    `batch_error_rate` of its records; `batch_seconds` is how long a job takes at least.
    """

    model_config = ConfigDict(extra="forbid")

    seed: int = 0
    operations: tuple[str, ...] = ()
    max_faults: int | None = Field(default=None, ge=1)
    throttle_rate: Rate = Field(default=0.0, ge=0, le=1)
    retry_after_seconds: float | None = Field(default=None, ge=0)
    server_error_rate: Rate = Field(default=0.0, ge=0, le=1)
    model_timeout_rate: Rate = Field(default=0.0, ge=0, le=1)
    model_error_rate: Rate = Field(default=0.0, ge=0, le=1)
    stall_rate: Rate = Field(default=0.0, ge=0, le=1)
    stall_seconds: float = Field(default=30.0, ge=0)
    malformed_rate: Rate = Field(default=0.0, ge=0, le=1)
    malformed_kind: Literal["any", "text", "truncated", "malformed_tool_use"] = "any"
    schema_breaking_rate: Rate = Field(default=0.0, ge=0, le=1)
    batch_outcome: Literal["completed", "failed", "expired"] = "completed"
    batch_error_rate: Rate = Field(default=0.0, ge=0, le=1)
    batch_seconds: float = Field(default=0.0, ge=0)
    outage: bool = False
    outage_seconds: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _rates_fit(self) -> Self:
        total = sum(rate for _, rate in self.rates())
        if total > 1 + 1e-9:
            raise ValueError(f"the rates add up to {total:g}, more than every call")
        return self

    def rates(self) -> tuple[tuple[Fault, float], ...]:
        return (
            (Fault.THROTTLE, self.throttle_rate),
            (Fault.SERVER_ERROR, self.server_error_rate),
            (Fault.MODEL_TIMEOUT, self.model_timeout_rate),
            (Fault.MODEL_ERROR, self.model_error_rate),
            (Fault.STALL, self.stall_rate),
            (Fault.MALFORMED, self.malformed_rate),
            (Fault.SCHEMA_BREAKING, self.schema_breaking_rate),
        )


class FaultInjector:
    """Decides for every call whether a fault hits it."""

    def __init__(self, settings: FaultSettings | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self.set(settings or FaultSettings())

    def set(self, settings: FaultSettings) -> None:
        """Switch to other faults; the generator starts again from the seed."""
        with self._lock:
            self.settings = settings
            self._random = random.Random(settings.seed)  # noqa: S311 - reproducible faults, not a secret
            self._drawn = 0
            self._outage_ends = self._clock() + settings.outage_seconds if settings.outage_seconds else None

    def draw(self, operation: str) -> Fault | None:
        """The fault of the next call, if one hits it."""
        settings = self.settings
        with self._lock:
            if self._is_out():
                return Fault.OUTAGE
            if settings.operations and operation not in settings.operations:
                return None
            if settings.max_faults is not None and self._drawn >= settings.max_faults:
                return None
            fault = self._pick(settings)
            self._drawn += fault is not None
            return fault

    def variant(self, choices: tuple[str, ...]) -> str:
        """One of several forms of a fault, from the same generator."""
        with self._lock:
            return self._random.choice(choices)

    def hits(self, rate: float) -> bool:
        """Whether a fault of this rate hits, from the same generator."""
        with self._lock:
            return self._random.random() < rate

    def _is_out(self) -> bool:
        if self._outage_ends is not None:
            return self._clock() < self._outage_ends
        return self.settings.outage

    def _pick(self, settings: FaultSettings) -> Fault | None:
        point = self._random.random()
        for fault, rate in settings.rates():
            if point < rate:
                return fault
            point -= rate
        return None


def raise_fault(fault: Fault, injector: FaultInjector) -> None:
    """Raise the AWS error of a fault that refuses the call; the others pass.

    Raises:
        AwsError: With the status and words of the error that it imitates.
    """
    match fault:
        case Fault.THROTTLE:
            wait = injector.settings.retry_after_seconds
            headers = {} if wait is None else {"Retry-After": f"{wait:g}"}
            raise AwsError(429, "ThrottlingException", "Too many requests, please wait before trying again.", headers)
        case Fault.SERVER_ERROR:
            raise AwsError(*_SERVER_ERRORS[injector.variant(tuple(_SERVER_ERRORS))])
        case Fault.MODEL_TIMEOUT:
            raise AwsError(408, "ModelTimeoutException", "Model has timed out in processing the request.")
        case Fault.MODEL_ERROR:
            raise AwsError(
                424,
                "ModelErrorException",
                "The system encountered an unexpected error during processing. Try your request again.",
            )
        case Fault.OUTAGE:
            raise AwsError(*_SERVER_ERRORS["503"])
        case _:
            return


_SERVER_ERRORS: Final = {
    "500": (
        500,
        "InternalServerException",
        "The system encountered an unexpected error during processing. Try your request again.",
    ),
    "503": (503, "ServiceUnavailableException", "Bedrock is unable to process your request."),
}


def break_schema(tool_input: Mapping[str, Any], schema: Mapping[str, Any], injector: FaultInjector) -> dict[str, Any]:
    """A copy of a tool's input that no longer fits its schema, whatever the schema says."""
    broken = copy.deepcopy(dict(tool_input))
    required = tuple(name for name in schema.get("required", ()) if name in broken)
    if not required:
        return {"unexpected": True}
    name = injector.variant(required)
    form = injector.variant(("missing", "wrong_type"))
    if form == "missing":
        del broken[name]
    else:
        broken[name] = {"value": broken[name]} if not isinstance(broken[name], dict) else "not an object"
    return broken
