"""Tells the operator, once per prompt version, when prompt caching does not happen.

Bedrock ignores a cache point below the model's minimum without a word; only the usage of the answers shows it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from floodgate.bedrock.contract import ModelRequest, T, Usage
from floodgate.bedrock.conversation import cache_is_hopeless
from floodgate.bedrock.prices import ModelPrice

CACHE_TTL_SECONDS: Final = 300.0
_MISSES_BEFORE_WARNING: Final = 3


@dataclass
class _Seen:
    kept_at: float | None = None
    misses: int = 0
    warned: bool = False


class CacheWatch:
    """Follows the cache use of every prompt version."""

    def __init__(self, model_id: str, log: Any) -> None:
        self._model_id = model_id
        self._log = log
        self._seen: dict[tuple[str, str], _Seen] = {}

    def observe(
        self, request: ModelRequest[T], usage: Usage, price: ModelPrice, started_at: float, ended_at: float
    ) -> None:
        """Take in one answer; `started_at` and `ended_at` are of the same monotonic clock, in seconds."""
        prompt = request.prompt
        seen = self._seen.setdefault((prompt.name, prompt.version), _Seen())
        reason = cache_is_hopeless(request, price) or self._silent_miss(seen, usage, started_at)
        if usage.cache_read_tokens or usage.cache_write_tokens:
            seen.kept_at = ended_at if seen.kept_at is None else max(seen.kept_at, ended_at)
        if reason is not None and not seen.warned:
            seen.warned = True
            self._log.warning(
                "bedrock.cache_inactive",
                prompt=prompt.name,
                prompt_version=prompt.version,
                model_id=self._model_id,
                reason=reason,
                remedy="nothing is wrong; every token is charged in full. Total cost decides, never padding",
            )

    @staticmethod
    def _silent_miss(seen: _Seen, usage: Usage, started_at: float) -> str | None:
        if usage.cache_read_tokens:
            seen.misses = 0
            return None
        if not usage.cache_write_tokens:
            return "Bedrock ignored the cache point: by its count the fixed prefix is below the model's minimum"
        # A call that began after an answer had the prefix kept, and within its time to live, should have read it.
        if seen.kept_at is None or not 0 <= started_at - seen.kept_at < CACHE_TTL_SECONDS:
            return None
        seen.misses += 1
        if seen.misses < _MISSES_BEFORE_WARNING:
            return None
        return "the prefix is written again on every call and never read: it differs between calls"
