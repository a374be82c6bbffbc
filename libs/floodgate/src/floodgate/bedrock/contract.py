"""What the services pass to the model client and get back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from pydantic import BaseModel

from floodgate.events import ModelUsage

T = TypeVar("T", bound=BaseModel)


@dataclass(frozen=True)
class Prompt(Generic[T]):
    """A versioned prompt. `system` is byte-identical in every call, so that it can be cached.

    Attributes:
        output: The pydantic model that the tool's input must fit.
        max_tokens: Upper bound of the answer; Bedrock reserves quota for it, so it is kept tight.
    """

    name: str
    version: str
    system: str
    tool_name: str
    tool_description: str
    output: type[T]
    max_tokens: int


@dataclass(frozen=True)
class ModelRequest(Generic[T]):
    """One question to the model.

    Attributes:
        user_text: What varies. Customer text in it is delimited data, never instructions.
        metadata: At most 16 short pairs, sent as Bedrock's request metadata; never customer text.
        deadline_seconds: Time for everything: retries and repair included.
        check: Raises ValueError with what is wrong beyond types; the model is shown the message once.
    """

    prompt: Prompt[T]
    user_text: str
    metadata: Mapping[str, str] = field(default_factory=dict)
    deadline_seconds: float | None = None
    check: Callable[[T], None] | None = None


@dataclass(frozen=True)
class Usage:
    """What one or several calls used. `input_tokens` leaves out what the cache took over.

    Attributes:
        mode: "online", or "batch" for batch inference.
    """

    model_id: str
    model_label: str
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    cost_usd: float
    latency_ms: int
    calls: int
    mode: str = "online"

    def span_attributes(self) -> dict[str, str | int | float]:
        """What a span of the call says, by OpenTelemetry's names where it has one."""
        return {
            "gen_ai.request.model": self.model_id,
            "gen_ai.usage.input_tokens": self.input_tokens + self.cache_read_tokens + self.cache_write_tokens,
            "gen_ai.usage.output_tokens": self.output_tokens,
            "floodgate.cost_usd": self.cost_usd,
        }

    def __add__(self, other: Usage) -> Usage:
        """Both together; named after the later call, whose answer counts, and in the mode of the first."""
        return Usage(
            model_id=other.model_id,
            model_label=other.model_label,
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            cache_read_tokens=self.cache_read_tokens + other.cache_read_tokens,
            cache_write_tokens=self.cache_write_tokens + other.cache_write_tokens,
            cost_usd=self.cost_usd + other.cost_usd,
            latency_ms=self.latency_ms + other.latency_ms,
            calls=self.calls + other.calls,
            mode=self.mode,
        )

    def to_record(self) -> ModelUsage:
        """The same as the records carry it."""
        return ModelUsage(**asdict(self))


@dataclass(frozen=True)
class ModelResult(Generic[T]):
    """A validated answer. `repaired` is true when it took the one repair; `raw` is the tool's input."""

    value: T
    usage: Usage
    repaired: bool
    raw: Mapping[str, Any]


class ModelClient(Protocol):
    """The port through which every service reaches a model."""

    async def call(self, request: ModelRequest[T]) -> ModelResult[T]:
        """Ask once; see `BedrockModel.call` for the errors."""
        ...

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """One vector per text, in order."""
        ...
