"""The models that the server answers for: ids, limits and cache rules as AWS publishes them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

from floodgate_local.aws_wire import AwsError, validation_exception

CacheField = Literal["tools", "system", "messages"]

_ARN: Final = re.compile(
    r"arn:aws[a-z-]*:bedrock:(?P<region>[a-z0-9-]*):\d*:(?:foundation-model|inference-profile)/(?P<id>.+)"
)
_PROFILE: Final = re.compile(r"(?P<geography>us|eu|apac|global)\.(?P<id>.+)")
_GEOGRAPHY_OF_REGION: Final = {"us": "us", "eu": "eu", "ap": "apac"}
PROFILE_REGIONS: Final = {
    "eu": ("eu-central-1", "eu-north-1", "eu-west-1", "eu-west-3"),
    "us": ("us-east-1", "us-east-2", "us-west-2"),
}


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """One foundation model.

    `cache_minimum_tokens` is the shortest prefix that a cache point keeps, `cache_maximum_tokens` the
    longest; `cache_lookback_blocks` is how far before a cache point an older entry is looked for.
    `unverified` marks figures that come from a price list and were not tried against AWS.
    """

    model_id: str
    provider: str
    name: str
    kind: Literal["text", "embedding"] = "text"
    on_demand: bool = True
    geographies: tuple[str, ...] = ("eu", "us")
    accepts_sampling: bool = True
    exclusive_sampling: bool = False
    max_output_tokens: int = 8_192
    context_tokens: int = 200_000
    cache_minimum_tokens: int | None = None
    cache_maximum_tokens: int | None = None
    cache_fields: tuple[CacheField, ...] = ()
    cache_hour_allowed: bool = False
    cache_lookback_blocks: int = 0
    requests_per_minute: int = 1_000
    tokens_per_minute: int = 1_000_000
    unverified: bool = False

    @property
    def is_nova(self) -> bool:
        return self.model_id.startswith("amazon.nova")

    @property
    def is_anthropic(self) -> bool:
        return self.provider == "Anthropic"


def _nova(tier: str, context_tokens: int, requests: int, tokens: int) -> ModelInfo:
    return ModelInfo(
        model_id=f"amazon.nova-{tier}-v1:0",
        provider="Amazon",
        name=f"Nova {tier.capitalize()}",
        max_output_tokens=10_000,
        context_tokens=context_tokens,
        cache_minimum_tokens=1_000,
        cache_maximum_tokens=20_000,
        cache_fields=("system", "messages"),
        requests_per_minute=requests,
        tokens_per_minute=tokens,
    )


def _claude(model_id: str, name: str, cache_minimum_tokens: int, *, unverified: bool = False) -> ModelInfo:
    return ModelInfo(
        model_id=model_id,
        provider="Anthropic",
        name=name,
        on_demand=False,
        geographies=("eu", "us", "global"),
        accepts_sampling=not unverified,
        exclusive_sampling=True,
        max_output_tokens=64_000,
        cache_minimum_tokens=cache_minimum_tokens,
        cache_fields=("tools", "system", "messages"),
        cache_hour_allowed=True,
        cache_lookback_blocks=20,
        requests_per_minute=500,
        tokens_per_minute=2_000_000,
        unverified=unverified,
    )


MODELS: Final[tuple[ModelInfo, ...]] = (
    _nova("micro", 128_000, 2_000, 4_000_000),
    _nova("lite", 300_000, 2_000, 4_000_000),
    _nova("pro", 300_000, 500, 1_000_000),
    _claude("anthropic.claude-haiku-4-5-20251001-v1:0", "Claude Haiku 4.5", 4_096),
    _claude("anthropic.claude-sonnet-4-5-20250929-v1:0", "Claude Sonnet 4.5", 1_024),
    _claude("anthropic.claude-haiku-5-5", "Claude Haiku 5.5", 512, unverified=True),
    _claude("anthropic.claude-sonnet-5-5", "Claude Sonnet 5.5", 512, unverified=True),
    ModelInfo(
        model_id="amazon.titan-embed-text-v2:0",
        provider="Amazon",
        name="Titan Text Embed V2",
        kind="embedding",
        geographies=(),
        context_tokens=8_192,
        requests_per_minute=6_000,
        tokens_per_minute=300_000,
    ),
)

_BY_ID: Final = {model.model_id: model for model in MODELS}


def find_model(model_id: str) -> ModelInfo | None:
    """The foundation model of this plain id, if there is one."""
    return _BY_ID.get(model_id)


def resolve_model(identifier: str, region: str) -> ModelInfo:
    """The model behind an id, an inference profile id or the ARN of either.

    Raises:
        AwsError: As AWS answers an unknown id, a profile of another geography, or a bare id of a model that
            is served through inference profiles only.
    """
    arn = _ARN.fullmatch(identifier)
    plain = arn["id"] if arn else identifier
    profile = _PROFILE.fullmatch(plain)
    model = find_model(profile["id"] if profile else plain)
    if model is None:
        raise validation_exception("The provided model identifier is invalid.")
    if profile:
        _check_geography(model, profile["geography"], region)
    elif not model.on_demand:
        raise validation_exception(
            f"Invocation of model ID {plain} with on-demand throughput isn’t supported. Retry your request "
            "with the ID or ARN of an inference profile that contains this model."
        )
    return model


def _check_geography(model: ModelInfo, geography: str, region: str) -> None:
    home = _GEOGRAPHY_OF_REGION.get(region.split("-", maxsplit=1)[0]) if region else None
    served_here = geography == "global" or home is None or geography == home
    if geography not in model.geographies or not served_here:
        raise validation_exception("The provided model identifier is invalid.")


def require_kind(model: ModelInfo, kind: Literal["text", "embedding"]) -> None:
    """Refuse an embedding model for a conversation and the other way round.

    Raises:
        AwsError: 400 ValidationException.
    """
    if model.kind != kind:
        raise AwsError(
            400,
            "ValidationException",
            "This action doesn't support the model that you provided. Try again with a supported text or chat model.",
        )
