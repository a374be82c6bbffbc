"""The firewall under comparison: what it decides about every message."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Final

from firewall.bootstrap import bootstrap
from firewall.domain.following import after_ruling
from firewall.domain.ruling import Ruling
from firewall.domain.state import ConversationState
from firewall.settings import FirewallSettings
from floodgate.bedrock import ModelClient
from floodgate.bedrock.prompts import in_place_of
from floodgate.events import Decision, Escalation, EscalationSource, Message, MessageKind, Misuse, Verdict
from floodgate.events.generated import AvroModel
from floodgate.settings import load
from keyflow import Processor

from floodgate_eval.search import IndexedRetriever
from floodgate_eval.shadow.history import Entry
from floodgate_eval.shadow.taken import About, Subject, Taken, masked_text
from floodgate_eval.shadow.versions import Version
from floodgate_eval.shadow.wiring import unconnected_serde

PROMPTS: Final = "firewall.prompts"
PROMPT: Final = "assess.md"
_DONE: Final = {
    Decision.PASS: "passed",
    Decision.REDIRECT: "redirected",
    Decision.AUTOMATE: "automated",
    Decision.ESCALATE: "escalated",
    Decision.QUARANTINE: "quarantined",
}


class FirewallSubject(Subject):
    """Messages in, verdicts out."""

    name: ClassVar[str] = "firewall"
    inputs: ClassVar[tuple[str, ...]] = ("support.messages", "support.replies", "support.escalations")
    outputs: ClassVar[tuple[str, ...]] = ("support.verdicts", "support.escalations")
    first: ClassVar[tuple[str, ...]] = (
        "urgent", "automated", "escalated", "redirected", "quarantined", "passed", "unscreened", "bypass",
    )  # fmt: skip

    def processor(self, version: Version, model: ModelClient) -> Processor[Any]:
        with in_place_of(PROMPTS, PROMPT, version.prompt):
            service = bootstrap(
                load(FirewallSettings),
                catalogue=version.catalogue,
                model=model,
                retriever=IndexedRetriever(version.catalogue),
                serde=unconnected_serde(),
            )
        return service.processors[0]

    def decides(self, entry: Entry) -> bool:
        return isinstance(entry.value, Message) and entry.value.kind is MessageKind.USER_MESSAGE

    def taken(self, entry: Entry, made: Sequence[AvroModel], failed: str = "") -> Taken | None:
        verdict = next((one for one in made if isinstance(one, Verdict)), None)
        if verdict is None:
            return None
        handed = next((one for one in made if isinstance(one, Escalation) and _own(one)), None)
        done = _DONE.get(verdict.decision)
        named = {
            done: done is not None,
            "urgent": verdict.urgent,
            "unscreened": not verdict.screened,
            "bypass": verdict.misuse is Misuse.BYPASS,
        }
        offered = verdict.suggested_path if verdict.decision is Decision.REDIRECT else None
        started = verdict.workflow if verdict.decision is Decision.AUTOMATE else None
        facts = {
            "category": verdict.category,
            "team": verdict.team,
            "offered": offered,
            "workflow": started,
            "misuse": verdict.misuse.value,
            "reason": handed.reason_code if handed else None,
        }
        return Taken(
            label=verdict.decision.value,
            marks=frozenset(str(name) for name, holds in named.items() if holds),
            facts={name: value or "" for name, value in facts.items()},
            explanation=verdict.explanation,
            category=verdict.category,
            language=verdict.language,
            usage=verdict.usage,
            failed=failed or ("" if verdict.screened else "unscreened"),
        )

    def about(self, entry: Entry) -> About:
        message = entry.value
        assert isinstance(message, Message)
        text = masked_text(message.text, message.language, message.country)
        return About(
            message.conversation_id, str(message.event_id), message.country or "", message.chosen_path, text

        )  # fmt: skip

    def known_without(self, entry: Entry, state: Any, made: Sequence[AvroModel]) -> tuple[bool, Any]:
        verdict = next((one for one in made if isinstance(one, Verdict)), None)
        if not self.decides(entry) or verdict is None:
            return False, state
        # All that the state takes from a ruling stands in its verdict.
        ruling = Ruling(
            verdict.decision,
            "",
            suggested_path=verdict.suggested_path,
            category=verdict.category,
            confidence=verdict.confidence,
            wants=verdict.wants,
        )
        known = state or ConversationState()
        return True, after_ruling(known, verdict.message, ruling, verdict.reply, verdict.language)


def _own(escalation: Escalation) -> bool:
    return escalation.source is EscalationSource.FIREWALL
