"""Key-ordered concurrent stream processing on Kafka with exactly-once output."""

from keyflow.breaker import BreakerConfig, BreakerState, CircuitBreaker
from keyflow.config import EngineConfig
from keyflow.engine import ORIGIN_TOPIC_HEADER, Engine
from keyflow.errors import AccessDeniedError, FatalError, KeyflowError, OutageError, PoisonMessageError, RetryableError
from keyflow.leaving import resting
from keyflow.limiter import AdaptiveLimit, AdaptiveLimiter, LimitConfig, Slot
from keyflow.types import (
    KEEP,
    Effect,
    EffectFunction,
    EffectResult,
    Emit,
    FailedRecord,
    Handler,
    Headers,
    Outcome,
    PendingEffect,
    Processor,
    Record,
    ResumingHandler,
    StateSpec,
    Tools,
)

__all__ = [
    "KEEP",
    "ORIGIN_TOPIC_HEADER",
    "AccessDeniedError",
    "AdaptiveLimit",
    "AdaptiveLimiter",
    "BreakerConfig",
    "BreakerState",
    "CircuitBreaker",
    "Effect",
    "EffectFunction",
    "EffectResult",
    "Emit",
    "Engine",
    "EngineConfig",
    "FailedRecord",
    "FatalError",
    "Handler",
    "Headers",
    "KeyflowError",
    "LimitConfig",
    "OutageError",
    "Outcome",
    "PendingEffect",
    "PoisonMessageError",
    "Processor",
    "Record",
    "ResumingHandler",
    "RetryableError",
    "Slot",
    "StateSpec",
    "Tools",
    "resting",
]
