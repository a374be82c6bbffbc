"""The operator is told, once per prompt version, when caching does not happen."""

import dataclasses
from typing import Any

from floodgate.bedrock import ModelRequest, PriceTable, Prompt, Usage
from floodgate.bedrock.cache_watch import CacheWatch
from pydantic import BaseModel


class Output(BaseModel):
    ok: bool


PROMPT = Prompt("p", "1", "Decide.", "t", "Reports.", Output, 100)
PRICE = PriceTable.load().price("eu.amazon.nova-lite-v1:0")
SHORT = ModelRequest(PROMPT, "x")
LONG = ModelRequest(dataclasses.replace(PROMPT, system="word " * 2_000), "x")


class Log:
    def __init__(self) -> None:
        self.reasons: list[str] = []

    def warning(self, event: str, **values: Any) -> None:
        assert event == "bedrock.cache_inactive"
        self.reasons.append(values["reason"])


def usage(read: int = 0, written: int = 0) -> Usage:
    return Usage("m", "m", 10, 1, read, written, 0.0, 1, 1)


def observe(*uses: tuple[Usage, float], request: Any = LONG, price: Any = PRICE) -> list[str]:
    log = Log()
    watch = CacheWatch("m", log)
    for use, started_at in uses:
        watch.observe(request, use, price, started_at, started_at + 1)
    return log.reasons


def test_a_prefix_that_is_written_and_read_is_no_reason() -> None:
    assert observe((usage(written=2_000), 0), (usage(read=2_000), 2), (usage(read=2_000), 3)) == []


def test_a_short_prefix_is_told_once() -> None:
    [reason] = observe((usage(), 0), (usage(), 1), request=SHORT)
    assert "below the model's minimum of 1000" in reason


def test_a_cache_point_that_bedrock_ignores_is_told() -> None:
    [reason] = observe((usage(), 0), (usage(), 1))
    assert "ignored the cache point" in reason


def test_a_model_without_a_cache_is_told() -> None:
    [reason] = observe((usage(), 0), price=PRICE.model_copy(update={"cache_minimum": None}))
    assert "does not cache" in reason


def test_a_prefix_that_changes_between_calls_is_told_after_three_misses() -> None:
    written = usage(written=2_000)
    assert observe(*((written, at) for at in (0.0, 2.0, 4.0))) == []
    [reason] = observe(*((written, at) for at in (0.0, 2.0, 4.0, 6.0)))
    assert "never read" in reason


def test_writes_of_calls_under_way_together_are_no_misses() -> None:
    assert observe(*((usage(written=2_000), 0.5) for _ in range(20))) == []


def test_a_write_after_the_time_to_live_is_no_miss() -> None:
    assert observe(*((usage(written=2_000), at * 400.0) for at in range(8))) == []


def test_each_version_of_a_prompt_is_told_about() -> None:
    log = Log()
    watch = CacheWatch("m", log)
    for version in ("1", "1", "2"):
        request = ModelRequest(dataclasses.replace(PROMPT, version=version), "x")
        watch.observe(request, usage(), PRICE, 0, 1)
    assert len(log.reasons) == 2
