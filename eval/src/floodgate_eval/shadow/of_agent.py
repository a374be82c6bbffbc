"""The agent under comparison: which step, act, reply or hand-over a workflow comes to."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Final, cast

from agent.adapters.shop_http import ShopHttp
from agent.backends.declared import CALLS
from agent.bootstrap import bootstrap, pseudonyms
from agent.domain.calls import Backend, CallOutcome, CallResult
from agent.settings import AgentSettings, ShopSettings
from floodgate.bedrock import ModelClient
from floodgate.bedrock.prompts import in_place_of
from floodgate.events import Decision, Escalation, EscalationSource, ModelUsage, Reply, Verdict
from floodgate.events.generated import AvroModel
from floodgate.settings import PrivacySettings, load
from keyflow import Effect, EffectResult, FatalError, OutageError, Processor, RetryableError

from floodgate_eval.search import IndexedRetriever
from floodgate_eval.shadow.asking import OtherPrompt, remembered
from floodgate_eval.shadow.history import Entry
from floodgate_eval.shadow.taken import About, Subject, Taken, masked_text
from floodgate_eval.shadow.versions import Version
from floodgate_eval.shadow.wiring import unconnected_serde

ACTION: Final = "action:"
PROMPTS: Final = "agent.prompts"
PROMPT: Final = "read_slots.md"


class AgentSubject(Subject):
    """Verdicts that automate in; replies, actions and hand-overs out.

    Look-ups ask the shop as it is today (they change nothing), so that a comparison with what was recorded shows what
    the shop changed since, too: the live version runs again unless somebody wants it otherwise.

    Args:
        shop: Answers look-ups; the shop of the settings when left out.
    """

    name: ClassVar[str] = "agent"
    inputs: ClassVar[tuple[str, ...]] = ("support.verdicts", "support.messages")
    outputs: ClassVar[tuple[str, ...]] = ("support.replies", "support.escalations")
    first: ClassVar[tuple[str, ...]] = ("acted", "resolved", "handed_over", "asked", "said", "silent")
    actions: ClassVar[tuple[str, ...]] = tuple(f"{ACTION}{call.name}" for call in CALLS.values() if call.changes)
    rerun: ClassVar[bool] = True

    def __init__(self, shop: Backend | None = None) -> None:
        self._own = None if shop is not None else ShopHttp(load(ShopSettings), pseudonyms(load(PrivacySettings)))
        self._shop = _Shop(shop or cast(Backend, self._own))

    def processor(self, version: Version, model: ModelClient) -> Processor[Any]:
        with in_place_of(PROMPTS, PROMPT, version.prompt):
            service = bootstrap(
                load(AgentSettings),
                catalogue=version.catalogue,
                shop=cast(ShopHttp, self._shop),
                model=OtherPrompt(model, version.prompt) if version.prompt is not None else model,
                retriever=IndexedRetriever(version.catalogue),
                serde=unconnected_serde(),
                ledger=cast(Any, _NoLedger()),
            )
        return service.processors[0]

    def decides(self, entry: Entry) -> bool:
        return isinstance(entry.value, Verdict) and entry.value.decision is Decision.AUTOMATE

    def taken(self, entry: Entry, made: Sequence[AvroModel], failed: str = "") -> Taken | None:
        verdict = entry.value
        assert isinstance(verdict, Verdict)
        replies = [one for one in made if isinstance(one, Reply)]
        handed = next((one for one in made if isinstance(one, Escalation) and _own(one)), None)
        done, last = _done(replies, handed), replies[-1] if replies else None
        actions = handed.actions if handed is not None else last.actions if last is not None else ()
        marks = {done.replace(" ", "_"), *(f"{ACTION}{one.action}" for one in actions), *(["acted"] if actions else [])}
        facts = {
            "workflow": (last.workflow if last else "") or verdict.workflow or "",
            "step": last.step if last is not None and handed is None else "",
            "awaits": (last.awaits or "") if last is not None and handed is None else "",
            "actions": ", ".join(f"{one.action} {one.status.value}" for one in actions),
            "reason": handed.reason_code if handed else "",
            "team": (handed.team or "") if handed else "",
        }
        return Taken(
            label=done,
            marks=frozenset(marks),
            facts=facts,
            said=_said(replies, handed),
            explanation=handed.suggested_next_step if handed else "",
            category=verdict.category,
            language=verdict.language,
            usage=_usage([*replies, *([handed] if handed else [])]),
            failed=failed,
        )

    def about(self, entry: Entry) -> About:
        verdict = entry.value
        assert isinstance(verdict, Verdict)
        text = masked_text(verdict.message.text, verdict.language, verdict.country)
        return About(
            verdict.conversation_id, str(verdict.event_id), verdict.country or "", verdict.message.chosen_path, text
        )

    def answered(self, effect: Effect, made: Sequence[AvroModel]) -> EffectResult:
        for one in (action for record in made for action in getattr(record, "actions", ())):
            if one.idempotency_key == effect.idempotency_key:
                value = {"outcome": one.status.value, "code": one.detail, "value": self._assumed(effect)}
                return EffectResult(effect, "done", value)
        # What was never done is taken to be possible: the shop is not asked to do it.
        return EffectResult(effect, "done", {"outcome": CallOutcome.DONE.value, "value": self._assumed(effect)})

    async def close(self) -> None:
        if self._own is not None:
            await self._own.aclose()

    def _assumed(self, effect: Effect) -> dict[str, Any]:
        """The answer's fields as the shop last told them of the thing that is acted on."""
        spec, arguments = CALLS[str(effect.payload["call"])], dict(effect.payload["arguments"])
        ids = {value for value in arguments.values() if isinstance(value, str)}
        thing = next((one for one in _things(remembered().values()) if ids & set(map(str, one.values()))), {})
        return {name: thing.get(name, arguments.get(name)) for name in spec.fields}


class _Shop:
    """Look-ups, each asked once a conversation; there is no way to change anything.

    Args:
        shop: Who answers.
    """

    def __init__(self, shop: Backend) -> None:
        self._shop = shop

    async def look_up(self, call: str, arguments: Mapping[str, str | int], contact_id: str) -> CallResult:
        """See `Backend.look_up`.

        Raises:
            FatalError: The shop cannot be asked: without it every case would seem to be handed over.
        """
        answers, key = remembered(), json.dumps(["look up", call, dict(arguments), contact_id], sort_keys=True)
        if key not in answers:
            try:
                answers[key] = await self._shop.look_up(call, arguments, contact_id)
            except (RetryableError, OutageError) as error:
                raise FatalError(f"the shop cannot be asked ({call}): {error}; see FLOODGATE_SHOP_BASE_URL") from error
        return cast(CallResult, answers[key])

    async def change(self, _: Any) -> Mapping[str, Any]:
        """Never called: effects do not run.

        Raises:
            AssertionError: Always.
        """
        raise AssertionError("a comparison changes nothing")

    async def aclose(self) -> None:
        """Whoever opened the shop's client closes it."""


class _NoLedger:
    """Where actions are counted; there are none."""


def _things(answers: Any) -> Iterator[Mapping[str, Any]]:
    """Every object that a look-up told of."""
    for answer in answers:
        if isinstance(answer, CallResult):
            yield from _things([answer.value])
        elif isinstance(answer, Mapping):
            yield answer
            yield from _things(answer.values())
        elif isinstance(answer, (list, tuple)):
            yield from _things(answer)


def _own(escalation: Escalation) -> bool:
    return escalation.source is EscalationSource.AGENT


def _done(replies: Sequence[Reply], handed: Escalation | None) -> str:
    if handed is not None:
        return "handed over"
    if not replies:
        return "silent"
    last = replies[-1]
    return "resolved" if last.resolved else "asked" if last.awaits else "said"


def _said(replies: Sequence[Reply], handed: Escalation | None) -> str:
    spoken = [one.reply for one in replies]
    if handed is not None and handed.reply is not None:
        spoken.append(handed.reply)
    return "\n".join(line for one in spoken for line in (one.text, *(option.label for option in one.options)))


def _usage(records: Sequence[Reply | Escalation]) -> ModelUsage:
    usages = [record.usage for record in records]
    label = next((usage.model_label for usage in usages if usage.model_label), "")
    return ModelUsage(
        model_label=label,
        cost_usd=sum(usage.cost_usd for usage in usages),
        latency_ms=sum(usage.latency_ms for usage in usages),
        calls=sum(usage.calls for usage in usages),
    )
