"""A message that waits for a slot of the model client is answered by the fallback when its time is up."""

from __future__ import annotations

import asyncio

from firewall.handlers import FirewallHandler
from firewall.settings import FirewallSettings
from floodgate.bedrock import BedrockModel, BedrockSettings
from floodgate.events import Decision
from keyflow import AdaptiveLimiter, Emit, Processor
from keyflow.retry import Backoff
from keyflow.runner import RecordRunner
from keyflow.work import Assignment, Finished, Item


def no_client(_: BedrockSettings) -> object:
    raise AssertionError("Bedrock is asked without a slot")


async def test_the_wait_for_the_limiter_ends_in_the_fallback_within_the_records_budget(screen, retrieval, message):
    limiter = AdaptiveLimiter(requests_per_minute=0.001)
    for _ in range(2):  # the burst, and one on credit: the next is due in weeks
        await limiter.acquire(1)
    settings = FirewallSettings(budget_seconds=0.9, retrieval_seconds=0.1, margin_seconds=0.2)
    handler = FirewallHandler(
        screen=screen,
        model=BedrockModel(BedrockSettings(region="eu-west-1"), limiter=limiter, client_factory=no_client),
        retriever=retrieval,
        languages=Languages(),
        settings=settings,
        now_ms=lambda: 1_795_341_600_000,
    )
    reasons: list[str] = []
    decided: list[Emit] = []

    def fallback(record, state, reason):
        reasons.append(reason)
        outcome = handler.fallback(record, state, reason)
        decided.extend(outcome.events)
        return outcome

    processor = Processor(
        name="firewall",
        inputs=["support.messages"],
        handler=handler,
        decode=lambda _, __: message(),
        encode=lambda _, value: value.conversation_id.encode(),
        dead_letter=lambda failed: Emit("dead", "k", failed.reason),
        fallback=fallback,
        budget_seconds=settings.budget_seconds,
    )
    runner = RecordRunner(processor, 1_000_000, lambda: 1_795_341_600_000, Backoff(1_000.0, 1_000.0))
    found: list[Finished] = []
    item = Item(Assignment(0, {}), "support.messages", 1, "support.messages", "intercom:1", b"intercom:1", b"x")
    async with asyncio.timeout(30):
        await runner.run(item, None, found.append)
    assert [finished.kind for finished in found] == ["fallback"]
    assert "no slot for a Bedrock call came free within the deadline" in reasons[0]
    assert decided[0].value.decision is Decision.ESCALATE
    assert decided[0].value.screened is False
    assert (limiter.in_flight, limiter.waiting) == (2, 0)


class Languages:
    def identify(self, text: str, declared: str | None) -> str:
        return "en"
