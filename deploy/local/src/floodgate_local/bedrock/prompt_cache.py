"""Prompt caching by Bedrock's published rules.

A request is a sequence of blocks in the order tools, system, messages. A cache point marks a prefix of it. A
prefix at or above the model's minimum is kept per account and model for five minutes (an hour where asked and
allowed), renewed by every hit; a shorter one is ignored without a word, as on AWS.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Final

from floodgate_local.bedrock.models import ModelInfo

TTL_SECONDS: Final = {"5m": 300.0, "1h": 3_600.0}
MAX_ENTRIES: Final = 20_000


@dataclass(frozen=True, slots=True)
class Block:
    """One block of the prompt; `cache_ttl` is set when a cache point follows it."""

    content: str
    tokens: int
    cache_ttl: str | None = None


@dataclass(frozen=True, slots=True)
class CacheUse:
    """What one request read from the cache and wrote to it, in tokens."""

    read_tokens: int = 0
    write_tokens: int = 0
    write_ttl: str | None = None


@dataclass(slots=True)
class _Entry:
    expires_at: float
    ttl_seconds: float


@dataclass(frozen=True, slots=True)
class _Prefix:
    key: bytes
    tokens: int
    cache_ttl: str | None


@dataclass(frozen=True, slots=True)
class CachePlan:
    """The cache use of one request and the prefixes to keep once it is answered."""

    use: CacheUse
    model: ModelInfo
    kept: tuple[_Prefix, ...]


class PromptCache:
    """The prefixes that are kept, for all accounts."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._entries: OrderedDict[bytes, _Entry] = OrderedDict()
        self._lock = Lock()

    def look(self, account: str, model: ModelInfo, blocks: Sequence[Block]) -> CachePlan:
        """Find the longest kept prefix (renewing it) and what the cache points ask to keep."""
        prefixes = _prefixes(account, model, blocks)
        points = [position for position, prefix in enumerate(prefixes) if _eligible(prefix, model)]
        if not points:
            return CachePlan(CacheUse(), model, ())
        with self._lock:
            hit = self._longest_hit(prefixes, points, model.cache_lookback_blocks, self._clock())
        read_tokens = hit.tokens if hit else 0
        longest = prefixes[points[-1]]
        write_tokens = max(longest.tokens - read_tokens, 0)
        use = CacheUse(read_tokens, write_tokens, _ttl(longest, model) if write_tokens else None)
        return CachePlan(use, model, tuple(prefixes[position] for position in points))

    def keep(self, plan: CachePlan) -> None:
        """Keep the prefixes of a request that was answered; calls that began before do not find them."""
        with self._lock:
            now = self._clock()
            for prefix in plan.kept:
                self._keep(prefix, plan.model, now)

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()

    def __len__(self) -> int:
        return len(self._entries)

    def _longest_hit(
        self, prefixes: Sequence[_Prefix], points: Sequence[int], lookback: int, now: float
    ) -> _Prefix | None:
        for point in reversed(points):
            for position in range(point, max(point - lookback, 0) - 1, -1):
                if self._renew(prefixes[position].key, now):
                    return prefixes[position]
        return None

    def _renew(self, key: bytes, now: float) -> bool:
        entry = self._entries.get(key)
        if entry is None:
            return False
        if entry.expires_at <= now:
            del self._entries[key]
            return False
        entry.expires_at = now + entry.ttl_seconds
        self._entries.move_to_end(key)
        return True

    def _keep(self, prefix: _Prefix, model: ModelInfo, now: float) -> None:
        ttl_seconds = TTL_SECONDS[_ttl(prefix, model)]
        self._entries[prefix.key] = _Entry(now + ttl_seconds, ttl_seconds)
        self._entries.move_to_end(prefix.key)
        while len(self._entries) > MAX_ENTRIES:
            self._entries.popitem(last=False)


def _ttl(prefix: _Prefix, model: ModelInfo) -> str:
    return "1h" if prefix.cache_ttl == "1h" and model.cache_hour_allowed else "5m"


def _eligible(prefix: _Prefix, model: ModelInfo) -> bool:
    if prefix.cache_ttl is None or model.cache_minimum_tokens is None:
        return False
    too_long = model.cache_maximum_tokens is not None and prefix.tokens > model.cache_maximum_tokens
    return prefix.tokens >= model.cache_minimum_tokens and not too_long


def _prefixes(account: str, model: ModelInfo, blocks: Sequence[Block]) -> list[_Prefix]:
    digest = hashlib.blake2b(f"{account}\0{model.model_id}".encode(), digest_size=16)
    tokens = 0
    prefixes = []
    for block in blocks:
        content = block.content.encode()
        digest.update(len(content).to_bytes(4, "big") + content)
        tokens += block.tokens
        prefixes.append(_Prefix(digest.copy().digest(), tokens, block.cache_ttl))
    return prefixes
